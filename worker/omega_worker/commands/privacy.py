"""The commands that move and forget a person, with their options. Nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omega_worker.commands.arguments import Commands

EXPORT = """\
One JSON object a line: conversations, facts, tasks with their ledger, outcomes, lessons, sessions and audit
entries, under every alias. Programs may go on using the database meanwhile. The file is for this user alone,
and gets its name once all is in it.

examples:
  omega-worker export 4242 --to person.jsonl
  omega-worker export 4242 --to -
"""
IMPORT = """\
Everything is checked before anything is written. What is there already stays as it is, so a second import
writes nothing, and after an interrupted one the next goes on with the rest. Exports of several people may
follow each other in one file.

examples:
  omega-worker import person.jsonl --dry-run
  omega-worker --database postgresql://localhost/omega import person.jsonl
  gunzip -c person.jsonl.gz | omega-worker import -
"""
FORGET = """\
The person is forgotten under every alias: conversations, facts, tasks with their ledger, outcomes, lessons,
sessions and audit entries. Then the file is written anew, so that no byte is left in it; others who write
wait for that, about a second for 40 MB. Where somebody still reads, it says so: run it again. Copies and
backups that may still hold the person are named, and left to you.

examples:
  omega-worker forget 4242 --dry-run
  omega-worker forget 4242
  omega-worker forget --conversation 0d4f3b7e-54b1-4c5c-9d0c-6b7a3e1c2f10 --yes
"""


def add_privacy(commands: Commands) -> None:
    _export(commands)
    _import(commands)
    _forget(commands)


def _export(commands: Commands) -> None:
    parser = commands.add(
        "export", "exporting:export", "write all that is kept of a person to a file", EXPORT
    )
    parser.add_argument("sender", metavar="SENDER", help="the person's id, or any alias of it")
    parser.add_argument(
        "--to", metavar="FILE", required=True, help="a new file, or - for standard output (default: none)"
    )
    parser.add_argument(
        "--force", action="store_true", help="replace the file if there is one (default: refuse)"
    )


def _import(commands: Commands) -> None:
    parser = commands.add("import", "importing:import_file", "bring in what was exported", IMPORT)
    parser.add_argument("file", metavar="FILE", help="what `export` wrote, or - for standard input")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done (default: do it)")


def _forget(commands: Commands) -> None:
    parser = commands.add(
        "forget", "forgetting:forget", "forget a person, or one conversation, for ever", FORGET
    )
    whom = parser.add_mutually_exclusive_group(required=True)
    whom.add_argument("sender", metavar="SENDER", nargs="?", help="the person's id, or any alias of it")
    whom.add_argument(
        "--conversation", metavar="ID", help="one conversation only (default: the whole person)"
    )
    parser.add_argument("--dry-run", action="store_true", help="only count (default: forget)")
    parser.add_argument("--yes", action="store_true", help="do not ask (default: ask, on a terminal)")
