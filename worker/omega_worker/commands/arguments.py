"""Every command and option on one page. Nothing heavy is imported here: help comes at once."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from omega_worker.commands.privacy import add_privacy
from omega_worker.commands.service import add_install, add_status
from omega_worker.commands.spans import parse_span
from omega_worker.commands.upkeep import add_upkeep

TASK_ID = "the task's id, or the first characters of it"
WHEN = """\
times:
  --in takes 10s, 5m, 1h30m, 2d, 1w; a day is 24 hours
  --at takes 18:30 or 6pm (the next one), 'tomorrow 9:00', 'fri 9:00', '2026-03-01 09:00',
       or a time with its offset, 2026-03-01T09:00+01:00
"""
REPEATS = """\
repeats:
  once, daily, weekdays, weekly, monthly, yearly,
  'cron:0 9 * * 1-5' (minute hour day month weekday), 'RRULE:FREQ=WEEKLY;BYDAY=MO,TH'
"""
MAIN = """\
examples:
  omega-worker demo
  omega-worker remind "Call John" --in 10s
  omega-worker run
  omega-worker tasks list

Settings come from OMEGA_… variables or a file .env in the working directory; `omega-worker COMMAND --help`
tells more. Exit codes: 0 done, 1 an error that can be mended (told on standard error), 2 wrong usage.
"""
RUN = """\
Deliveries to the console go to standard output, the log to standard error. SIGTERM or Ctrl-C: nothing
new is begun, what is being sent may end within OMEGA_DRAIN_SECONDS (default 35), exit code 0. A second
signal ends it at once; what was being sent is then sent again by the next worker, under the same key.
SIGHUP: the settings are read again, and the log says which changes hold only after a restart.

examples:
  omega-worker run
  OMEGA_CHANNELS__TELEGRAM=https://example.org/send/{reply_target} omega-worker run
  omega-worker --database /var/lib/omega/memory.db run
"""
REMIND = f"""\
{WHEN}
{REPEATS}
examples:
  omega-worker remind "Call John" --in 10s
  omega-worker remind "Call John" --at "tomorrow 9:00" --tz Europe/Berlin
  omega-worker remind "Take out the bins" --at "tue 19:00" --repeat weekly
  omega-worker remind "Stand-up" --repeat "cron:0 9 * * 1-5"
  omega-worker remind "Call John" --in 1h --channel telegram --to 4242 --sender 4242
"""
LIST = """\
examples:
  omega-worker tasks list
  omega-worker tasks list --channel telegram --sender 4242
  omega-worker tasks list --all --json
"""
PREVIEW = f"""\
{WHEN}
{REPEATS}
examples:
  omega-worker tasks preview weekdays --at 9:00 --tz Europe/Berlin
  omega-worker tasks preview "RRULE:FREQ=MONTHLY;BYDAY=-1FR" --at 17:00 --count 12
"""
SNOOZE = f"""\
{WHEN}
examples:
  omega-worker tasks snooze 1f2e3d4c --in 10m
  omega-worker tasks snooze 1f2e --at "tomorrow 9:00"
"""
MIGRATE = """\
Opening a database does the same by itself; this says beforehand what would happen, and then what did.
A copy of the file is made first, and either every step is applied or none. Then the messages that recall
does not know yet are indexed, while other programs go on; broken off, the next run goes on with the rest.

examples:
  omega-worker migrate --dry-run
  omega-worker --database /var/lib/omega/memory.db migrate
"""
DEMO = """\
A one-off, a daily one, one that comes every few seconds, and one whose first attempt is refused: delivered
by the real worker from a real file in the folder for temporary files, then the ledger. No settings and no
.env are read, and the file is removed at the end. Ctrl-C ends it.

examples:
  omega-worker demo
"""


class Version(argparse.Action):
    """Looked up when it is asked for, for that takes longer than parsing."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"omega-worker {version('omega-worker')}")
        parser.exit()


class Commands(NamedTuple):
    """Where commands are added; `database` is the option that all of them share."""

    subparsers: Any
    database: argparse.ArgumentParser

    def add(self, name: str, does: str, summary: str, epilog: str = "") -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = self.subparsers.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            epilog=epilog,
            parents=[self.database],
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        parser.set_defaults(command=does)
        return parser


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="omega-worker",
        description="Stores reminders and delivers them when they fall due.",
        epilog=MAIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    _add_database(parser, None)
    parser.set_defaults(command=None, print_help=parser.print_help)
    shared = argparse.ArgumentParser(add_help=False)
    _add_database(shared, argparse.SUPPRESS)
    commands = Commands(parser.add_subparsers(title="commands", metavar="COMMAND"), shared)
    for add in (_run, _remind, _tasks, add_status, _migrate, add_upkeep, add_privacy, add_install, _demo):
        add(commands)
    return parser


def _add_database(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        "--database",
        metavar="URL",
        default=default,
        help="path or URL of the database (default: OMEGA_DATABASE_URL, else ~/.omega/data/memory.db)",
    )


def _run(commands: Commands) -> None:
    commands.add("run", "run:run", "deliver what falls due, until it is told to stop", RUN)


def _remind(commands: Commands) -> None:
    parser = commands.add("remind", "remind:remind", "store a reminder", REMIND)
    parser.add_argument("text", nargs="+", help="what to be reminded of; several words are joined")
    _add_when(parser)
    option = parser.add_argument
    option("--repeat", metavar="REPEAT", help="when it comes again (default: once); see below")
    _add_zone(parser, "the sender's, else OMEGA_DEFAULT_TIMEZONE")
    option(
        "--channel", default="console", help="where it goes: one of the worker's channels (default: console)"
    )
    option(
        "--to", metavar="TARGET", help="whom the channel sends it to, such as a chat id (default: the sender)"
    )
    option("--sender", default="owner", help="whose reminder it is (default: owner)")
    option("--project", default="", help="the project it belongs to (default: none)")
    option(
        "--action",
        action="store_true",
        help="store an action, carried out rather than shown (default: reminder)",
    )
    option("--urgent", action="store_true", help="let it through quiet hours (default: no)")
    option("--allow-duplicate", action="store_true", help="store it even if the same is there (default: no)")


def _add_when(parser: argparse.ArgumentParser) -> None:
    when = parser.add_mutually_exclusive_group()
    when.add_argument(
        "--in", dest="ahead", metavar="SPAN", type=parse_span, help="how long from now, such as 10s or 1h30m"
    )
    when.add_argument("--at", metavar="TIME", help="when, such as 18:30 or '2026-03-01 09:00'")


def _add_zone(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("--tz", metavar="ZONE", help=f"time zone such as Europe/Berlin (default: {default})")


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, times in UTC (default: a table)")


def _tasks(commands: Commands) -> None:
    parser = commands.add("tasks", "", "look at stored tasks and change them")
    parser.set_defaults(command=None, print_help=parser.print_help)
    tasks = Commands(parser.add_subparsers(title="commands", metavar="COMMAND"), commands.database)
    _list(tasks)
    _add_json(_one(tasks, "show", "listing:show", "show everything known of a task, and its ledger"))
    _one(tasks, "why", "why:why", "say in words what happens next to a task, and why it was or was not sent")
    _one(tasks, "cancel", "changes:cancel", "cancel a task")
    _snooze(tasks)
    _one(tasks, "skip", "changes:skip", "leave out the next occurrence of a task")
    _one(tasks, "pause", "changes:pause", "send nothing of a task until it is resumed")
    _one(tasks, "resume", "changes:resume", "go on with a paused task")
    _one(tasks, "retry", "changes:retry", "send once more, now, what failed or may not have arrived")
    _preview(tasks)


def _one(tasks: Commands, name: str, does: str, summary: str, epilog: str = "") -> argparse.ArgumentParser:
    parser = tasks.add(name, does, summary, epilog or f"example:\n  omega-worker tasks {name} 1f2e3d4c\n")
    parser.add_argument("id", metavar="ID", help=TASK_ID)
    return parser


def _list(tasks: Commands) -> None:
    parser = tasks.add("list", "listing:show_list", "list tasks, the one that comes first first", LIST)
    option = parser.add_argument
    option("--sender", help="only this person's (default: everybody's)")
    option("--channel", help="only of this channel (default: of all)")
    option("--project", help="only of this project (default: of all)")
    status = parser.add_mutually_exclusive_group()
    states = ("pending", "paused", "delivered", "cancelled", "failed")
    status.add_argument("--status", choices=states, help="only of this status (default: pending and paused)")
    status.add_argument("--all", action="store_true", help="of every status")
    option("--limit", type=_count, default=100, metavar="N", help="at most so many (default: 100)")
    _add_json(parser)


def _snooze(tasks: Commands) -> None:
    parser = _one(tasks, "snooze", "changes:snooze", "be reminded again, later", SNOOZE)
    _add_when(parser)
    _add_zone(parser, "the task's")


def _preview(tasks: Commands) -> None:
    parser = tasks.add("preview", "preview:preview", "show when a repeat would come; stores nothing", PREVIEW)
    parser.add_argument("repeat", metavar="REPEAT", help="such as daily or 'cron:0 9 * * 1-5'; see below")
    _add_when(parser)
    _add_zone(parser, "OMEGA_DEFAULT_TIMEZONE")
    parser.add_argument("--count", type=_count, default=5, metavar="N", help="how many (default: 5)")


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 10_000):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to 10000")
    return int(text)


def _migrate(commands: Commands) -> None:
    parser = commands.add("migrate", "migrate:migrate", "bring an older database up to date", MIGRATE)
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done (default: do it)")


def _demo(commands: Commands) -> None:
    parser = commands.add("demo", "demo:demo", "watch the worker at work for about twenty seconds", DEMO)
    parser.add_argument("--seconds", type=_count, default=20, help=argparse.SUPPRESS)
