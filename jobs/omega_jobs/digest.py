"""Many missed reminders for one target become one message."""

import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta

from omega_models.alerts import SENDER as ALERTS
from omega_models.claims import Claim

NAMESPACE = uuid.UUID("2b1f7f0e-5f0c-4a3e-9a55-6f6d65676132")
MOST = 25  # a message stays below what messengers take


def is_missed(claim: Claim, now: datetime, after: timedelta) -> bool:
    """Whether it could go into a digest: an ordinary reminder that is late by more than that."""
    plain = claim.task.task_type == "reminder" and not claim.urgent and claim.task.sender_id != ALERTS
    return plain and now - claim.due > after


def gathered(claims: Iterable[Claim], now: datetime, after: timedelta, above: int) -> list[Claim]:
    """The claims, where a target's missed ones are more than `above` in bundles; `above` 0: as they are."""
    claims = list(claims)
    by_target: dict[tuple[str, str], list[Claim]] = {}
    for each in claims:
        if above and is_missed(each, now, after):
            by_target.setdefault((each.task.sender_id, each.task.reply_target), []).append(each)
    many = [group for group in by_target.values() if len(group) > above]
    bundled = {each.task.token for group in many for each in group}
    single = [each for each in claims if each.task.token not in bundled]
    return [*_bundles(many), *single]


def _bundles(groups: Iterable[list[Claim]]) -> list[Claim]:
    return [
        part[0]._replace(others=tuple(part[1:]))
        for group in groups
        for start in range(0, len(group), MOST)
        if (part := group[start : start + MOST])
    ]


def spread(claim: Claim) -> tuple[Claim, ...]:
    """Every claim of a bundle, each by itself."""
    return (claim._replace(others=()), *claim.others) if claim.others else (claim,)


def key(claim: Claim) -> str:
    """The receiver's key: the occurrence's id, or one made from those of all that come together."""
    if not claim.others:
        return claim.task.occurrence_id
    return str(uuid.uuid5(NAMESPACE, " ".join(each.task.occurrence_id for each in spread(claim))))
