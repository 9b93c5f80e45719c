"""What the assistant learned: how things went, and the rules drawn from that."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from peewee import SQL, Node

from omega_models import checks, times
from omega_models.conversations import ROWID
from omega_models.database import Database
from omega_models.errors import InvalidArgument, WrongType
from omega_models.statements import Given
from omega_models.tables import Lesson as L
from omega_models.tables import Outcome as O

if TYPE_CHECKING:
    from omega_models.store import Store

SCORES = (-1, 0, 1)
KEPT_LESSONS = 10  # of a sender, domain and project
SHOWN_LESSONS = 50
GENERAL = ""


class Outcome(NamedTuple):
    score: int
    domain: str
    lesson: str
    timestamp: datetime


class Lesson(NamedTuple):
    domain: str
    rule: str
    project: str


# Outcomes


def _add_outcome(_: Database) -> Node:
    columns = ("id", "timestamp", "sender_id", "domain", "score", "lesson", "source", "project")
    return O.insert({getattr(O, name): Given(name) for name in columns})


def _recent(_: Database, of_sender: bool, of_project: bool) -> Node:
    found = O.select(O.score, O.domain, O.lesson, O.timestamp)
    found = found.where(O.sender_id == Given("sender_id") if of_sender else O.timestamp >= Given("since"))
    if of_project:
        found = found.where(O.project == Given("project"))
    return found.order_by(O.timestamp.desc(), ROWID.desc()).limit(Given("limit"))


def store_outcome(
    store: Store,
    sender_id: str | int,
    domain: str,
    score: int,
    lesson: str,
    source: str = "conversation",
    project: str | None = "",
) -> None:
    """Keeps how something went: `score` is -1, 0 or 1. Raises `ValueError`, `InvalidId` or `InvalidText`."""
    if isinstance(score, bool) or score not in SCORES:
        raise InvalidArgument("score must be -1, 0 or 1")
    store.database.run(
        _add_outcome,
        id=str(uuid.uuid4()),
        timestamp=times.to_text(store.clock()),
        sender_id=checks.identifier(sender_id, "sender_id"),
        domain=checks.text(domain, "domain", store.max_text, empty=False),
        score=int(score),
        lesson=checks.text(lesson, "lesson", store.max_text, empty=False),
        source=checks.text(source, "source", store.max_text, empty=False),
        project=checks.project(project),
    )


def get_recent_outcomes(
    store: Store, sender_id: str | int, limit: int, project: str | None = None
) -> list[Outcome]:
    """The sender's, newest first, of one project; "" is general, None is all."""
    sender = checks.identifier(sender_id, "sender_id")
    return _outcomes(store, limit, project, sender_id=sender)


def get_all_recent_outcomes(
    store: Store, hours: float, limit: int, project: str | None = None
) -> list[Outcome]:
    """Everybody's of the last hours, newest first, of one project; "" is general, None is all."""
    return _outcomes(store, limit, project, since=_hours_ago(store, hours))


def _outcomes(store: Store, limit: int, project: str | None, **given: Any) -> list[Outcome]:
    given |= {"limit": checks.limit(limit), "project": checks.project(project)}
    rows = store.database.rows(_recent, "sender_id" in given, project is not None, **given)
    return [Outcome(score, domain, lesson, times.from_text(at)) for score, domain, lesson, at in rows]


def _hours_ago(store: Store, hours: float) -> str:
    if isinstance(hours, bool) or not isinstance(hours, int | float):
        raise WrongType(f"hours must be a number, not {type(hours).__name__}")
    if not hours >= 0:
        raise InvalidArgument("hours must be 0 or more")
    try:
        return times.to_text(store.clock() - timedelta(hours=hours))
    except OverflowError:
        return times.to_text(datetime.min.replace(tzinfo=UTC))


# Lessons


def _scope() -> Node:
    of_sender = (L.sender_id == Given("sender_id")) & (L.domain == Given("domain"))
    return of_sender & (L.project == Given("project"))


def _take_out(_: Database) -> Node:
    same = L.delete().where(_scope() & (L.rule == Given("rule")))
    return same.returning(L.id, L.occurrences, L.created_at)


def _add_lesson(_: Database) -> Node:
    columns = ("id", "sender_id", "domain", "rule", "project", "occurrences", "created_at", "updated_at")
    return L.insert({getattr(L, name): Given(name) for name in columns})


def _forget_stalest(_: Database) -> Node:
    newest = L.select(L.id).where(_scope()).order_by(L.updated_at.desc(), ROWID.desc())
    return L.delete().where(L.id.in_(newest.offset(KEPT_LESSONS)))


def _own_first(_: Database, of_sender: bool, of_project: bool, everything: bool) -> Node:
    found = L.select(L.domain, L.rule, L.project)
    if of_sender:
        found = found.where(L.sender_id == Given("sender_id"))
    if not everything:
        projects = (Given("project"), GENERAL) if of_project else (GENERAL,)
        found = found.where(L.project.in_(projects))
    order = (L.updated_at.desc(), ROWID.desc())
    if of_project:
        return found.order_by(SQL("project = ''"), *order).limit(SHOWN_LESSONS)
    return found.order_by(*order).limit(SHOWN_LESSONS)


def store_lesson(
    store: Store, sender_id: str | int, domain: str, rule: str, project: str | None = ""
) -> None:
    """Keeps a rule. One that is known counts once more and comes to the front; beyond ten the stalest goes.

    Raises `InvalidId`, `InvalidText` or `TextTooLong`.
    """
    lesson = {
        "sender_id": checks.identifier(sender_id, "sender_id"),
        "domain": checks.text(domain, "domain", store.max_text, empty=False),
        "rule": checks.text(rule, "rule", store.max_text, empty=False).strip(),
        "project": checks.project(project),
    }
    now = times.to_text(store.clock())
    with store.database.writing():
        known = store.database.rows(_take_out, **lesson)  # a row put in anew comes after those of this second
        lesson["id"], _, lesson["created_at"] = known[0] if known else (str(uuid.uuid4()), 0, now)
        count = 1 + sum(row[1] for row in known)
        store.database.run(_add_lesson, **lesson, occurrences=count, updated_at=now)
        store.database.run(_forget_stalest, **lesson)


def get_lessons(store: Store, sender_id: str | int, project: str | None = None) -> list[Lesson]:
    """At most 50: the project's own, then the general ones; without a project the general ones. Newest first."""
    given = {"sender_id": checks.identifier(sender_id, "sender_id"), "project": checks.project(project)}
    rows = store.database.rows(_own_first, True, bool(project), False, **given)
    return [Lesson(*row) for row in rows]


def get_all_lessons(store: Store, project: str | None = None) -> list[Lesson]:
    """Everybody's, at most 50; as `get_lessons`, but None is all."""
    given = {"project": checks.project(project)}
    rows = store.database.rows(_own_first, False, bool(project), project is None, **given)
    return [Lesson(*row) for row in rows]
