"""Whatever is given to any call of the memory: a result, or an error that was promised, and never half a write.

Methods are found, not listed, and each parameter is known by its name: a new method is tried by itself, and a
new name must be given an example in `memory_arguments`.
"""

import inspect
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from memory_arguments import FUNCTIONS, GOOD, NINE, TEXTS, Broken, spoilt
from test_bad_input import JUNK

import omega_models
from omega_models import (
    AuditEntry,
    AuditLogger,
    Context,
    IncomingMessage,
    Store,
    StoreError,
    errors,
)
from omega_models.sqlite_file import driver
from omega_models.testing import FakeClock

UNTRIED = {"close"}  # a closed Store is of no more use
METHODS = sorted(
    name for name, each in vars(Store).items() if callable(each) and name[0] != "_" and name not in UNTRIED
)
AUDIT = ("log", "log_all", "recent")
STATES = ("failed", "claimed", "one", "series", "snoozed", "paused")
FEW = settings(max_examples=3, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=1500)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any text may be the path of a new file."""
    monkeypatch.chdir(tmp_path)


# A memory with something of everything, and the way back to it


def message(text: str, number: int = 1, **more: Any) -> IncomingMessage:
    return IncomingMessage("chat", "me", text, reply_target="me", platform_message_id=f"m{number}", **more)


def fill(store: Store) -> dict[str, Any]:
    """What the words with a `$` stand for."""
    store.store_exchange(message("My sister moved to Norway"), "How lovely!")
    meant: dict[str, Any] = {"$closed": store.get_or_create_conversation("chat", "me")}
    store.close_conversation(meant["$closed"], "about Norway")
    meant["$active"] = store.receive(message("hello", 2)).conversation_id
    store.store_fact("me", "name", "Me")
    store.store_fact("you", "welcomed", "true")
    store.create_alias("other", "me")
    store.store_lesson("me", "chat", "be brief")
    store.store_outcome("me", "chat", 1, "liked it")
    store.store_limitation("flying", "cannot")
    store.store_session("chat", "me", "", "s1")
    AuditLogger(store).log(AuditEntry("chat", "me", "hello"))
    for state in STATES:
        repeat = "daily" if state in ("claimed", "series", "paused") else None
        due = NINE if state in ("failed", "claimed") else NINE + timedelta(hours=1)
        meant[f"${state}"] = store.create_task("chat", "me", "me", state, due, repeat, dedupe="off")
    store.fail_task(meant["$failed"], "broken", 1)
    (taken,) = store.claim_due_tasks("w", 1)
    store.snooze_task(meant["$snoozed"], "me", NINE + timedelta(hours=1))
    store.pause_task(meant["$paused"], "me")
    store.add_items(meant["$active"], [{"type": "reasoning", "summary": []}])
    meant |= {"$held": taken.token, "$lost": taken.token[:-1] + "x"}
    return meant | {"$records": list(store.export_sender("me"))}


class Filled:
    """One filled memory for many examples: each begins with what `fill` has written."""

    def __init__(self) -> None:
        self.store = Store(":memory:", clock=FakeClock(NINE))
        self.meant = fill(self.store)
        self._kept = sqlite3.connect(":memory:", check_same_thread=False)
        driver(self.store.database).backup(self._kept)

    def again(self) -> Store:
        self._kept.backup(driver(self.store.database))
        return self.store

    def close(self) -> None:
        self._kept.close()
        self.store.close()

    def bytes(self) -> bytes:
        return bytes(driver(self.store.database).serialize())


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    found = Filled()
    yield found
    found.close()


def understood(value: Any, meant: dict[str, Any]) -> Any:
    if isinstance(value, Broken):
        return value.of(meant["$records"])
    if isinstance(value, list):
        return [understood(each, meant) for each in value]
    return meant.get(value, value) if isinstance(value, str) else value


# What may come of a call


def used(call: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Calls, and goes all the way through what comes back."""
    found = call(**arguments)
    if isinstance(found, AbstractContextManager) and not isinstance(found, Store):
        with found as turn:
            turn.write("a piece")
    elif isinstance(found, Iterator):
        list(found)
    elif isinstance(found, Store):
        found.close()


def tried(call: Callable[..., Any], arguments: dict[str, Any]) -> bool:
    """Whether it answered; it may refuse only as `omega_models.errors` says."""
    try:
        used(call, arguments)
    except Exception as error:
        ours = type(error).__module__ == errors.__name__
        if not ours or not isinstance(error, ValueError | StoreError):
            raise AssertionError(f"{type(error).__name__}: {error}") from error
        return False
    return True


def rows(store: Store) -> dict[str, list[Any]]:
    names = store.database.sql_rows("SELECT name FROM sqlite_master WHERE type = 'table'")
    read = store.database.sql_rows
    return {name: read(f"SELECT * FROM {name} ORDER BY rowid") for (name,) in names if not derived(name)}


def derived(table: str) -> bool:
    """What searches make of the messages, when it is wanted."""
    return table.startswith(("recall", "messages_fts"))


def check(filled: Filled, call: Callable[..., Any], arguments: dict[str, Any]) -> None:
    store, meant = filled.store, filled.meant
    before, known = filled.bytes(), rows(store)
    if not tried(call, {name: understood(value, meant) for name, value in arguments.items()}):
        assert filled.bytes() == before or rows(store) == known
    assert not driver(store.database).in_transaction
    # and everybody else goes on
    assert isinstance(store.build_context(message("and Norway?", 9), "Base."), Context)
    store.get_due_tasks()
    store.find_idle_conversations()


def parameters(function: Callable[..., Any]) -> dict[str, st.SearchStrategy[Any]]:
    names = [name for name in inspect.signature(function).parameters if name not in ("store", "self")]
    unknown = [name for name in names if name not in GOOD]
    assert not unknown, f"say in memory_arguments.GOOD how to fuzz {unknown}"
    return {name: GOOD[name] for name in names}


@pytest.mark.parametrize("name", METHODS)
@FEW
@given(data=st.data())
def test_a_method_answers_or_refuses_as_promised(filled: Filled, name: str, data: st.DataObject) -> None:
    call = getattr(filled.again(), name)
    check(filled, call, data.draw(spoilt(parameters(call))))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", METHODS)
@MANY
@given(data=st.data())
def test_a_method_answers_or_refuses_as_promised_to_thousands(
    filled: Filled, name: str, data: st.DataObject
) -> None:
    call = getattr(filled.again(), name)
    check(filled, call, data.draw(spoilt(parameters(call))))


@pytest.mark.parametrize("name", AUDIT)
@FEW
@given(data=st.data())
def test_the_audit_log_answers_or_refuses_as_promised(filled: Filled, name: str, data: st.DataObject) -> None:
    call = getattr(AuditLogger(filled.again()), name)
    check(filled, call, data.draw(spoilt(parameters(call))))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda each: each.__name__)
@FEW
@given(data=st.data())
def test_a_function_answers_or_refuses_as_promised(function: Callable[..., Any], data: st.DataObject) -> None:
    tried(function, data.draw(spoilt(FUNCTIONS[function])))


def test_each_function_is_tried() -> None:
    there = {each for each in vars(omega_models).values() if inspect.isfunction(each)}
    assert there <= set(FUNCTIONS)
    for function, examples in FUNCTIONS.items():
        assert set(inspect.signature(function).parameters) == set(examples)


@FEW
@given(st.lists(spoilt({"text": TEXTS, "metadata": GOOD["metadata"]}), max_size=3), st.lists(JUNK | TEXTS))
def test_an_answer_is_said_or_refused_where_it_is_said(
    filled: Filled, replies: list[dict[str, Any]], pieces: list[Any]
) -> None:
    store = filled.again()
    with store.exchange(message("and then?", 5)) as turn:
        for piece in pieces:
            tried(turn.write, {"delta": piece})
        for reply in replies:
            tried(turn.reply, reply)
        said = turn.text
    stored = store.get_conversation_messages(turn.conversation_id)
    assert (stored[-1].content == said) if said is not None else (stored[-1].role == "user")
