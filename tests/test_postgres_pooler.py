"""Behind a pooler that lends connections for a transaction: all works, limits included, and a worker polls."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest
from fault_channels import a_phone, eventually, quick
from postgres_pooler import HOW_TO_INSTALL, find_pooler, pooler
from postgres_server import Server, new_database

from omega_models import Store, StoreBusy, StoreUnavailable, listening, server_connection, server_findings
from omega_models.times import system_clock
from omega_worker.worker import Worker

pytestmark = pytest.mark.postgres

IGNORING = "ignore_startup_parameters = options"


@pytest.fixture(scope="module")
def program() -> str:
    found = find_pooler()
    if found is None:
        pytest.skip(HOW_TO_INSTALL)
    return found


@pytest.fixture(scope="module")
def database(own_postgres: Server) -> Iterator[str]:
    with new_database(own_postgres.url) as url:
        yield url


@pytest.fixture(scope="module", params=["", IGNORING], ids=["refusing options", "ignoring options"])
def url(request: pytest.FixtureRequest, program: str, own_postgres: Server, database: str) -> Iterator[str]:
    with pooler(program, own_postgres, database, "transaction", request.param) as address:
        yield address


def test_limits_hold_in_each_transaction_and_for_nobody_else(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_connection, "STATEMENT_MS", 200)
    with Store(url) as store:
        assert store.database.sql_rows("SELECT current_setting('timezone')") == [("UTC",)]
        with pytest.raises(StoreBusy, match="timed out"):
            store.database.sql_rows("SELECT pg_sleep(30)")
        with pytest.raises(StoreBusy, match="timed out"), store.database.writing():
            store.database.sql_rows("SELECT pg_sleep(30)")
    with psycopg.connect(url, autocommit=True) as other:
        assert other.execute("SHOW statement_timeout").fetchall() == [("0",)]


def test_many_threads_store_and_claim_what_they_should(url: str) -> None:
    with Store(url, max_connections=8) as store:
        store.delete_facts("me")

        def work(name: str) -> None:
            for n in range(6):
                store.store_fact("me", f"{name}-{n}", "v")

        threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(store.get_facts("me")) == 48


def test_a_worker_polls_and_says_why(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "POLL_SECONDS", 0.05)
    with a_phone() as phone, Store(url) as store, Worker(store, {"chat": phone}, quick()) as worker:
        eventually(lambda: "pooler" in (worker.vitals.hampered or ""))
        with Store(url) as elsewhere:
            elsewhere.create_task("chat", "me", "me", "call", system_clock() - timedelta(seconds=1))
        phone.wait_for(ended=1)
        findings = list(server_findings.examine(store.database, timedelta(seconds=60)))
        assert any("pooler" in each.text for each in findings)


def test_one_that_lends_for_a_statement_is_refused(program: str, own_postgres: Server, database: str) -> None:
    with (
        pooler(program, own_postgres, database, "statement") as url,
        pytest.raises(StoreUnavailable, match=r"statement.*use transaction or session mode"),
    ):
        Store(url)
