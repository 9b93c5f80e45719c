"""From the settings to the rules that the jobs take."""

from datetime import timedelta
from pathlib import Path

from omega_jobs import backup, deliver
from omega_jobs.alert import Alerting
from omega_jobs.maintain import Keep
from omega_models import MissedPolicy
from omega_worker.settings import Settings


def delivery_rules(settings: Settings) -> deliver.Rules:
    return deliver.Rules(
        max_attempts=settings.max_attempts,
        retry_base=timedelta(seconds=settings.retry_base_seconds),
        lease=timedelta(seconds=settings.lease_seconds),
        missed=MissedPolicy(
            timedelta(seconds=settings.missed_after_seconds),
            {"reminder": settings.missed.reminder, "action": settings.missed.action},
        ),
        quiet=settings.quiet_window(),
        digest_above=settings.digest_above,
    )


def alert_rules(settings: Settings) -> Alerting | None:
    """None: no channel is named, so nobody is told."""
    if settings.alert_channel is None:
        return None
    return Alerting(
        settings.alert_channel,
        settings.alert_to,
        timedelta(seconds=settings.overdue_limit_seconds),
        settings.alert_in_a_row,
    )


def backup_rules(settings: Settings) -> backup.Rules | None:
    """None: no folder is named, so none are made."""
    if not settings.backup_folder:
        return None
    folder = Path(settings.backup_folder).expanduser().absolute()
    return backup.Rules(folder, timedelta(hours=settings.backup_interval_hours), settings.backup_keep)


def keep_rules(settings: Settings) -> Keep:
    return Keep(
        ledger=_days(settings.ledger_keep_days),
        audit=_days(settings.audit_keep_days),
        conversations=_days(settings.conversations_keep_days),
        outcomes=_days(settings.outcomes_keep_days),
    )


def _days(count: int) -> timedelta | None:
    return timedelta(days=count) if count else None
