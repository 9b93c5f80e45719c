"""Claims, settling, history and retention on a ledger of ten million rows, on PostgreSQL: times and plans.

    uv run python benchmarks/claims_at_scale.py [--rows 10000000] [--plans]

One day of deliveries, of a tenth as many repeating tasks, is written by the server itself; then a small
backlog is claimed and settled. The server is started and stopped here, with fsync on.
"""

import argparse
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import psycopg
from fleet import DURABLE, _ms, find_binaries, new_database, own_server, restart
from measuring import CHANNEL, fill, header, seconds_apart, table

from omega_models import Store
from omega_models.claims import Claim, claim
from omega_models.retention import BATCH, forget_settled
from omega_models.settling import Settlement, settle_many

DAY_MS = 86_400_000
AT_ONCE = 256
PLANS = (
    "session_preload_libraries = auto_explain\nauto_explain.log_min_duration = 0\n"
    "auto_explain.log_analyze = on\nauto_explain.log_timing = off\nauto_explain.log_level = log\n"
)
TASKS = """INSERT INTO scheduled_tasks (id, channel, sender_id, reply_target, description, due_at, repeat,
    scheduled_for, anchor_local, timezone)
SELECT md5(n::text)::uuid::text, %(channel)s, (n %% %(senders)s)::text, 'chat', 'task number ' || n,
    date_trunc('second', now()) + interval '1 hour' + n * interval '1 second', 'daily',
    date_trunc('second', now()) + interval '1 hour' + n * interval '1 second', '2026-01-01 09:00:00', 'UTC'
FROM generate_series(1, %(tasks)s) AS n"""
LEDGER = """INSERT INTO task_occurrences (id, task_id, sender_id, scheduled_for, due_ms, claimed_ms, settled_ms,
    lateness_ms, state, attempts, worker)
SELECT substr(hex, 1, 8) || '-' || substr(hex, 9) || '-8' || substr(hash, 1, 3) || '-a' || substr(hash, 4, 3)
        || '-' || substr(hash, 7, 12),
    md5((n %% %(tasks)s + 1)::text)::uuid::text, ((n %% %(tasks)s + 1) %% %(senders)s)::text, at, at, at + 5, at + 40,
    40, 'delivered', 1, 'worker'
FROM generate_series(1::bigint, %(rows)s) AS n,
    LATERAL (SELECT %(start)s + n * %(day)s / %(rows)s AS at) AS instant,
    LATERAL (SELECT lpad(to_hex(at), 12, '0') AS hex, md5(n::text) AS hash) AS texts"""
INDEXES = """SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index
    WHERE indrelid = 'task_occurrences'::regclass AND NOT indisprimary AND NOT indisunique"""


def write(url: str, rows: int, now_ms: int) -> None:
    """The day's rows; the plain indexes are made afterwards, as a restore would."""
    given = {"rows": rows, "tasks": rows // 10, "senders": rows // 100, "day": DAY_MS}
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(TASKS, given | {"channel": "elsewhere"})
        indexes = connection.execute(INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute("SET work_mem = '512MB'; SET maintenance_work_mem = '1GB'")
        connection.execute(LEDGER, given | {"start": now_ms - DAY_MS})
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("VACUUM ANALYZE")


def sizes(url: str) -> list[list[str]]:
    query = """SELECT relname, pg_size_pretty(pg_relation_size(oid)) FROM pg_class
        WHERE relname ~ 'task_occurrences' AND relkind IN ('r', 'i') ORDER BY pg_relation_size(oid) DESC"""
    with psycopg.connect(url) as connection:
        return [[name, size] for name, size in connection.execute(query)]


class Log:
    """What the server noted since it was last read."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._read = file.stat().st_size

    def plans(self) -> list[str]:
        text = self._file.read_text()
        new, self._read = text[self._read :], len(text)
        found: dict[str, str] = {}
        for entry in re.split(r"(?m)^(?=\d{4}-)", new):
            if "plan:" in entry:
                query, _, plan = entry.partition("Query Text:")[2].strip().partition("\n")
                steps = [line for line in plan.splitlines() if re.search(r"->|^\t\w+ on|Cond|Limit", line)]
                found.setdefault(query[:60], "\n".join(re.sub(r"\(cost=\S+ ", "(", line) for line in steps))
        return [f"{query} …\n{plan}" for query, plan in found.items()]


def timed(call: Callable[[], Any], times: int) -> list[float]:
    took = []
    for _ in range(times):
        start = perf_counter()
        call()
        took.append((perf_counter() - start) * 1e3)
    return sorted(took)


class Day:
    """The things that are done to a ledger, one call each."""

    def __init__(self, store: Store, now: datetime) -> None:
        self.store, self.now = store, now
        self.held: list[list[Claim]] = []
        self.ids: list[str] = []

    def claim(self) -> None:
        self.held.append(claim(self.store, "w", AT_ONCE, channels=(CHANNEL,), task_types=("reminder",)))

    def settle(self) -> None:
        settle_many(self.store, [Settlement(each.task.token, "delivered") for each in self.held.pop()])

    def history(self) -> None:
        assert self.store.task_history(self.ids.pop())

    def retain(self) -> None:
        """One round: as many batches of the oldest rows as it takes on at once."""
        assert forget_settled(self.store, self.now - timedelta(hours=12), lambda _: None) > 0


def main() -> None:
    """Prints sizes, times, and the plans if wanted."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--plans", action="store_true", help="print the plans")
    given = parser.parse_args()
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL here: install one")
    with (
        own_server(binaries) as server,
        new_database(server.url) as url,
        Store(url, max_pending_tasks=10**9) as store,
    ):
        restart(server, DURABLE + (PLANS if given.plans else ""))
        header(f"A ledger of {given.rows:,} rows", server.folder)
        now = datetime.now(UTC)
        start = perf_counter()
        write(url, given.rows, int(now.timestamp() * 1000))
        print(f"written in {perf_counter() - start:.0f} s\n")
        table(["table or index", "size"], sizes(url))
        due = seconds_apart(now - timedelta(minutes=50), 10_000, 0.29)
        fill(store, 10_000, due)
        day, log = Day(store, now), Log(server.folder / "server.log")
        day.ids = [
            str(row[0])
            for row in store.database.sql_rows(
                "SELECT id FROM scheduled_tasks WHERE repeat = 'daily' LIMIT 200"
            )
        ]
        rows, plans = [], []
        for name, call, count in (
            (f"claim of {AT_ONCE}", day.claim, 39),
            (f"settle of {AT_ONCE}", day.settle, 39),
            ("history of a task", day.history, 200),
            ("retention, all batches", day.retain, 1),
        ):
            took = timed(call, count)
            rows.append([name, *(_ms(took, share) for share in (0.5, 0.99))])
            plans += [f"-- {name}: {plan}" for plan in log.plans()]
        print()
        table(["", "p50 ms", "p99 ms"], rows)
        print(f"\na batch of retention looks at {BATCH} rows\n")
        if given.plans:
            print("\n\n".join(plans))


if __name__ == "__main__":
    main()
