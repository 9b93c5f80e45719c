"""The page about the interface and the code say the same: every name, parameter, default, return and error."""

import ast
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import is_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from http_receiver import Receiver, a_delivery
from pydantic import BaseModel

import omega_models
import omega_worker
from omega_jobs.close_idle import in_their_words
from omega_models import AuditStatus, ContextNeeds, MessageMetadata, PromptTexts, Store, errors, testing
from omega_models.unclaimed import AS_STORED
from omega_worker import Settings, Worker
from omega_worker.channels.webhook import webhook_channel

PAGE = (Path(__file__).parent.parent / "docs" / "interface.md").read_text(encoding="utf-8")
SAID: dict[str, Any] = {
    "AS_STORED": AS_STORED,
    "AuditStatus": AuditStatus,
    "ContextNeeds": ContextNeeds,
    "MessageMetadata": MessageMetadata,
    "PromptTexts": PromptTexts,
    "in_their_words": in_their_words,
    "timedelta": timedelta,
}
Parameter = tuple[str, bool, Any]  # its name, whether it must be named, its default
NONE_GIVEN = inspect.Parameter.empty


# The page


def section(title: str) -> str:
    found = re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, title
    return found[1]


def table(text: str) -> list[list[str]]:
    """The rows of the tables, without their heads, cell by cell."""
    rows = [
        re.split(r"(?<!\\)\|", line.strip("|\n"))
        for line in re.findall(r"^\|.*\|$", text, re.MULTILINE)
        if not re.match(r"\|-|\| (call|error|setting) \|", line)
    ]
    return [[cell.strip().replace("\\|", "|") for cell in row] for row in rows]


def code(cell: str) -> str:
    found = re.search("`(.*?)`", cell)
    return found[1] if found else ""


def shown(call: str) -> tuple[str, list[Parameter]]:
    """The name and the parameters of `name(a, b=1, *, c=2)`."""
    name, rest = call.split("(", 1)
    given = ast.parse(f"lambda {rest.removesuffix(')')}: 0", mode="eval").body
    assert isinstance(given, ast.Lambda)
    args, missing = given.args, [None] * (len(given.args.args) - len(given.args.defaults))
    places = [(arg, False, default) for arg, default in zip(args.args, missing + args.defaults, strict=True)]
    named = [(arg, True, default) for arg, default in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    return name, [(arg.arg, kind, value(default)) for arg, kind, default in places + named]


def value(node: ast.expr | None) -> Any:
    return NONE_GIVEN if node is None else eval(ast.unparse(node), dict(SAID))


def calls(title: str) -> list[str]:
    """The calls that begin a line of a list, or are all of an indented one."""
    text = section(title)
    return re.findall(r"^(?:- `|    )([\w.]+\(.*?\))(?:`|$)", text, re.MULTILINE)


METHODS = {shown(code(row[0]))[0]: row for row in table(section("Store"))}


# The code


def taken(function: Callable[..., Any], *, bound: bool = False) -> list[Parameter]:
    found = list(inspect.signature(function).parameters.values())[1 if bound else 0 :]
    return [(each.name, each.kind is each.KEYWORD_ONLY, each.default) for each in found]


def public(kind: type) -> set[str]:
    return {name for name, each in vars(kind).items() if callable(each) and not name.startswith("_")}


def known(name: str) -> Any:
    """What the page means by a name, in whichever package it is."""
    for package in (omega_models, omega_worker, testing):
        if hasattr(package, name):
            return getattr(package, name)
    raise AssertionError(f"the page names {name}, which nobody can import")


def field_names(kind: type) -> tuple[str, ...]:
    return tuple(getattr(kind, "_fields", ()) or getattr(kind, "__dataclass_fields__", ()))


# Both


def test_the_page_has_every_method_and_no_other() -> None:
    assert set(METHODS) == public(Store)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_takes_what_the_page_says(name: str) -> None:
    assert shown(code(METHODS[name][0]))[1] == taken(getattr(Store, name), bound=True)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_returns_what_the_page_says(name: str) -> None:
    said = code(METHODS[name][1])
    returned = re.sub(r"\(.*\)", "", said)
    annotation = inspect.signature(getattr(Store, name)).return_annotation
    words = "None" if annotation is None else str(annotation)
    expected = f"Iterator[{returned}]" if METHODS[name][1].startswith("context manager") else returned
    assert words == expected


FIELDS = dict(re.findall(r"\b([A-Z]\w+)\((\w[\w, ]*)\)", "\n".join(code(row[1]) for row in METHODS.values())))


@pytest.mark.parametrize("name", FIELDS)
def test_what_comes_back_has_the_fields_of_the_page_in_its_order(name: str) -> None:
    assert tuple(FIELDS[name].split(", ")) == field_names(known(name))


def test_every_kind_of_row_is_on_the_page() -> None:
    rows = {name for name in omega_models.__all__ if hasattr(getattr(omega_models, name), "_fields")}
    assert rows <= set(FIELDS)


MADE = [*calls("Opening"), *calls("Types"), *calls("Functions"), *calls("The audit log")]
MADE += [*calls("The context"), *calls("The worker in a bot")]
MADE += re.findall(r"`((?:Delivery|DeliveryError)\([^`]*?\))`", section("The worker in a bot"))


@pytest.mark.parametrize("call", MADE, ids=lambda call: call.partition("(")[0])
def test_what_callers_make_and_call_takes_what_the_page_says(call: str) -> None:
    name, parameters = shown(call)
    owner, _, method = name.rpartition(".")
    function = getattr(known(owner), method) if owner else known(name)
    found = taken(function, bound=bool(owner))
    if name == "Delivery":
        found = [(each, named, NONE_GIVEN) for each, named, _ in found]
    assert parameters == [(each, named, made(default)) for each, named, default in found]


def made(default: Any) -> Any:
    """A dataclass's default of its own making."""
    return {} if "factory" in repr(default) else default


@pytest.mark.parametrize("name", ["Task", "Turn"])
def test_views_have_what_the_page_says(name: str) -> None:
    said = re.search(rf"^`{name}` has (.*?)(?:, and:|\.)$", section("Types"), re.MULTILINE | re.DOTALL)
    assert said
    words = set(re.findall(r"`(\w+)`", said[1]))
    kind = known(name)
    own = set(field_names(kind)) if is_dataclass(kind) else instance_fields(kind)
    assert words == own


def instance_fields(kind: type) -> set[str]:
    body = inspect.getsource(kind.__init__)  # type: ignore[misc]
    set_there = set(re.findall(r"self\.([a-z]\w*)", body))
    return set_there - {"metadata"} | {
        name for name, each in vars(kind).items() if isinstance(each, property)
    }


@pytest.mark.parametrize("name", ["IncomingMessage", "Attachment", "OutgoingMessage", "ContextNeeds", "Task"])
def test_values_are_frozen(name: str) -> None:
    assert known(name).__dataclass_params__.frozen


def test_every_list_of_methods_is_whole() -> None:
    assert public(omega_models.AuditLogger) == {"log", "log_all", "recent"}
    assert public(omega_models.Context) == {"to_prompt_string", "to_api_messages"}
    assert {name.partition("(")[0] for name in MADE} >= {
        f"{kind}.{name}"
        for kind, names in {"AuditLogger": ("log", "log_all", "recent"), "Turn": ("write", "reply")}.items()
        for name in names
    }


def test_a_clock_for_tests_starts_where_the_page_says() -> None:
    (call,) = re.findall(r"`omega_models\.testing\.(FakeClock\(.*?\))`", section("For tests"))
    assert shown(call)[1] == taken(testing.FakeClock)


def test_the_page_has_every_error_and_what_it_is() -> None:
    said = {code(row[0]): re.findall(r"`(\w+)`", row[1]) for row in table(section("Errors"))}
    ours = {name: each for name, each in vars(errors).items() if isinstance(each, type)}
    assert said == {name: [base.__name__ for base in each.__bases__] for name, each in ours.items()}


def test_errors_of_arguments_are_value_errors() -> None:
    for name in ("InvalidTime", "InvalidRepeat", "InvalidTimezone", "InvalidId", "InvalidText", "WrongType"):
        assert issubclass(known(name), ValueError)
        assert not issubclass(known(name), errors.StoreError)


# The worker


def settings_of(model: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            found |= settings_of(type(default), f"{prefix}{name.upper()}__")
        else:
            found[prefix + name.upper()] = default
    return found


def test_the_page_has_every_setting_and_its_default() -> None:
    rows = table(section("The worker's settings"))
    said = {code(row[0]).removesuffix("__<NAME>"): code(row[1]) or row[1] for row in rows}
    assert said == {name: in_words(default) for name, default in settings_of(Settings).items()}


def in_words(default: Any) -> str:
    if default in (None, {}):
        return "none"
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).lower() if isinstance(default, bool) else str(default)


@pytest.mark.parametrize("row", table(section("The worker in a bot")), ids=lambda row: code(row[0]))
def test_the_worker_has_the_calls_of_the_page(row: list[str]) -> None:
    name, parameters = shown(code(row[0]))
    assert parameters == taken(getattr(Worker, name), bound=True)


@pytest.mark.parametrize("name", ["__enter__", "__aenter__"])
def test_the_worker_can_be_opened_both_ways(name: str) -> None:
    assert hasattr(Worker, name)


def test_a_webhook_carries_what_the_page_says() -> None:
    said = re.search(r"POST of JSON with (.*?);", section("The worker in a bot"), re.DOTALL)
    assert said
    with Receiver() as receiver:
        channel = webhook_channel(receiver.url)
        channel.send(a_delivery())
        assert channel.close is not None
        channel.close()
    assert re.findall(r"`(\w+)`", said[1]) == list(json.loads(receiver.requests[0].body))


@pytest.mark.parametrize("name", sorted({*omega_models.__all__, *omega_worker.__all__}))
def test_whatever_can_be_imported_is_on_the_page(name: str) -> None:
    assert re.search(rf"`[^`\n]*\b{name}\b|^    .*\b{name}\b", PAGE, re.MULTILINE)


def test_both_packages_give_what_they_promise() -> None:
    for package in (omega_models, omega_worker):
        assert all(hasattr(package, name) for name in package.__all__)
        assert (Path(package.__file__ or "").parent / "py.typed").exists()
