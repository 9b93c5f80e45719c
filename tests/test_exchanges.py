"""One block receives a message, gives its context, and stores what was said in it."""

from collections.abc import Iterator
from typing import Any

import pytest

from omega_models import (
    ContextNeeds,
    IncomingMessage,
    InvalidText,
    MessageMetadata,
    Store,
    StoreBusy,
    TextTooLong,
    exchanges,
)
from omega_models.testing import FakeClock

INCOMING = IncomingMessage("telegram", 42, "hello", platform_message_id=7)


class Told:
    """Stands in for the building of a context: what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *arguments: Any, **named: Any) -> str:
        self.calls.append((arguments, named))
        return f"context {len(self.calls)}"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    told = Told()
    monkeypatch.setattr(
        Store, "build_context", lambda _, *given, **named: told(*given, **named), raising=False
    )
    return told


@pytest.fixture
def store(memory_url: str, told: Told) -> Iterator[Store]:
    assert told.calls == []
    with Store(memory_url, clock=FakeClock(), max_text=100) as opened:
        yield opened


def said(store: Store) -> list[tuple[str, str, dict[str, Any] | None]]:
    conversation = store.get_or_create_conversation("telegram", 42)
    return [(found.role, found.content, found.metadata) for found in store.get_messages(conversation)]


def test_a_reply_is_stored_when_the_block_ends(store: Store) -> None:
    with store.exchange(INCOMING) as turn:
        assert (turn.duplicate, turn.answered, turn.context) == (False, False, "context 1")
        turn.reply("hi", MessageMetadata("local"))
        assert said(store) == [("user", "hello", None)]
    _, (role, content, metadata) = said(store)
    assert (role, content, metadata and metadata["provider_used"]) == ("assistant", "hi", "local")


def test_pieces_are_joined(store: Store) -> None:
    with store.exchange(INCOMING) as turn:
        for delta in ("", "h", "i ", "🌳"):
            turn.write(delta)
    assert said(store)[1:] == [("assistant", "hi 🌳", None)]


def test_a_reply_takes_the_place_of_the_pieces(store: Store) -> None:
    with store.exchange(INCOMING) as turn:
        turn.write("h")
        turn.reply("hi", {"model": "m"})
    assert said(store)[1:] == [("assistant", "hi", {"model": "m"})]


def test_what_the_context_is_built_from(store: Store, told: Told) -> None:
    needs = ContextNeeds(recall=False)
    with store.exchange(INCOMING, "Be kind.", project="garden", needs=needs, token_budget=900) as turn:
        pass
    ((incoming, *rest), named) = told.calls[0]
    assert (incoming.text, incoming.id) == ("hello", turn.message_id)
    assert (rest, named) == (["Be kind.", needs, "garden"], {"token_budget": 900})
    assert store.get_active_conversation_id("telegram", 42, "garden") == turn.conversation_id


def test_what_was_delivered_before_is_a_duplicate(store: Store, told: Told) -> None:
    with store.exchange(INCOMING) as turn:
        turn.reply("hi")
    with store.exchange(INCOMING) as again:
        assert (again.duplicate, again.answered, again.context) == (True, True, None)
        again.reply("hi again")
    assert [content for _, content, _ in said(store)] == ["hello", "hi"]
    assert len(told.calls) == 1


def test_what_was_never_answered_can_be_answered_when_it_comes_again(store: Store) -> None:
    with store.exchange(INCOMING):
        pass
    with store.exchange(INCOMING) as again:
        assert (again.duplicate, again.answered, again.context) == (True, False, "context 2")
        again.reply("hi")
    assert [content for _, content, _ in said(store)] == ["hello", "hi"]


def break_off(store: Store, text: str, error: type[BaseException]) -> None:
    with store.exchange(INCOMING) as turn:
        turn.write(text)
        raise error


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_an_exception_keeps_what_was_said(store: Store, error: type[BaseException]) -> None:
    with pytest.raises(error):
        break_off(store, "I thi", error)
    partial = ("assistant", "I thi", {"partial": True, "error": error.__name__})
    assert said(store) == [("user", "hello", None), partial]
    with store.exchange(INCOMING) as again:
        assert (again.duplicate, again.answered) == (True, False)
        again.reply("I think so")
    assert said(store)[2:] == [("assistant", "I think so", None)]


def test_an_exception_before_a_word_leaves_the_question(store: Store) -> None:
    with pytest.raises(RuntimeError), store.exchange(INCOMING):
        raise RuntimeError
    assert said(store) == [("user", "hello", None)]


def test_without_ids_too_the_question_is_stored_once(store: Store) -> None:
    with store.exchange(IncomingMessage("telegram", 42, "hello")) as turn:
        turn.reply("hi")
    assert [content for _, content, _ in said(store)] == ["hello", "hi"]


def test_what_cannot_be_stored_is_refused_where_it_is_said(store: Store) -> None:
    with store.exchange(INCOMING) as turn:
        turn.write("x" * 60)
        for bad, error in (("x" * 41, TextTooLong), ("\0", InvalidText), (None, InvalidText)):
            with pytest.raises(error):
                turn.write(bad)  # type: ignore[arg-type]
        with pytest.raises(TextTooLong):
            turn.reply("x" * 101)
        with pytest.raises(InvalidText):
            turn.reply("hi", {"a": object()})
        turn.write("y" * 40)
    assert said(store)[1][1] == "x" * 60 + "y" * 40


def test_no_transaction_is_held_across_it(store: Store) -> None:
    with store.exchange(INCOMING):
        assert store.database.engine.in_transaction() is False  # type: ignore[no-untyped-call]


def test_a_conversation_erased_meanwhile_stays_erased(store: Store) -> None:
    with store.exchange(INCOMING) as turn:
        store.database.sql("DELETE FROM messages")
        store.database.sql("DELETE FROM conversations")
        turn.reply("hi")
    assert said(store) == []


def test_a_store_that_fails_does_not_hide_the_error(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def busy(*_: Any, **__: Any) -> None:
        raise StoreBusy("the file is locked")

    monkeypatch.setattr(exchanges, "_store", busy)
    with pytest.raises(RuntimeError) as caught:
        break_off(store, "my secret", RuntimeError)
    assert "the file is locked" in caught.value.__notes__[0]
    assert "the file is locked" in caplog.text
    assert "my secret" not in caplog.text
