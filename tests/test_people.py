"""What is known of everybody, and who is who."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from omega_models import Fact, InvalidId, SenderFact, Store
from omega_models.testing import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock("2026-03-01")


@pytest.fixture
def store(memory_url: str, clock: FakeClock) -> Iterator[Store]:
    with Store(memory_url, clock=clock) as opened:
        yield opened


def test_a_user_is_new_until_welcomed(store: Store) -> None:
    assert store.is_new_user(1) is True
    store.store_fact(1, "name", "Ω")
    assert store.is_new_user(1) is True
    store.store_fact(1, "welcomed", "true")
    assert (store.is_new_user("1"), store.is_new_user(2)) == (False, True)


def test_everybodys_facts_come_without_the_welcome(store: Store) -> None:
    assert store.get_all_facts() == []
    for sender, key, value in (
        (2, "name", "b"),
        (1, "welcomed", "true"),
        (1, "name", "a"),
        (1, "city", "Lisbon"),
    ):
        store.store_fact(sender, key, value)
    assert store.get_all_facts() == [Fact("city", "Lisbon"), Fact("name", "a"), Fact("name", "b")]


def test_one_fact_of_everybody(store: Store) -> None:
    for sender in (2, 1):
        store.store_fact(sender, "active_project", f"p{sender}")
    assert store.get_all_facts_by_key("active_project") == [SenderFact("1", "p1"), ("2", "p2")]
    assert store.get_all_facts_by_key("name") == []


def test_an_alias_leads_to_the_canonical_id_through_chains(store: Store) -> None:
    assert store.resolve_sender_id(3) == "3"
    store.create_alias(3, 2)
    store.create_alias("2", "1")
    assert [store.resolve_sender_id(sender) for sender in (1, 2, 3)] == ["1", "1", "1"]


def test_the_first_alias_stays(store: Store) -> None:
    store.create_alias(2, 1)
    store.create_alias(2, 9)
    assert store.resolve_sender_id(2) == "1"


@pytest.mark.parametrize("circle", [[(1, 1)], [(2, 1), (1, 2)], [(3, 2), (2, 1), (1, 3)]])
def test_an_alias_never_leads_back_to_itself(store: Store, circle: list[tuple[int, int]]) -> None:
    *chain, closing_link = circle
    for alias, canonical in chain:
        store.create_alias(alias, canonical)
    with pytest.raises(InvalidId, match="back to itself"):
        store.create_alias(*closing_link)
    assert store.resolve_sender_id(closing_link[0]) == "1"


def test_a_circle_of_another_program_has_an_end(tmp_path: Path) -> None:
    with Store(tmp_path / "m.db") as store:
        with closing(sqlite3.connect(tmp_path / "m.db", isolation_level=None)) as connection:
            connection.execute(
                "INSERT INTO user_aliases (alias_sender_id, canonical_sender_id) VALUES ('1', '2'), ('2', '1'), ('3', '3')"
            )
        assert (store.resolve_sender_id(1), store.resolve_sender_id(3)) == ("2", "3")


def test_no_method_follows_an_alias_by_itself(store: Store) -> None:
    store.store_fact(1, "name", "Ω")
    store.create_alias(2, 1)
    assert store.get_facts(2) == []


def test_the_canonical_user_is_the_first_one_welcomed(store: Store, clock: FakeClock) -> None:
    assert store.find_canonical_user(9) is None
    for sender in (5, 3, 4):
        store.store_fact(sender, "welcomed", "true")
        clock.advance(minutes=1)
    assert store.find_canonical_user(9) == "5"
    assert store.find_canonical_user("5") == "3"
    store.create_alias(3, 5)
    assert store.find_canonical_user("5") == "4"


@pytest.mark.parametrize(
    "call", ["resolve_sender_id", "find_canonical_user", "is_new_user", "get_all_facts_by_key"]
)
def test_an_empty_id_is_refused(store: Store, call: str) -> None:
    with pytest.raises(InvalidId):
        getattr(store, call)("")
    with pytest.raises(InvalidId):
        store.create_alias("", 1)
