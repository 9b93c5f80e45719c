"""From a claim to what its channel is given."""

from datetime import datetime, timedelta

from omega_jobs.delivery import Delivery
from omega_jobs.digest import key, spread
from omega_jobs.wording import digest_text, reminder_text
from omega_models import times
from omega_models.alerts import SENDER as ALERTS
from omega_models.claims import Claim


def compose(claim: Claim, now: datetime) -> Delivery:
    """The delivery of a claim at that moment; of a bundle, one delivery for all of it."""
    task = claim.task
    local = times.in_zone(task.scheduled_for, claim.timezone)
    late_by = max(now - claim.due, timedelta(0))
    text = _text(claim, local, late_by)
    return Delivery(
        id=key(claim),
        task_id=task.id,
        channel=task.channel,
        sender_id=task.sender_id,
        reply_target=task.reply_target,
        text=text,
        description=text if claim.others else task.description,
        scheduled_for=task.scheduled_for,
        scheduled_local=local,
        attempt=task.attempt,
        late_by=late_by,
        project=task.project,
        is_action=task.task_type == "action",
    )


def _text(claim: Claim, local: datetime, late_by: timedelta) -> str:
    if claim.others:
        return digest_text([(each.task.description, _due(each)) for each in spread(claim)])
    if claim.task.task_type == "action" or claim.task.sender_id == ALERTS:
        return claim.task.description
    return reminder_text(claim.task.description, late_by=late_by, scheduled_local=local, missed=claim.missed)


def _due(claim: Claim) -> datetime:
    return times.in_zone(claim.task.scheduled_for, claim.timezone)
