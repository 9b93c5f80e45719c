"""`omega-worker status` and the queries behind it: how things stand, out of the database alone."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from command_line import apart, told

from omega_jobs.maintain import maintain_once
from omega_models import Store
from omega_models import overview as overviews
from omega_models.overview import backlog, overview, wal_bytes
from omega_models.presence import beat
from omega_models.settling import Settlement, settle_many
from omega_models.testing import FakeClock
from omega_worker import Settings
from omega_worker.commands.status import troubles

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
BOTH = ("reminder", "action")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Store]:
    with Store(tmp_path / "memory.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder and an environment of its own; the real clock, as the command line has it."""
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", "memory.db")
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def add(store: Store, channel: str, when: datetime, text: str = "secret plan", repeat: str = "once") -> str:
    return store.create_task(channel, "owner", "owner", text, when, repeat, dedupe="off")


def settle(store: Store, outcome: str, error: str | None = None) -> str:
    (claim,) = store.claim_due_tasks("w", 1)
    settle_many(store, [Settlement(claim.token, outcome, error=error)])
    return claim.id


# What is found


def test_an_empty_database_has_nothing_to_tell(store: Store) -> None:
    found = overview(store)
    assert (found.now, found.workers, found.troubles) == (NOW, (), ())
    assert (found.in_flight, found.retrying, found.next_retry, found.maintained_at) == (0, 0, None, None)
    assert (found.backlog.due, found.backlog.oldest, found.backlog.next_due) == (0, None, None)
    assert found.size > 0
    assert found.backlog.wal_bytes == wal_bytes(store) > 0
    assert list(troubles(found, Settings.defaults())) == []


def test_what_waits_is_counted_and_the_oldest_is_of_those_served(store: Store) -> None:
    add(store, "mail", NOW - 3 * HOUR)
    add(store, "console", NOW - HOUR)
    add(store, "console", NOW)
    add(store, "console", NOW + HOUR)
    assert backlog(store, []).oldest is None
    assert backlog(store, ["console"]).oldest == NOW - HOUR
    assert backlog(store, ["console", "mail"]).oldest == NOW - 3 * HOUR
    found = overview(store).backlog
    assert (found.due, found.oldest, found.next_due) == (3, None, NOW + HOUR)
    assert [(each.channel, each.count) for each in found.unserved] == [("console", 2), ("mail", 1)]
    beat(store, "w", ["console"], BOTH)
    found = overview(store).backlog
    assert (found.oldest, found.live_workers) == (NOW - HOUR, 1)
    assert [(each.channel, each.count, each.oldest) for each in found.unserved] == [
        ("mail", 1, NOW - 3 * HOUR)
    ]


def test_claims_are_in_flight_while_their_lease_runs(store: Store, clock: FakeClock) -> None:
    add(store, "console", NOW)
    task = add(store, "console", NOW)
    store.claim_due_tasks("w", 2)
    assert (overview(store).in_flight, overview(store).backlog.due) == (2, 0)
    assert overview(store).backlog.next_due is None
    store.cancel_task(task, "owner")
    assert overview(store).in_flight == 1
    clock.advance(seconds=61)
    assert (overview(store).in_flight, overview(store).backlog.due) == (0, 1)


def test_retries_are_counted_until_they_are_made(store: Store, clock: FakeClock) -> None:
    add(store, "console", NOW)
    settle(store, "retry", "busy")
    found = overview(store)
    assert found.retrying == 1
    assert found.next_retry is not None
    assert found.next_retry == found.backlog.next_due > NOW
    clock.advance(minutes=10)
    settle(store, "delivered")
    assert overview(store).retrying == 0


def test_what_failed_or_may_have_arrived_is_listed_until_it_is_retried(
    store: Store, clock: FakeClock
) -> None:
    add(store, "mail", NOW)
    add(store, "console", NOW)
    failed = settle(store, "failed", "no such chat")
    clock.advance(minutes=1)
    ambiguous = settle(store, "ambiguous", "no answer")
    found = overview(store).troubles
    assert [(each.task_id, each.state, each.error) for each in found] == [
        (ambiguous, "ambiguous", "no answer"),
        (failed, "failed", "no such chat"),
    ]
    assert {each.channel for each in found} == {"mail", "console"}
    store.retry_task(ambiguous)
    assert [each.task_id for each in overview(store).troubles] == [failed]
    clock.advance(days=7)
    assert overview(store).troubles == ()


def test_when_it_was_last_tidied(store: Store, clock: FakeClock) -> None:
    assert maintain_once(store, "w")
    clock.advance(minutes=5)
    assert overview(store).maintained_at == NOW


def test_a_private_database_has_no_log() -> None:
    with Store(":memory:") as store:
        assert wal_bytes(store) == 0
        assert overview(store).backlog.due == 0


@pytest.mark.postgres
def test_the_same_on_a_server(postgres_database: str, clock: FakeClock) -> None:
    with Store(postgres_database, clock=clock) as store:
        beat(store, "w", ["console"], BOTH)
        for channel in ("console", "console", "mail"):
            add(store, channel, NOW - HOUR)
        add(store, "console", NOW + HOUR)
        settle(store, "failed", "no")
        settle(store, "retry", "busy")
        store.claim_due_tasks("w", 1)
        found = overview(store)
        assert (found.in_flight, found.retrying, len(found.troubles), len(found.workers)) == (1, 1, 1, 1)
        assert (found.backlog.due, found.backlog.wal_bytes, found.size > 0) == (0, 0, True)
        assert backlog(store, ["console", "mail"]).oldest is None


def test_no_query_reads_a_whole_table(store: Store) -> None:
    shapes = (
        ("_due", "idx_scheduled_tasks_due (status=? AND due_at<?)"),
        ("_oldest", "idx_scheduled_tasks_due (status=? AND due_at<?)"),
        ("_next", "idx_scheduled_tasks_due (status=? AND due_at>?)"),
        ("_in_flight", "idx_task_occurrences_settled (settled_ms=?)"),
        ("_retried", "idx_task_occurrences_settled (settled_ms=?)"),
        ("_troubles", "idx_task_occurrences_settled (settled_ms>?)"),
    )
    for name, index in shapes:
        statement = store.database.compiled(getattr(overviews, name))
        given = ["0" if isinstance(part, tuple) else part for part in statement.parts]
        steps = [row[3] for row in store.database.sql_rows(f"EXPLAIN QUERY PLAN {statement.sql}", given)]
        assert any(step.endswith(index) for step in steps), (name, steps)
        assert not [step for step in steps if re.match(r"SCAN t\d|.*AUTOMATIC", step)], (name, steps)


# What is trouble


def test_trouble_is_what_wants_a_person(store: Store, clock: FakeClock) -> None:
    settings = Settings.defaults()

    def said() -> list[str]:
        return list(troubles(overview(store), settings))

    add(store, "console", NOW + HOUR)
    assert said() == ["no worker runs, and tasks are to come: start one with `omega-worker run`"]
    beat(store, "w", ["console"], BOTH)
    assert said() == []
    clock.advance(hours=1, minutes=5)
    beat(store, "w", ["console"], BOTH)
    assert said() == []
    clock.advance(seconds=1)
    assert said() == ["a due task has been waiting for 5 min 1 s"]
    settle(store, "failed", "no")
    assert said() == ["1 occurrence given up within a day"]
    clock.advance(days=1, seconds=1)
    assert said() == []
    add(store, "mail", NOW)
    settle(store, "ambiguous", "no answer")
    assert said() == ["1 send may have arrived or not"]
    clock.advance(days=2)
    assert said() == ["1 send may have arrived or not"]


# What is shown


def test_all_is_well(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store("memory.db") as store:
        beat(store, "host:1:ab", ["console"], BOTH)
        add(store, "console", datetime(2126, 3, 1, 9, tzinfo=UTC))
    code, out, err = told(capsys, "status")
    assert (code, err) == (0, "")
    assert f"Omega on {here}/memory.db, " in out
    assert "  workers   host:1:ab serves console; seen 0 s ago, up 0 s\n" in out
    assert "  next due  Fri 1 Mar 2126 09:00 UTC, in " in out
    assert out.endswith("\nall is well\n")


def test_trouble_fits_a_screen_and_shows_no_text(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store("memory.db") as store:
        past = datetime(2026, 1, 1, tzinfo=UTC)
        beat(store, "host:1:ab", ["console"], BOTH)
        for _ in range(7):
            add(store, "console", past)
            settle(store, "failed", "a long story \x1b[31m about a chat that nobody knows any more, at all")
        add(store, "console", past)
        ambiguous = settle(store, "ambiguous", "no answer within 30 s")
        add(store, "mail", past)
    code, out, err = told(capsys, "status")
    assert (code, err) == (1, "")
    assert max(map(len, out.splitlines())) <= max(
        80, len(f"Omega on {here}/memory.db, Fri 20 Nov 11:45:12 UTC")
    )
    assert f"  {ambiguous[:8]}  " in out
    assert "May have arrived or not: 1; `omega-worker tasks retry ID` sends one again\n" in out
    assert "Given up within a day: 7, the last 5; `omega-worker tasks retry ID` sends one again\n" in out
    assert out.endswith(
        "trouble: 1 due reminder waits for channel 'mail', which no live worker serves\n"
        "trouble: 1 send may have arrived or not\n"
        "trouble: 7 occurrences given up within a day\n"
    )
    assert "secret" not in out
    assert "\x1b" not in out
    assert len(out.splitlines()) < 45


def test_as_json(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Store("memory.db") as store:
        add(store, "mail", datetime(2026, 1, 1, tzinfo=UTC))
    code, out, _ = told(capsys, "status", "--json")
    found = json.loads(out)
    assert code == 1
    assert found["database"] == f"{here}/memory.db"
    assert found["trouble"] == ["1 due reminder waits for channel 'mail', which no live worker serves"]
    assert found["backlog"]["unserved"][0]["oldest"] == "2026-01-01T00:00:00Z"
    assert "secret" not in out


def test_without_a_database_it_says_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = told(capsys, "status")
    assert (code, out) == (1, "")
    assert f"there is no database {here}/memory.db yet" in err
