"""The command line `omega-worker`: which command, what went wrong, the exit code.

0: done. 1: an error that the user can mend, one line each on standard error. 2: wrong usage. 130: Ctrl-C.
"""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper

from omega_worker.commands.arguments import build_parser

FAILED, MISUSED, INTERRUPTED, BROKEN_PIPE = 1, 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that the arguments name; the exit code. `--help` and wrong usage raise SystemExit."""
    _escape_what_cannot_be_printed()
    arguments = build_parser().parse_args(argv)
    if arguments.command is None:
        arguments.print_help(sys.stderr)
        return MISUSED
    try:
        code = _command(arguments.command)(arguments)
        sys.stdout.flush()
        return code or 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()
    except Exception as error:
        code = _report(error)
        if code is None:
            raise
        return code


def _command(name: str) -> Callable[[Namespace], int | None]:
    """`tasks:show` is `show` in commands/tasks.py, imported when it is needed."""
    module, _, function = name.partition(":")
    found: Callable[[Namespace], int | None]
    found = getattr(import_module(f"omega_worker.commands.{module}"), function)
    return found


def _report(error: Exception) -> int | None:
    """Says what can be mended; None for a fault of the program, which deserves its traceback."""
    from omega_worker.commands.faults import Misused, sentences

    lines = sentences(error)
    for line in lines:
        print(f"omega-worker: {line}", file=sys.stderr)
    code = MISUSED if isinstance(error, Misused) else FAILED
    return code if lines else None


def _closed_pipe() -> int:
    """Whoever read our output has had enough, such as `head`."""
    from omega_worker.commands.lines import silence

    silence(sys.stdout)
    return BROKEN_PIPE


def _escape_what_cannot_be_printed() -> None:
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
