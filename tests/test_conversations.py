"""A conversation goes on until its timeout, is closed with a summary, and is remembered by that."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from omega_models import ConversationRef, InvalidId, InvalidText, InvalidTime, Store, Summary, TextTooLong
from omega_models.testing import FakeClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOON)


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock, max_text=1000) as opened:
        yield opened


def test_it_goes_on_while_it_is_younger_than_the_timeout(store: Store, clock: FakeClock) -> None:
    first = store.get_or_create_conversation("telegram", 42)
    clock.advance(minutes=119, seconds=59)
    assert store.get_or_create_conversation("telegram", "42") == first
    clock.advance(minutes=119, seconds=59)
    assert store.get_active_conversation_id("telegram", 42) == first
    clock.advance(seconds=1)
    assert store.get_active_conversation_id("telegram", 42) is None
    assert store.get_or_create_conversation("telegram", 42) != first


def test_looking_for_it_does_not_touch_it(store: Store, clock: FakeClock) -> None:
    assert store.get_active_conversation_id("telegram", 42) is None
    conversation = store.get_or_create_conversation("telegram", 42)
    clock.advance(minutes=119)
    assert store.get_active_conversation_id("telegram", 42) == conversation
    clock.advance(minutes=1)
    assert store.get_active_conversation_id("telegram", 42) is None


@pytest.mark.parametrize("other", [("signal", 42, ""), ("telegram", 43, ""), ("telegram", 42, "garden")])
def test_channel_sender_and_project_have_their_own(store: Store, other: tuple[str, int, str]) -> None:
    mine = store.get_or_create_conversation("telegram", 42)
    assert store.get_active_conversation_id(*other) is None
    assert store.get_or_create_conversation(*other) != mine
    assert store.get_or_create_conversation("telegram", 42, None) == mine


def test_a_group_has_its_own_for_each_sender(store: Store) -> None:
    private = store.get_or_create_conversation("telegram", 42)
    groups = {
        store.get_or_create_conversation("telegram", who, group=where) for who in (1, 42) for where in (7, 8)
    }
    assert len({private, *groups}) == 5
    assert store.get_active_conversation_id("telegram", 42, group=7) in groups
    assert store.get_active_conversation_id("telegram", 42) == private


def test_a_clock_put_back_does_not_lower_the_last_activity(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    clock.advance(hours=-1)
    assert store.get_or_create_conversation("telegram", 42) == conversation
    clock.advance(hours=2, minutes=59)
    assert store.get_active_conversation_id("telegram", 42) == conversation


@pytest.mark.parametrize("timeout", [timedelta.max, timedelta(days=800_000)])
def test_a_timeout_may_be_longer_than_time(clock: FakeClock, timeout: timedelta) -> None:
    with Store(":memory:", clock=clock, conversation_timeout=timeout) as store:
        conversation = store.get_or_create_conversation("telegram", 42)
        clock.advance(days=365 * 100)
        assert store.get_or_create_conversation("telegram", 42) == conversation
        assert store.find_idle_conversations() == []


def test_the_idle_ones_are_found_the_longest_idle_first(store: Store, clock: FakeClock) -> None:
    old = store.get_or_create_conversation("telegram", 1, "garden")
    clock.advance(minutes=1)
    newer = store.get_or_create_conversation("telegram", 2)
    clock.advance(minutes=1)
    latest = store.get_or_create_conversation("telegram", 3, group=9)
    assert store.find_idle_conversations() == []
    clock.advance(minutes=119)
    assert store.find_idle_conversations() == [
        ConversationRef(old, "telegram", "1", "garden"),
        (newer, "telegram", "2", ""),
    ]
    assert [found.id for found in store.find_all_active_conversations()] == [old, newer, latest]


def test_closing_keeps_the_summary(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    clock.advance(minutes=5)
    assert store.close_conversation(conversation, " About apples ") is True
    assert store.find_all_active_conversations() == []
    assert store.get_recent_summaries("telegram", 42, 5) == [
        Summary("About apples", NOON + timedelta(minutes=5))
    ]
    assert store.get_or_create_conversation("telegram", 42) != conversation


def test_closing_again_replaces_the_summary(store: Store) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    store.close_conversation(conversation, "About apples")
    assert store.close_conversation(conversation, "About pears") is True
    assert [found.summary for found in store.get_recent_summaries("telegram", 42, 5)] == ["About pears"]


def test_an_unknown_one_cannot_be_closed(store: Store) -> None:
    assert store.close_conversation("unknown", "Nothing") is False
    assert store.close_current_conversation("telegram", 42) is False


def test_closing_only_if_nothing_was_added_since(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    clock.advance(seconds=10)
    seen = clock()
    store.append_message(conversation, "user", "wait")
    clock.advance(seconds=10)
    assert store.close_conversation(conversation, "s", if_idle_since=seen - timedelta(seconds=1)) is False
    assert store.close_conversation(conversation, "s", if_idle_since=seen.isoformat()) is True
    assert store.close_conversation(conversation, "t", if_idle_since=clock()) is False
    assert [found.summary for found in store.get_recent_summaries("telegram", 42, 5)] == ["s"]


def test_a_fraction_of_a_second_does_not_hide_what_came_in_it(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    read = clock() + timedelta(seconds=9.5)
    clock.advance(seconds=10)
    store.append_message(conversation, "user", "wait")
    assert store.close_conversation(conversation, "s", if_idle_since=read) is False


def test_a_message_imported_without_activity_counts_as_added(store: Store, clock: FakeClock) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    clock.advance(seconds=10)
    store.append_message(conversation, "user", "hello", timestamp=clock())
    store.database.sql("UPDATE conversations SET last_activity = '2026-03-01 12:00:00'")
    assert store.close_conversation(conversation, "s", if_idle_since=NOON) is False


def test_forgetting_closes_all_that_is_active_in_the_chat(store: Store, clock: FakeClock) -> None:
    store.get_or_create_conversation("telegram", 42)
    clock.advance(hours=3)
    store.get_or_create_conversation("telegram", 42)
    others = [
        store.get_or_create_conversation("telegram", 42, "garden"),
        store.get_or_create_conversation("telegram", 42, group=7),
        store.get_or_create_conversation("telegram", 43),
    ]
    assert store.close_current_conversation("telegram", 42) is True
    assert [found.id for found in store.find_all_active_conversations()] == others
    assert store.close_current_conversation("telegram", 42, group=7) is True
    assert store.close_current_conversation("telegram", 42) is False
    assert store.get_recent_summaries("telegram", 42, 5) == []


def close(store: Store, clock: FakeClock, sender: int, summary: str, **where: int) -> None:
    store.close_conversation(store.get_or_create_conversation("telegram", sender, **where), summary)
    clock.advance(minutes=1)


def test_summaries_come_newest_first_and_are_the_senders_own(store: Store, clock: FakeClock) -> None:
    for sender, summary in ((1, "a"), (2, "b"), (1, "c"), (1, "d")):
        close(store, clock, sender, summary)
    assert [found.summary for found in store.get_recent_summaries("telegram", 1, 2)] == ["d", "c"]
    assert store.get_recent_summaries("signal", 1, 2) == []
    assert [found.summary for found in store.get_all_recent_summaries(3)] == ["d", "c", "b"]
    assert store.get_all_recent_summaries(0) == []


def test_the_order_of_one_second_is_kept(store: Store) -> None:
    for summary in "abc":
        store.close_conversation(store.get_or_create_conversation("telegram", 1), summary)
    assert [found.summary for found in store.get_recent_summaries("telegram", 1, 9)] == ["c", "b", "a"]
    assert [found.summary for found in store.get_all_recent_summaries(9)] == ["c", "b", "a"]


def test_summaries_of_a_group_and_of_the_private_chat_stay_apart(store: Store, clock: FakeClock) -> None:
    close(store, clock, 1, "private")
    close(store, clock, 1, "in group 7", group=7)
    assert [found.summary for found in store.get_recent_summaries("telegram", 1, 9)] == ["private"]
    assert [found.summary for found in store.get_recent_summaries("telegram", 1, 9, group=7)] == [
        "in group 7"
    ]
    assert store.get_history("telegram", 1, 9, group=8) == []


def test_history_says_where_there_is_no_summary(store: Store, clock: FakeClock) -> None:
    close(store, clock, 1, "a")
    close(store, clock, 1, "  ")
    store.get_or_create_conversation("telegram", 1)
    store.close_current_conversation("telegram", 1)
    found = store.get_history("telegram", 1, 9)
    assert [summary for summary, _ in found] == ["(no summary)", "(no summary)", "a"]
    assert found[0].updated_at == NOON + timedelta(minutes=2)
    assert [each.summary for each in store.get_recent_summaries("telegram", 1, 9)] == ["a"]


def test_stats_count_all_channels_of_the_sender(store: Store) -> None:
    assert store.get_memory_stats(42) == (0, 0, 0)
    for channel in ("telegram", "signal"):
        store.append_message(store.get_or_create_conversation(channel, 42), "user", "hi")
    store.append_message(store.get_or_create_conversation("signal", 43), "user", "hi")
    store.store_fact(42, "name", "Ω")
    stats = store.get_memory_stats(42)
    assert (stats.conversations, stats.messages, stats.facts) == (2, 2, 1)


def test_tokens_are_counted_as_the_store_is_told(clock: FakeClock) -> None:
    with Store(":memory:", clock=clock, count_tokens=lambda text: len(text.split())) as store:
        conversation = store.get_or_create_conversation("telegram", 42)
        store.append_message(conversation, "user", "one two")
        store.append_message(conversation, "assistant", "three")
        assert store.get_conversation_token_estimate(conversation) == (2, 3)
        assert store.get_conversation_token_estimate("unknown") == (0, 0)


def test_by_default_a_token_is_four_characters(store: Store) -> None:
    conversation = store.get_or_create_conversation("telegram", 42)
    store.append_message(conversation, "user", "x" * 9)
    estimate = store.get_conversation_token_estimate(conversation)
    assert (estimate.message_count, estimate.tokens) == (1, 3)


def test_the_size_of_the_database_grows_with_what_is_in_it(store: Store) -> None:
    before = store.db_size()
    conversation = store.get_or_create_conversation("telegram", 42)
    for _ in range(200):
        store.append_message(conversation, "user", "x" * 1000)
    assert before + 200_000 < store.db_size() < before + 2_000_000


def test_what_is_not_an_id_or_a_text_is_refused_before_anything_is_written(store: Store) -> None:
    for channel, sender in (("", 42), ("telegram", " "), ("telegram", True)):
        with pytest.raises(InvalidId):
            store.get_or_create_conversation(channel, sender)
    with pytest.raises(InvalidId):
        store.get_or_create_conversation("telegram", 42, group="")
    with pytest.raises(InvalidText):
        store.get_or_create_conversation("telegram", 42, "a\0b")
    with pytest.raises(TextTooLong):
        store.close_conversation("c", "x" * 1001)
    with pytest.raises(InvalidTime):
        store.close_conversation("c", "x", if_idle_since="soon")
    with pytest.raises(ValueError, match="limit"):
        store.get_history("telegram", 42, -1)
    assert store.find_all_active_conversations() == []
