"""What one look-up of the next occurrence costs, by the age of the series.

    uv run python benchmarks/calendar_cost.py

Prints microseconds per call for anchors of one day, one year and fifty years, and the same
question put to dateutil or cronsim. The other engines count from the anchor, as a caller of
theirs would.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter
from zoneinfo import ZoneInfo

from cronsim import CronSim
from dateutil.rrule import rrulestr

from omega_models.recurrence import following

ZONE = "Europe/Berlin"
NOW = datetime(2026, 3, 27, 12, 0, tzinfo=UTC)
AGES = {"1 day": 1, "1 year": 365, "50 years": 18_262}
KINDS = {
    "daily": "FREQ=DAILY",
    "weekdays": "FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR",
    "weekly": "FREQ=WEEKLY",
    "monthly": "FREQ=MONTHLY;BYMONTHDAY=28",
    "yearly": "FREQ=YEARLY",
    "cron:* * * * *": "* * * * *",
    "cron:30 9 * * mon-fri": "30 9 * * mon-fri",
    "cron:0 12 29 2 *": "0 12 29 2 *",
    "RRULE:FREQ=HOURLY;INTERVAL=5": "FREQ=HOURLY;INTERVAL=5",
    "RRULE:FREQ=DAILY;INTERVAL=3;COUNT=100000": "FREQ=DAILY;INTERVAL=3;COUNT=100000",
    "RRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH": "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TH",
    "RRULE:FREQ=MONTHLY;BYDAY=-1FR": "FREQ=MONTHLY;BYDAY=-1FR",
    "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU": "FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU",
}


def microseconds(call: Callable[[], object]) -> float:
    """The best of three runs of about 20 ms each; the first call fills the caches."""
    call()
    start = perf_counter()
    call()
    calls = max(1, min(2_000, int(0.02 / max(perf_counter() - start, 1e-6))))
    return min(_run(call, calls) for _ in range(3))


def _run(call: Callable[[], object], calls: int) -> float:
    start = perf_counter()
    for _ in range(calls):
        call()
    return (perf_counter() - start) / calls * 1e6


def other(kind: str, rule: str, anchor: datetime) -> Callable[[], object]:
    """The same question to cronsim or dateutil."""
    if kind.startswith("cron:"):
        local = NOW.astimezone(ZoneInfo(ZONE))
        return lambda: next(CronSim(rule, local))
    naive_now = NOW.astimezone(ZoneInfo(ZONE)).replace(tzinfo=None)
    return lambda: rrulestr(rule, dtstart=anchor).after(naive_now)


def main() -> None:
    """Print the table."""
    head = "".join(f"{age:>12}{'other':>12}" for age in AGES)
    print(f"{'µs per following()':42}{head}")
    for kind, rule in KINDS.items():
        cells = []
        for days in AGES.values():
            anchor = (NOW - timedelta(days=days)).replace(tzinfo=None, hour=9)
            cells.append(microseconds(lambda a=anchor, k=kind: following(k, a, NOW, ZONE)))
            cells.append(microseconds(other(kind, rule, anchor)))
        print(f"{kind:42}" + "".join(f"{cell:12.1f}" for cell in cells))
    print("other: dateutil.rrule from the anchor (naive time, no zone), cronsim from now")


if __name__ == "__main__":
    main()
