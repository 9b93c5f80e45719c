from collections.abc import Iterator

import pytest

from omega_models import IncomingMessage, Store
from omega_models.testing import FakeClock
from omega_worker import DeliveryError, Settings, Worker


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01 09:00")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def deliver(store: Store, **settings: object) -> None:
    Worker(store, {"chat": lambda _: "ok"}, Settings.defaults(**settings)).run_due()


def remind(store: Store, text: str = "Water the plants", **more: object) -> None:
    store.create_task("chat", 7, more.pop("target", 7), text, store.clock(), **more)  # type: ignore[arg-type]


def said(store: Store, conversation: str) -> list[tuple[str, str]]:
    return [tuple(each) for each in store.get_conversation_messages(conversation)]  # type: ignore[misc]


def test_a_delivered_reminder_is_the_assistants_words(store: Store) -> None:
    conversation = store.get_or_create_conversation("chat", 7)
    store.append_message(conversation, "user", "Hello")
    remind(store)
    deliver(store)
    assert said(store, conversation) == [("user", "Hello"), ("assistant", "Reminder: Water the plants")]


def test_it_keeps_no_conversation_alive(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("chat", 7)
    store.append_message(conversation, "user", "The fence needs paint.")
    clock.advance(minutes=110)
    remind(store)
    deliver(store)
    clock.advance(minutes=10)
    assert Worker(store, {}).run_idle() == 1
    assert store.get_recent_summaries("chat", 7, 1)[0].summary == "The fence needs paint."


@pytest.mark.parametrize(
    "case", ["setting", "action", "failed", "no conversation", "closed", "other channel"]
)
def test_where_it_is_not_remembered(store: Store, case: str) -> None:
    conversation = store.get_or_create_conversation("other" if case == "other channel" else "chat", 7)
    if case == "closed":
        store.close_conversation(conversation, "done")
    if case == "no conversation":
        conversation = store.get_or_create_conversation("chat", 8)
        store.close_current_conversation("chat", 7)
    remind(store, task_type="action" if case == "action" else "reminder")
    if case == "failed":

        def refuse(_: object) -> None:
            raise DeliveryError("no", retry=False)

        Worker(store, {"chat": refuse}).run_due()
    else:
        deliver(store, remember_reminders=case != "setting")
    assert said(store, conversation) == []


def test_a_groups_reminder_goes_to_the_groups_conversation(store: Store) -> None:
    private = store.get_or_create_conversation("chat", 7)
    group = store.receive(
        IncomingMessage("chat", 7, "Hello all", reply_target="-100", is_group=True)
    ).conversation_id
    remind(store, "Bring cake", target="-100")
    remind(store, "Call the doctor about results", target=7)
    deliver(store)
    assert said(store, group) == [("user", "Hello all"), ("assistant", "Reminder: Bring cake")]
    assert said(store, private) == [("assistant", "Reminder: Call the doctor about results")]
