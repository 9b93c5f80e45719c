"""Retention by age: old conversations and outcomes go, whole and in small batches, and nothing else does."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from full_memory import START, fill, remains

from omega_jobs.maintain import Keep, Maintained, maintain_once
from omega_models import IncomingMessage, Store, StoreBusy, erasing, forgetting, retention
from omega_models.testing import FakeClock
from omega_worker.rules import keep_rules
from omega_worker.settings import Settings

DAY = timedelta(days=1)


def unhurried(_: float) -> None:
    """No rest between batches."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def maintain(store: Store, **keep: timedelta) -> Maintained:
    done = maintain_once(store, "w", Keep(**keep), unhurried)
    assert done
    return done


def talk(store: Store, text: str, *, close: bool = True) -> str:
    said = IncomingMessage("chat", "1", text, platform_message_id=text)
    here = store.store_exchange(said, f"yes, {text}", text)
    if close:
        store.close_conversation(here, f"about {text}")
    return here


def test_closed_conversations_go_by_age(store: Store, clock: FakeClock) -> None:
    old, open_still = talk(store, "otters"), talk(store, "walruses", close=False)
    store.add_items(old, [{"type": "reasoning"}])
    store.store_fact(1, "animal", "otters")
    store.store_lesson(1, "animals", "ask about otters")
    clock.advance(days=30)
    young = talk(store, "narwhals")
    clock.advance(seconds=1)
    assert maintain(store).conversations == 0
    done = maintain(store, conversations=30 * DAY)
    assert (done.conversations, done.outcomes) == (1, 0)
    assert store.get_messages(old) == []
    assert store.search_messages("otters", "", 1) == []
    assert [each.summary for each in store.get_recent_summaries("chat", 1, 5)] == ["about narwhals"]
    assert len(store.get_messages(open_still)) == len(store.get_messages(young)) == 2
    assert store.get_fact(1, "animal") == "otters"
    assert len(store.get_lessons(1)) == 1
    assert store.forget_sender(1, dry_run=True)["received_messages"] == 2
    assert store.forget_sender(1, dry_run=True)["session_items"] == 0
    assert maintain(store, conversations=30 * DAY).conversations == 0


def test_they_go_in_batches_and_whole(
    store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 4)
    for number in range(7):
        talk(store, f"number {number}")
    clock.advance(days=2)
    sizes: list[int] = []

    def rest(_: float) -> None:
        sizes.append(store.forget_sender(1, dry_run=True)["messages"])

    assert retention.forget_conversations(store, clock() - DAY, rest) == 7
    assert sizes == [10, 6, 2, 0]


def test_there_is_an_end_to_one_run(store: Store, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 2)
    monkeypatch.setattr(retention, "BATCH", 2)
    monkeypatch.setattr(retention, "MOST_BATCHES", 2)
    for number in range(5):
        talk(store, f"number {number}")
        store.store_outcome(1, "domain", 1, f"lesson {number}")
    clock.advance(days=2)
    runs = [maintain(store, conversations=DAY, outcomes=DAY) for _ in range(3)]
    assert [each.conversations for each in runs] == [2, 2, 1]
    assert [each.outcomes for each in runs] == [4, 1, 0]


def test_outcomes_go_by_age(store: Store, clock: FakeClock) -> None:
    for number in range(4):
        store.store_outcome(1, "domain", 1, f"lesson {number}")
        clock.advance(days=10)
    assert maintain(store).outcomes == 0
    assert maintain(store, outcomes=20 * DAY).outcomes == 2
    assert [each.lesson for each in store.get_recent_outcomes(1, 5)] == ["lesson 3", "lesson 2"]


def test_settings_say_how_long() -> None:
    kept = keep_rules(Settings.defaults())
    assert (kept.conversations, kept.outcomes) == (None, None)
    kept = keep_rules(Settings.defaults(conversations_keep_days=30, outcomes_keep_days=7))
    assert (kept.conversations, kept.outcomes) == (30 * DAY, 7 * DAY)


# What forgetting left over


def interrupted(file: Path, clock: FakeClock) -> list[str]:
    """The rows are gone, and the process with them."""

    def die(point: str) -> None:
        if point == forgetting.GONE:
            raise KeyboardInterrupt

    with Store(file, clock=clock) as store:
        person = fill(store)
        store.database.empty_log()
        store.reached = die
        with pytest.raises(KeyboardInterrupt):
            store.forget_sender(person.sender)
        assert remains(store, person.words)
    return person.words


def test_a_worker_finishes_what_was_interrupted(tmp_path: Path, clock: FakeClock) -> None:
    words = interrupted(tmp_path / "memory.db", clock)
    with Store(tmp_path / "memory.db", clock=clock) as store:
        assert maintain(store).erased is True
        assert remains(store, words) == {}
        assert maintain(store).erased is None


def test_and_tries_again_where_the_file_is_in_use(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = interrupted(tmp_path / "memory.db", clock)

    def busy(_: Store) -> None:
        raise StoreBusy("in use")

    with Store(tmp_path / "memory.db", clock=clock) as store:
        with monkeypatch.context() as patch:
            patch.setattr(erasing, "finish", busy)
            assert maintain(store).erased is False
        clock.advance(days=400)
        assert maintain(store).erased is True
        assert remains(store, words) == {}
