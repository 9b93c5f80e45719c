"""What was said in private stays there, whatever block it might have come into."""

from collections.abc import Iterator
from typing import Any

import pytest

from omega_models import ContextNeeds, IncomingMessage, Store
from omega_models.testing import FakeClock

SECRET = "zanzibar"  # in everything that is private here
QUESTION = "What about the surprise voyage we planned?"


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock()) as opened:
        yield opened


def message(text: str = QUESTION, group: int | None = 7, sender: int | str = 42) -> IncomingMessage:
    if group is None:
        return IncomingMessage("telegram", sender, text, reply_target=sender)
    return IncomingMessage("telegram", sender, text, reply_target=group, is_group=True)


def live(store: Store, group: int | None, word: str, sender: int | str = 42) -> None:
    """Fills every block from one chat."""
    store.store_exchange(message(f"the surprise voyage is to {word}", group, sender), f"a voyage to {word}!")
    past = store.get_active_conversation_id("telegram", sender, group=group)
    store.close_conversation(past or "", f"planned {word}")
    store.store_exchange(message(f"still {word}", group, sender), f"yes, {word}")
    target = sender if group is None else group
    store.create_task("telegram", sender, target, f"book {word} tickets", "2026-03-01", dedupe="off")


def keep_secrets(store: Store, sender: int | str = 42) -> None:
    live(store, None, SECRET, sender)
    for key in ("location", "occupation", "plan"):
        store.store_fact(sender, key, SECRET)
    store.store_fact(sender, "name", "Ada")
    store.store_lesson(sender, "travel", f"never mention {SECRET}")
    store.store_outcome(sender, "travel", 1, f"booked {SECRET}")


def everything(store: Store, incoming: IncomingMessage) -> str:
    context = store.build_context(incoming, "")
    return "\n".join([context.system_prompt, *(content for _, content in context.history)])


@pytest.mark.parametrize(
    "block", ["recall", "pending_tasks", "profile", "summaries", "outcomes", "everything"]
)
def test_nothing_private_comes_into_a_group(store: Store, block: str) -> None:
    keep_secrets(store)
    live(store, 7, "madeira")
    needs: dict[str, Any] = {name: name == block for name in ContextNeeds.__annotations__}
    wanted = ContextNeeds() if block == "everything" else ContextNeeds(**needs)
    context = store.build_context(message(), "", wanted)
    shown = "\n".join([context.system_prompt, *(content for _, content in context.history)])
    assert SECRET not in shown
    assert "madeira" in shown


def test_each_block_of_a_group_holds_its_own(store: Store) -> None:
    keep_secrets(store)
    live(store, 7, "madeira")
    found = store.build_context(message(), "").sections
    assert list(found) == ["profile", "summaries", "recall", "tasks", "language", "language_switch"]
    assert found["profile"] == "User profile:\n- name: Ada"
    assert all("madeira" in found[name] for name in ("summaries", "recall", "tasks"))


def test_groups_know_nothing_of_each_other(store: Store) -> None:
    live(store, 7, "madeira")
    live(store, 8, "corsica")
    assert "corsica" not in everything(store, message())
    assert "madeira" not in everything(store, message(group=8))


def test_the_same_number_on_another_channel_is_another_group(store: Store) -> None:
    live(store, 7, "madeira")
    other = IncomingMessage("signal", 42, QUESTION, reply_target=7, is_group=True)
    assert "madeira" not in everything(store, other)


def test_people_of_one_group_keep_their_own(store: Store) -> None:
    live(store, 7, "madeira")
    assert "madeira" not in everything(store, message(sender=43))


def test_a_group_remembered_as_one_has_all_that_is_its_own(store: Store) -> None:
    group = "group:7"
    store.store_fact(group, "motto", "onward")
    store.store_lesson(group, "travel", "ask everybody")
    store.store_outcome(group, "travel", 1, "all came")
    found = store.build_context(message(sender=group), "").sections
    assert {"profile", "lessons", "outcomes"} <= set(found)
    keep_secrets(store)
    assert SECRET not in everything(store, message(sender=group))


def test_what_one_said_in_a_group_may_be_recalled_in_private(store: Store) -> None:
    live(store, 7, "madeira")
    assert "madeira" in store.build_context(message(group=None), "").sections["recall"]
