"""What the doctor says of the index of recall, and how it mends it: in a file and on a server."""

from collections.abc import Iterator

import pytest

from omega_models import IncomingMessage, Store, recall_soundness, soundness
from omega_models.diagnosis import NOTE, OK, PROBLEM, WARNING, Finding
from omega_models.testing import FakeClock

FEW = 12


@pytest.fixture
def store(memory_url: str) -> Iterator[Store]:
    with Store(memory_url, clock=FakeClock()) as opened:
        for n in range(FEW):
            opened.store_exchange(IncomingMessage("telegram", n % 3, f"a walrus {n}"), "indeed, 象")
        yield opened


def findings(store: Store) -> list[tuple[str, str]]:
    return [(each.level, each.text) for each in recall_soundness.examine(store)]


def mended(store: Store) -> list[str]:
    """What the remedies said; afterwards nothing is left to say."""
    found: list[Finding] = recall_soundness.examine(store)
    remedies = {each.remedy.name: each.remedy for each in found if each.remedy}
    said = [remedy.apply(store) for remedy in remedies.values()]
    assert [level for level, _ in findings(store)] == [OK]
    assert len(store.search_messages("walrus", "", 0, 100)) == 2 * FEW // 3
    return said


def row(store: Store) -> str:
    return "id" if store.database.is_postgres else "rowid"


def test_nothing_is_wrong_with_a_sound_one(store: Store) -> None:
    assert findings(store) == [(OK, "it knows every message it should, each in its chat")]


def test_messages_it_does_not_know(store: Store) -> None:
    first = "SELECT rowid FROM messages ORDER BY rowid LIMIT 3"
    store.database.sql(f"DELETE FROM recall WHERE {row(store)} IN ({first})")
    assert findings(store) == [(PROBLEM, "3 messages it does not know")]
    assert mended(store) == ["3 messages indexed"]


def test_messages_that_wait_are_no_problem(store: Store) -> None:
    store.database.sql("INSERT INTO recall_queue (id) SELECT rowid FROM messages LIMIT 2")
    ((level, text), (last, _)) = findings(store)
    assert (level, last) == (NOTE, OK)
    assert text == "2 messages wait to be indexed; every write and search takes some"
    assert mended(store) == ["2 messages indexed"]


def test_entries_of_messages_that_are_gone(store: Store) -> None:
    store.database.sql(f"INSERT INTO recall ({row(store)}, terms) VALUES (999, {empty(store)})")
    assert findings(store) == [(PROBLEM, "1 entry of messages that are gone")]
    assert mended(store) == ["1 entry taken out"]


def empty(store: Store) -> str:
    return "'{}'" if store.database.is_postgres else "''"


def test_a_conversation_that_another_program_gave_to_somebody_else(store: Store) -> None:
    store.database.sql("UPDATE conversations SET sender_id = '7' WHERE sender_id = '1'")
    ((level, text),) = findings(store)
    assert (level, text) == (
        PROBLEM,
        "8 messages indexed for another chat than they are of: nobody finds them",
    )
    assert store.search_messages("walrus", "", 7) == []
    assert mended(store) == ["8 messages indexed"]
    assert len(store.search_messages("walrus", "", 7, 100)) == 8


def test_an_index_of_other_words_is_made_anew(store: Store) -> None:
    """Such as that of a version that knew words by something else."""
    ((chat,),) = store.database.sql_rows("SELECT id FROM recall_chats WHERE sender_id = '0'")
    other = f"ARRAY['{chat}_other']" if store.database.is_postgres else f"'{chat}_other'"
    store.database.sql(
        f"UPDATE recall SET terms = {other} WHERE {row(store)} IN (SELECT rowid FROM {OF_ONE})"
    )
    ((level, text),) = findings(store)
    assert level == WARNING
    assert text == f"of {2 * FEW} messages looked at, 8 are indexed by other words than theirs"
    assert mended(store) == [f"{2 * FEW} messages indexed"]


OF_ONE = "messages WHERE conversation_id IN (SELECT id FROM conversations WHERE sender_id = '0')"


def test_a_damaged_one_is_made_anew() -> None:
    with Store(":memory:", clock=FakeClock()) as store:
        for n in range(FEW):
            store.store_exchange(IncomingMessage("telegram", n % 3, f"a walrus {n}"), "indeed")
        store.database.sql("UPDATE recall_content SET c0 = '1_penguin' WHERE id = 5")
        ((level, text),) = findings(store)
        assert level == PROBLEM
        assert text.startswith("it is damaged (")
        assert mended(store) == [f"{2 * FEW} messages indexed"]


def test_a_missing_one_is_made_anew() -> None:
    with Store(":memory:", clock=FakeClock()) as store:
        for n in range(FEW):
            store.store_exchange(IncomingMessage("telegram", n % 3, f"a walrus {n}"), "indeed")
        store.database.sql("DROP TABLE recall")
        assert findings(store) == [(PROBLEM, "it is missing")]
        assert mended(store) == [f"{2 * FEW} messages indexed"]


def test_sqlite_saying_so_as_well_does_not_call_for_a_backup() -> None:
    """From 3.44 on its check of the file looks into full-text indexes too."""
    said = ["malformed inverted index for FTS5 table main.recall", "row 7 missing from index a"]
    assert soundness._beyond_recall(said) == said[1:]
    assert soundness._beyond_recall(["ok"]) == []
