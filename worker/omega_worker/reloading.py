"""Settings read again while the worker runs: which of them hold at once, which only after a restart."""

from typing import NamedTuple

from omega_worker.settings import Settings

LIVE = frozenset(
    {
        "poll_interval_seconds",
        "idle_check_seconds",
        "max_attempts",
        "retry_base_seconds",
        "lease_seconds",
        "drain_seconds",
        "quiet_hours",
        "missed_after_seconds",
        "missed",
        "digest_above",
        "close_on_shutdown",
        "backup_interval_hours",
        "backup_keep",
        "ledger_keep_days",
        "audit_keep_days",
        "conversations_keep_days",
        "outcomes_keep_days",
        "alert_to",
        "alert_in_a_row",
        "overdue_limit_seconds",
        "log_level",
        "log_format",
    }
)


class Reloaded(NamedTuple):
    """`settings`: the old ones with every change that holds at once. Names are as in the environment."""

    settings: Settings
    changed: list[str]
    waiting: list[str]


def reloaded(old: Settings, new: Settings) -> Reloaded:
    """What becomes of `new` while a worker runs with `old`."""
    differ = [name for name in Settings.model_fields if getattr(old, name) != getattr(new, name)]
    live = {name: getattr(new, name) for name in differ if name in LIVE}
    waiting = [name for name in differ if name not in LIVE]
    return Reloaded(old.model_copy(update=live), _named(live), _named(waiting))


def _named(fields: list[str] | dict[str, object]) -> list[str]:
    return [f"OMEGA_{name.upper()}" for name in fields]
