"""Writes docs/api.md: every public call and value, from the code's own signatures and docstrings.

python tools/api_reference.py            writes it anew
python tools/api_reference.py --check    fails where it is not what would be written
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import omega_models
import omega_worker
from omega_models import errors, testing
from omega_models.audit import AuditLogger
from omega_models.store import Store

ROOT = Path(__file__).resolve().parent.parent
TARGET = "docs/api.md"
STALE = f"{TARGET} is not what tools/api_reference.py writes now: run `python3 omega.py generate`"
WIDTH = 100

HEAD = """<!-- Written by tools/api_reference.py: python3 omega.py generate -->

# Reference

Every public call and value with its own words. What may be relied on is told in [interface](interface.md), how
to use it in [embedding](embedding.md).
"""
MADE = (
    "IncomingMessage",
    "Attachment",
    "OutgoingMessage",
    "MessageMetadata",
    "ContextNeeds",
    "AuditEntry",
    "AuditStatus",
    "PromptTexts",
    "MissedPolicy",
)
GIVEN_BACK = ("Context", "Turn")  # the rows follow, in the order of their names
FUNCTIONS = (
    "next_occurrence",
    "detect_language",
    "format_user_profile",
    "build_system_prompt",
    "compute_onboarding_stage",
)
UNMADE = {"Turn"}
ASYNC = {"AsyncStore", "AsyncAuditLogger"}
OF_THE_WORKER = ("Worker", "Channel", "Delivery", "DeliveryError")
TOLD = {  # of a class whose other methods are for its own package
    "Worker": ["start", "stop", "astart", "astop", "run_due", "arun_due", "run_idle", "arun_idle"],
}
HANDLES = ("self", "cls", "store")


def text() -> str:
    """The whole page."""
    parts = [
        HEAD,
        "## Store",
        described(Store),
        *store_sections(),
        "## AsyncStore",
        words(omega_models.AsyncStore),
        words(omega_models.AsyncAuditLogger),
        "## The audit log",
        *kinds(["AuditLogger"], omega_models),
        "## Functions",
        *(called(getattr(omega_models, name), name) for name in FUNCTIONS),
        "## What callers make",
        *kinds(MADE, omega_models),
        "## What comes back",
        *kinds([*GIVEN_BACK, *rows()], omega_models),
        "## Errors",
        "\n".join(map(error, error_types())),
        "## Testing",
        *kinds(["FakeClock"], testing),
        "## The worker",
        *kinds(OF_THE_WORKER, omega_worker),
    ]
    return "\n\n".join(part.strip() for part in parts if part) + "\n"


def store_sections() -> Iterator[str]:
    """The Store's methods under the comments that part them in its body."""
    body = inspect.getsource(Store).partition("    # ")
    yield "### Opening and closing"
    yield from (called(getattr(Store, name), name) for name in ("close", "announce_tasks"))
    for part in re.split(r"^    # ", body[1] + body[2], flags=re.MULTILINE)[1:]:
        title, _, bound = part.partition("\n")
        yield f"### {title[0].upper()}{title[1:]}"
        for name in re.findall(r"^    ([a-z]\w*) = ", bound, re.MULTILINE):
            yield called(getattr(Store, name), name)


def rows() -> list[str]:
    """The names of the values that are left."""
    told = {*MADE, *GIVEN_BACK, *FUNCTIONS, *ASYNC, "Store", AuditLogger.__name__, *dir(errors)}
    return [name for name in omega_models.__all__ if name not in told]


def error_types() -> list[type]:
    return [each for each in vars(errors).values() if isinstance(each, type)]


def error(kind: type) -> str:
    bases = ", ".join(f"`{base.__name__}`" for base in kind.__bases__)
    return f"- **`{kind.__name__}`** ({bases}): {' '.join(words(kind).split())}"


# One kind


def kinds(names: Iterable[str], package: Any) -> Iterator[str]:
    for name in names:
        kind = getattr(package, name)
        yield f"### `{name}`"
        yield described(kind)
        yield from (called(each, f"{name}.{method}") for method, each in methods(kind))
        yield properties(kind)


def described(kind: type) -> str:
    """How it is made, unless nobody but the Store makes it, and its docstring."""
    if kind.__name__ in UNMADE:
        return words(kind)
    return f"{code(kind.__name__, parameters(kind))}\n\n{words(kind)}"


def methods(kind: type) -> Iterator[tuple[str, Callable[..., Any]]]:
    for name, each in vars(kind).items():
        if inspect.isfunction(each) and not name.startswith("_") and name in TOLD.get(kind.__name__, [name]):
            yield name, each


def properties(kind: type) -> str:
    """Properties with words of their own, one a line."""
    found = [(name, each) for name, each in vars(kind).items() if isinstance(each, property)]
    return "\n".join(f"- `{name}`: {words(each)}" for name, each in found if name[0] != "_" and each.__doc__)


def parameters(kind: type) -> list[str]:
    """What it is made of: its own `__init__`, else its fields."""
    if is_written(kind):
        return signature(kind.__init__)[0]  # type: ignore[misc]
    return [*fields(kind)]


def is_written(kind: type) -> bool:
    return any(isinstance(each, ast.FunctionDef) and each.name == "__init__" for each in tree(kind).body)


def fields(kind: type) -> Iterator[str]:
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("omega_"):
            yield from own_fields(base)


def own_fields(kind: type) -> Iterator[str]:
    if any("kw_only" in ast.unparse(each) for each in tree(kind).decorator_list):
        yield "*"
    for each in tree(kind).body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name):
            if each.target.id == "_":
                yield "*"
                continue
            yield f"{each.target.id}: {ast.unparse(each.annotation)}{default(each.value)}"
        elif isinstance(each, ast.Assign) and isinstance(each.targets[0], ast.Name) and is_enum(kind):
            yield f"{each.targets[0].id}={ast.unparse(each.value)}".replace("'", '"')


def is_enum(kind: type) -> bool:
    return hasattr(kind, "__members__")


def default(value: ast.expr | None) -> str:
    """A field's default; of a factory what comes of it."""
    said = "" if value is None else ast.unparse(value)
    if not said.startswith("field("):
        return said and f" = {said}"
    made, plain = re.search(r"default_factory=(\w+)", said), re.search(r"default=(\w+)", said)
    return f" = {made[1]}()" if made else f" = {plain[1]}" if plain else ""


# One call


def called(function: Callable[..., Any], name: str) -> str:
    """A heading, the signature and the docstring."""
    given, returned = signature(function)
    short = name.rpartition(".")[2]
    awaited = "await " if inspect.iscoroutinefunction(function) else ""
    return f"#### `{name}`\n\n{code(awaited + short, given, f' -> {returned}')}\n\n{words(function)}"


def signature(function: Callable[..., Any]) -> tuple[list[str], str]:
    """The parameters as the source has them, without the handle, and what is returned."""
    node = tree(inspect.unwrap(function))
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = node.args
    if arguments.args and arguments.args[0].arg in HANDLES:
        del arguments.args[0]
    return [*listed(arguments)], "None" if node.returns is None else ast.unparse(node.returns)


def listed(given: ast.arguments) -> Iterator[str]:
    needed = len(given.args) - len(given.defaults)
    yield from (parameter(each, None) for each in given.args[:needed])
    yield from map(parameter, given.args[needed:], given.defaults)
    if given.vararg or given.kwonlyargs:
        yield f"*{parameter(given.vararg, None) if given.vararg else ''}"
    yield from map(parameter, given.kwonlyargs, given.kw_defaults)
    if given.kwarg:
        yield f"**{parameter(given.kwarg, None)}"


def parameter(given: ast.arg, value: ast.expr | None) -> str:
    kind = "" if given.annotation is None else f": {ast.unparse(given.annotation)}"
    return f"{given.arg}{kind}" if value is None else f"{given.arg}{kind} = {ast.unparse(value)}"


def tree(thing: Any) -> Any:
    return ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]


def code(name: str, parameters: list[str], returned: str = "") -> str:
    """A block of the call; one too long for a line gets a line for each parameter."""
    call = f"{name}({', '.join(parameters)}){returned}"
    if len(call) > WIDTH:
        lines = "".join(f"    {each},\n" for each in parameters)
        call = f"{name}(\n{lines}){returned}"
    return f"```python\n{call}\n```"


def words(thing: Any) -> str:
    """Its docstring, unless a library made it up."""
    found = inspect.cleandoc(thing.__doc__ or "")
    return "" if found.startswith(f"{getattr(thing, '__name__', '')}(") else found


def main(arguments: list[str]) -> None:
    """Writes it, or checks it."""
    target, wanted = ROOT / TARGET, text()
    if target.exists() and target.read_text(encoding="utf-8") == wanted:
        return
    if "--check" in arguments:
        raise SystemExit(STALE)
    target.write_text(wanted, encoding="utf-8")
    print(f"wrote {TARGET}")


if __name__ == "__main__":
    main(sys.argv[1:])
