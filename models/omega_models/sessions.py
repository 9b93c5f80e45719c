"""The session a command-line assistant goes on with: one a channel, sender and project."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from peewee import EXCLUDED, Node

from omega_models import checks, times
from omega_models.database import Database
from omega_models.statements import Given
from omega_models.tables import ProjectSession as S

if TYPE_CHECKING:
    from omega_models.store import Store


def _here() -> Node:
    of_sender = (S.channel == Given("channel")) & (S.sender_id == Given("sender_id"))
    return of_sender & (S.project == Given("project"))


def _upsert(_: Database) -> Node:
    columns = ("id", "channel", "sender_id", "project", "session_id", "created_at", "updated_at")
    return S.insert({getattr(S, name): Given(name) for name in columns}).on_conflict(
        conflict_target=[S.channel, S.sender_id, S.project],
        update={S.session_id: EXCLUDED.session_id, S.updated_at: EXCLUDED.updated_at},
    )


def _one(_: Database) -> Node:
    return S.select(S.session_id).where(_here())


def _clear(_: Database) -> Node:
    return S.delete().where(_here())


def _clear_all(_: Database) -> Node:
    return S.delete().where(S.sender_id == Given("sender_id"))


def _checked(channel: str, sender_id: str | int, project: str | None) -> dict[str, str]:
    return {
        "channel": checks.identifier(channel, "channel"),
        "sender_id": checks.identifier(sender_id, "sender_id"),
        "project": checks.project(project),
    }


def store_session(
    store: Store, channel: str, sender_id: str | int, project: str | None, session_id: str
) -> None:
    """Keeps the session's id, in place of an earlier one."""
    here = _checked(channel, sender_id, project)
    session = checks.identifier(session_id, "session_id")
    now = times.to_text(store.clock())
    given = {"id": str(uuid.uuid4()), "session_id": session, "created_at": now, "updated_at": now}
    store.database.run(_upsert, **here, **given)


def get_session(store: Store, channel: str, sender_id: str | int, project: str | None) -> str | None:
    """The session's id, or None."""
    found: str | None = store.database.value(_one, **_checked(channel, sender_id, project))
    return found


def clear_session(store: Store, channel: str, sender_id: str | int, project: str | None) -> None:
    """Forgets the session."""
    store.database.run(_clear, **_checked(channel, sender_id, project))


def clear_all_sessions_for_sender(store: Store, sender_id: str | int) -> None:
    """Forgets the sender's sessions on all channels, in all projects."""
    store.database.run(_clear_all, sender_id=checks.identifier(sender_id, "sender_id"))
