"""The commands that look after the service, with their options. Nothing heavy is imported here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omega_worker.commands.arguments import Commands

STATUS = """\
Read from the database alone, whether a worker runs or not. Exit codes: 0 all is well, 1 something wants a
person: due tasks that nobody serves or that wait too long, sends given up or of unknown outcome.

examples:
  omega-worker status
  omega-worker status --json
"""
INSTALL = """\
Writes a systemd unit that runs this very omega-worker, and a .env for its settings where there is none;
prints what it does and the systemctl commands that follow. By root for the whole machine, as the user omega
and with its memory in /var/lib/omega; by others, or with --user, for that user alone.

examples:
  omega-worker install --dry-run
  sudo /opt/omega/.venv/bin/omega-worker install --now
  omega-worker install --uninstall
"""


def add_status(commands: Commands) -> None:
    parser = commands.add("status", "status:status", "say on one screen how things stand", STATUS)
    parser.add_argument("--json", action="store_true", help="print JSON, times in UTC (default: one screen)")


def add_install(commands: Commands) -> None:
    parser = commands.add("install", "install:install", "run the worker as a systemd service", INSTALL)
    option, scope = parser.add_argument, parser.add_mutually_exclusive_group()
    scope.add_argument(
        "--system",
        dest="scope",
        action="store_const",
        const="system",
        help="for the whole machine (default: for root)",
    )
    scope.add_argument(
        "--user",
        dest="scope",
        action="store_const",
        const="user",
        help="for this user alone (default: for others)",
    )
    option("--dry-run", action="store_true", help="only say what would be done (default: do it)")
    option("--now", action="store_true", help="run the systemctl commands too (default: only print them)")
    option(
        "--uninstall",
        action="store_true",
        help="take the service away; memory and settings stay (default: install)",
    )
    option(
        "--purge-settings",
        action="store_true",
        help="with --uninstall: remove the .env too (default: keep it)",
    )
    option("--prefix", metavar="FOLDER", help="put in front of every path that is written (default: none)")
