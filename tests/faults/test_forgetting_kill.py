"""Forgetting that is killed at any moment leaves no half of a conversation, and is finished by calling again."""

import re
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from fault_children import Family, integrity, killing
from full_memory import START, Person, fill, remains

import omega_models
from omega_models import IncomingMessage, Store, StoreBusy, erasing, forgetting
from omega_models.testing import FakeClock

ON_A_FILE = (*forgetting.STEPS, *(step for step in erasing.STEPS if step != erasing.VACUUMED))
LONG = 40


def forget_until_killed(path: str, sender: str, point: str) -> None:
    forgetting.BATCH, forgetting.MOST_CONVERSATIONS = 10, 2
    with Store(path, clock=FakeClock(START)) as store:
        store.reached = killing(point, 1)
        store.forget_sender(sender)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "memory.db"


@pytest.fixture
def person(path: Path) -> Person:
    with Store(path, clock=FakeClock(START)) as store:
        store.database.sql_rows("PRAGMA secure_delete = OFF")
        fill(store, "another")
        person = fill(store)
        for project in range(3):
            here = store.get_or_create_conversation("chat", person.sender, f"long {project}")
            for number in range(LONG):
                store.append_message(here, "user", f"{person.words[0]} {number}")
        return person


def test_every_step_is_tried() -> None:
    sources = (Path(omega_models.__path__[0]) / f"{name}.py" for name in ("forgetting", "erasing"))
    named = {step for source in sources for step in re.findall(r"reached\((\w+)\)", source.read_text())}
    known = vars(forgetting) | vars(erasing)
    assert {known[name] for name in named} == {*ON_A_FILE, erasing.VACUUMED}


@pytest.mark.parametrize("point", ON_A_FILE)
def test_calling_again_finishes(path: Path, person: Person, point: str) -> None:
    with Family() as family:
        child = family.start(forget_until_killed, str(path), person.sender, point)
        assert family.finish(child) == -9, f"{point} was not reached"
    assert integrity(path) == "ok"
    with closing(sqlite3.connect(path)) as connection:
        sizes = connection.execute(
            "SELECT count(m.id) FROM conversations c LEFT JOIN messages m ON m.conversation_id = c.id"
            " WHERE c.project LIKE 'long %' GROUP BY c.id"
        ).fetchall()
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert set(sizes) <= {(LONG,)}
    with Store(path, clock=FakeClock(START)) as store:
        assert erasing.is_wanted(store)
        assert store.get_tasks_for_sender(person.sender) == []
        store.forget_sender(person.aliases[0])
        store.forget_sender(person.sender)
        assert remains(store, [*person.words, person.conversation]) == {}
        assert not erasing.is_wanted(store)
    assert integrity(path) == "ok"


def test_a_bot_goes_on_meanwhile(path: Path, person: Person) -> None:
    """It writes and reads all the time; what it is told is only ever that somebody is busy, and nothing is lost."""
    stop, begun = threading.Event(), threading.Event()
    said: list[str] = []
    wrong: list[BaseException] = []

    def chat() -> None:
        with Store(path) as bot:
            while not stop.is_set():
                text = f"number {len(said)}"
                try:
                    bot.store_exchange(IncomingMessage("chat", "bot", text), f"yes, {text}")
                    said.append(text)
                    bot.search_messages("number", "", "bot")
                    bot.build_context(IncomingMessage("chat", "bot", "number"), "You are Omega.")
                except StoreBusy:
                    continue
                except Exception as error:  # noqa: BLE001  told to the test below
                    wrong.append(error)
                finally:
                    begun.set()

    with Store(path, clock=FakeClock(START)) as store:
        store.database.sql_rows("PRAGMA secure_delete = OFF")
        thread = threading.Thread(target=chat)
        thread.start()
        begun.wait(30)
        try:
            people = [person, fill(store, "somebody else")]
            for each in people:
                store.forget_sender(each.sender)
        finally:
            stop.set()
            thread.join(30)
        assert wrong == []
        assert store.get_memory_stats("bot").messages == 2 * len(said)
        for each in people:
            assert remains(store, each.words) == {}
    assert integrity(path) == "ok"
