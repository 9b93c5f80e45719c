"""A session is remembered for each channel, sender and project."""

from collections.abc import Iterator

import pytest

from omega_models import InvalidId, Store
from omega_models.testing import FakeClock


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock()) as opened:
        yield opened


def test_the_latest_session_is_kept(store: Store) -> None:
    assert store.get_session("telegram", 42, "garden") is None
    store.store_session("telegram", 42, "garden", "s1")
    store.store_session("telegram", "42", "garden", "s2")
    assert store.get_session("telegram", 42, "garden") == "s2"
    assert len(store.database.sql_rows("SELECT id FROM project_sessions")) == 1


def test_no_project_is_the_general_one(store: Store) -> None:
    store.store_session("telegram", 42, None, "s1")
    assert store.get_session("telegram", 42, "") == "s1"
    assert store.get_session("telegram", 42, "garden") is None


def test_clearing_one_or_all_of_a_sender(store: Store) -> None:
    places = [("telegram", 1, ""), ("telegram", 1, "garden"), ("signal", 1, ""), ("telegram", 2, "")]
    for place in places:
        store.store_session(*place, "s")
    store.clear_session(*places[0])
    assert [store.get_session(*place) for place in places] == [None, "s", "s", "s"]
    store.clear_all_sessions_for_sender(1)
    assert [store.get_session(*place) for place in places] == [None, None, None, "s"]


def test_ids_must_not_be_empty(store: Store) -> None:
    with pytest.raises(InvalidId):
        store.store_session("telegram", 42, "", "")
    with pytest.raises(InvalidId):
        store.clear_all_sessions_for_sender("")
