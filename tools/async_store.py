"""Writes models/omega_models/async_store.py: every public method of the Store, to be awaited.

python tools/async_store.py            writes it anew
python tools/async_store.py --check    fails where it is not what would be written
"""

from __future__ import annotations

import ast
import builtins
import importlib
import inspect
import subprocess
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

if __name__ == "__main__":  # a stale one may not even load, and the package would with it
    old = ModuleType("omega_models.async_store")
    old.AsyncStore = old.AsyncAuditLogger = None  # type: ignore[attr-defined]
    sys.modules[old.__name__] = old

from omega_models.audit import AuditLogger
from omega_models.store import Store

ROOT = Path(__file__).resolve().parent.parent
TARGET = "models/omega_models/async_store.py"
STALE = f"{TARGET} is not what tools/async_store.py writes now: run `python3 omega.py generate`"

BY_HAND = {"close"}  # in awaiting.py
ITERATORS = ("Iterator", "Iterable", "Generator")
READS = ("get_", "find_", "list_", "search_", "resolve_", "is_", "export_", "recent")
READS_TOO = {"preview", "task_history", "db_size"}
WRITES_THOUGH = {"get_or_create_conversation"}

HEAD = '''"""AsyncStore and AsyncAuditLogger. Written by tools/async_store.py: `python3 omega.py generate`."""
# ruff: noqa: B008  the defaults are the Store's own, and frozen

from __future__ import annotations

from collections.abc import AsyncGenerator
from omega_models.awaiting import AwaitedStore
from omega_models.store import Store
from omega_models.visits import Visit
'''
STORE_HEAD = '''
class AsyncStore(AwaitedStore):
    """The Store for an event loop: the same arguments, or an open Store; every method a coroutine.

    It opens with `async with`, or with the first call that is awaited, and never blocks the loop. A call that
    is cancelled has happened wholly or not at all. `aclose()` leaves a Store open that was given open. May be
    shared by tasks, and by several loops. The other options are the Store's: `help(Store)`.
    """

    def __init__({options}) -> None:
        super().__init__({given}, {{{pairs}}})
'''
AUDIT_HEAD = '''
class AsyncAuditLogger:
    """The audit log of an `AsyncStore`: what `AuditLogger` does, awaited."""

    def __init__(self, store: AsyncStore) -> None:
        self.store = store
'''


class Method(NamedTuple):
    """A method as its source has it. `module` is where the names of its signature mean something."""

    name: str
    source: ast.FunctionDef
    module: ModuleType

    @property
    def is_visit(self) -> bool:
        """Whether it is a context manager."""
        names = [ast.unparse(each).rpartition(".")[2] for each in self.source.decorator_list]
        return "contextmanager" in names

    @property
    def lane(self) -> str:
        """What only reads has threads of its own, which never wait for a write lock."""
        reads = self.name.startswith(READS) or self.name in READS_TOO
        return "reads" if reads and self.name not in WRITES_THOUGH else "writes"


def text(store: type[Store] = Store) -> str:
    """The module's source, as ruff formats it."""
    opening = Method("__init__", _source(store.__init__), _module(store.__init__))
    ours, logs = list(methods(store)), list(methods(AuditLogger))
    parts = [HEAD, *imports([opening, *ours, *logs]), _store_head(opening.source)]
    parts += [method_text(each, "self", "store") for each in ours]
    parts += [AUDIT_HEAD, *(method_text(each, "self.store", "AuditLogger(store)") for each in logs)]
    return formatted("\n".join(parts))


def methods(of: type) -> Iterator[Method]:
    """Every public function of the class, in the order it is written in."""
    found: dict[str, Any] = {}
    for each in reversed(of.__mro__):
        found |= vars(each)
    for name, function in found.items():
        if isinstance(function, FunctionType) and not name.startswith("_") and name not in BY_HAND:
            yield Method(name, _source(function), _module(function))


def _source(function: Any) -> ast.FunctionDef:
    (found,) = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(function)))).body
    assert isinstance(found, ast.FunctionDef)
    return found


def _module(function: Any) -> ModuleType:
    return sys.modules[inspect.unwrap(function).__module__]


def _store_head(opening: ast.FunctionDef) -> str:
    url, options = opening.args.args[1], opening.args.kwonlyargs
    assert url.annotation is not None
    url.annotation = ast.parse(f"{ast.unparse(url.annotation)} | Store", mode="eval").body
    pairs = ", ".join(f'"{each.arg}": {each.arg}' for each in options)
    return STORE_HEAD.format(options=ast.unparse(opening.args), given=url.arg, pairs=pairs)


def method_text(method: Method, holder: str, target: str) -> str:
    """One method that passes on what it is given."""
    arguments = method.source.args
    first, *_ = (*arguments.posonlyargs, *arguments.args)
    call = f"lambda store: {target}.{method.name}({_passed_on(arguments)})"
    first.arg, first.annotation = "self", None
    returned, body = _result(method, f"{holder}._{{}}({call})")
    keyword = "async def" if "await " in body else "def"
    lines = [f"{keyword} {method.name}({ast.unparse(arguments)}) -> {returned}:", *_docstring(method), body]
    return "\n" + textwrap.indent("\n".join(lines), "    ")


def _result(method: Method, call: str) -> tuple[str, str]:
    """What it returns, and the statement that does."""
    wanted = method.source.returns
    if wanted is None:
        raise SystemExit(f"{method.name} says not what it returns: annotate it")
    is_iterator = isinstance(wanted, ast.Subscript) and ast.unparse(wanted.value) in ITERATORS
    if isinstance(wanted, ast.Subscript) and is_iterator:
        item = ast.unparse(wanted.slice.elts[0] if isinstance(wanted.slice, ast.Tuple) else wanted.slice)
        if method.is_visit:
            return f"Visit[{item}]", f"    return {call.format('visits')}"
        return f"AsyncGenerator[{item}, None]", f"    return {call.format('iterates')}"
    returned = ast.unparse(wanted)
    start = "await" if returned == "None" else "return await"
    return returned, f"    {start} {call.format(method.lane)}"


def _passed_on(arguments: ast.arguments) -> str:
    by_place = [each.arg for each in (*arguments.posonlyargs, *arguments.args)][1:]
    by_place += [f"*{arguments.vararg.arg}"] if arguments.vararg else []
    by_name = [f"{each.arg}={each.arg}" for each in arguments.kwonlyargs]
    by_name += [f"**{arguments.kwarg.arg}"] if arguments.kwarg else []
    return ", ".join(by_place + by_name)


def _docstring(method: Method) -> list[str]:
    found = ast.get_docstring(method.source)
    if found is None:
        raise SystemExit(f"{method.name} has no docstring: every public method of the Store needs one")
    escaped = found.replace("\\", "\\\\")
    end = "\n" if "\n" in found else ""
    return textwrap.indent(f'"""{escaped}{end}"""', "    ").splitlines()


def imports(used: Iterable[Method]) -> Iterator[str]:
    """Where the names in the signatures come from, as their own modules import them."""
    origins = {"Store": "from omega_models.store import Store"}
    for method in used:
        known = _imported(method.module)
        for name in sorted(_names(method.source)):
            line = known.get(name, f"from {method.module.__name__} import {name}")
            if origins.setdefault(name, line) != line and not _is_same(origins[name], line, name):
                raise SystemExit(f"{method.name}: {name} means something else in another signature")
    yield from sorted({*origins.values(), "from omega_models.audit import AuditLogger"})


def _names(function: ast.FunctionDef) -> set[str]:
    arguments = function.args
    listed = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    listed = [*listed[1:], *(each for each in (arguments.vararg, arguments.kwarg) if each)]
    parts = [each.annotation for each in listed] + [*arguments.defaults, *arguments.kw_defaults]
    parts.append(function.returns)
    nodes = [node for part in parts if part is not None for node in ast.walk(part)]
    return {node.id for node in nodes if isinstance(node, ast.Name)} - set(dir(builtins))


def _imported(module: ModuleType) -> dict[str, str]:
    """The statement behind each imported name, those included that only type checkers see."""
    found = {}
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            start = f"from {node.module} " if isinstance(node, ast.ImportFrom) else ""
            for each in node.names:
                renamed = f" as {each.asname}" if each.asname else ""
                found[each.asname or each.name] = f"{start}import {each.name}{renamed}"
    return found


def _is_same(one: str, other: str, name: str) -> bool:
    """Whether two statements import one object."""
    spaces: list[dict[str, Any]] = [{}, {}]
    for line, space in zip((one, other), spaces, strict=True):
        module, _, original = line.removeprefix("from ").partition(" import ")
        space[name] = getattr(importlib.import_module(module), original.partition(" as ")[0])
    return spaces[0][name] is spaces[1][name]


def formatted(source: str) -> str:
    """As `python3 omega.py check` wants it."""
    for command in (["check", "--select", "I,F401", "--fix"], ["format"]):
        ruff = [
            str(Path(sys.executable).with_name("ruff")),
            *command,
            "--quiet",
            "--stdin-filename",
            TARGET,
            "-",
        ]
        done = subprocess.run(ruff, input=source, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"ruff cannot format what was written:\n{done.stdout}{done.stderr}")
        source = done.stdout
    return source


def main(arguments: list[str]) -> None:
    """Writes it, or checks it."""
    target, wanted = ROOT / TARGET, text()
    if target.exists() and target.read_text() == wanted:
        return
    if "--check" in arguments:
        raise SystemExit(STALE)
    target.write_text(wanted)
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main(sys.argv[1:])
