"""Who would deliver a task: the live workers, as sentences."""

from collections.abc import Collection
from datetime import datetime

from omega_models import Store
from omega_models.presence import live_workers
from omega_worker.commands.lines import one_line
from omega_worker.commands.spans import span


def is_served(store: Store, channel: str, task_type: str) -> bool:
    return any(channel in each.channels and task_type in each.task_types for each in live_workers(store))


def unserved_warning(store: Store, channel: str, task_type: str, known: Collection[str]) -> str | None:
    """What to say where no live worker would deliver it; `known` are the channels of the settings here."""
    if is_served(store, channel, task_type):
        return None
    name, where = one_line(channel), store.database.where
    if channel in known:
        return f"no live worker on {where} serves channel '{name}': start one with `omega-worker run`"
    return (
        f"no settings here and no live worker on {where} know channel '{name}', so it waits until one does "
        f"(known here: {', '.join(sorted(known))}). Set OMEGA_CHANNELS__{name.upper()} and start `omega-worker run`"
    )


def servers(store: Store, channel: str, task_type: str, now: datetime) -> str | None:
    """`worker host:1:ab, seen 3 s ago`; None where there is none."""
    found = [
        f"{one_line(each.id)} (seen {span(now - each.seen_at)} ago)"
        for each in live_workers(store)
        if channel in each.channels and task_type in each.task_types
    ]
    return ", ".join(found) or None
