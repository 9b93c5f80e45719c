"""`omega-worker forget`: a person, or one conversation, for ever."""

import sys
from argparse import Namespace
from pathlib import Path

from omega_models import Store, checks, personal
from omega_models.diagnosis import counted
from omega_models.forgetting import copies, forget_one, forget_people
from omega_models.personal import CONVERSATION, PERSON
from omega_worker.channels.console import visible
from omega_worker.commands.bars import spinner
from omega_worker.commands.faults import Misused, Refused
from omega_worker.commands.lines import by_table, pairs, sentence
from omega_worker.commands.opening import open_existing, settings_of
from omega_worker.settings import Settings

OUT_OF_REACH = (
    "the server's own write-ahead log, its replicas, archives and dumps may still hold it: they are out of this "
    "program's reach, see docs/privacy.md"
)


def forget(arguments: Namespace) -> None:
    settings = settings_of(arguments)
    with open_existing(settings) as store:
        of, ids = _whom(store, arguments)
        counts = personal.counts(store, of, ids)
        named = visible(f"conversation {ids[0]}" if of == CONVERSATION else f"'{ids[0]}'")
        aliases = f", and as {visible(', '.join(ids[1:]))}" if len(ids) > 1 else ""
        if arguments.dry_run:
            print(f"would forget {named}{aliases}: {counted(sum(counts.values()), 'row')}")
            pairs([("rows", by_table(counts))] if any(counts.values()) else [])
            _name_copies(store, settings)
            return
        _ask(arguments, f"{named}{aliases}: {counted(sum(counts.values()), 'row')}")
        gone = _forget(store, of, ids)
        print(f"forgotten: {named}{aliases}: {counted(sum(gone.values()), 'row')}")
        pairs([("rows", by_table(gone))] if any(gone.values()) else [])
        _name_copies(store, settings)


def _whom(store: Store, arguments: Namespace) -> tuple[str, list[str]]:
    if arguments.conversation is not None:
        return CONVERSATION, [checks.identifier(arguments.conversation, "--conversation")]
    return PERSON, personal.everyone(store, arguments.sender)


def _ask(arguments: Namespace, what: str) -> None:
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise Misused("nothing was forgotten: give --yes, or --dry-run to see what would be")
    print(f"{what}\nForget this for ever? [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Refused("nothing was forgotten")


def _forget(store: Store, of: str, ids: list[str]) -> dict[str, int]:
    with spinner() as tell:
        return forget_people(store, ids, tell) if of == PERSON else forget_one(store, ids, tell)


def _name_copies(store: Store, settings: Settings) -> None:
    if store.database.is_postgres:
        sentence(OUT_OF_REACH)
        return
    folder = Path(settings.backup_folder).expanduser().absolute() if settings.backup_folder else None
    held = copies(store, folder)
    if held:
        sentence(f"{counted(len(held), 'copy', 'copies')} may still hold it; delete what you need no more:")
        for path in held:
            sentence(f"  {visible(str(path))}")
