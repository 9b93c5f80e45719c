"""The PostgreSQL server of the tests, and the databases they get on it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import postgres_server
import psycopg
import pytest
from psycopg import Connection
from psycopg.conninfo import conninfo_to_dict

pytest_plugins = ["pytester"]


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        yield connection


@pytest.mark.postgres
def test_a_fresh_database_answers(postgres_database: str) -> None:
    with connected(postgres_database) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


@pytest.mark.postgres
def test_databases_are_separate_and_end_with_their_test(postgres_url: str) -> None:
    with postgres_server.new_database(postgres_url) as one, postgres_server.new_database(postgres_url) as two:
        with connected(one) as connection:
            connection.execute("CREATE TABLE things (id int)")
        with connected(two) as connection:
            assert connection.execute("SELECT to_regclass('things')").fetchone() == (None,)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(one)


@pytest.mark.postgres
def test_a_database_goes_even_while_somebody_is_connected(postgres_url: str) -> None:
    with postgres_server.new_database(postgres_url) as url:
        left_open = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        left_open.execute("SELECT 1")
    left_open.close()


@pytest.mark.postgres
def test_text_is_unicode_and_lower_knows_it(postgres_database: str) -> None:
    with connected(postgres_database) as connection:
        assert connection.execute("SELECT lower('ÄÉЖ')").fetchone() == ("äéж",)


@pytest.mark.postgres
def test_a_server_and_its_folder_are_gone_after_use() -> None:
    binaries = postgres_server.find_binaries()
    if binaries is None:
        pytest.skip("the server was given by TEST_DATABASE_URL")
    with postgres_server.running_server(binaries) as url:
        folder = Path(str(conninfo_to_dict(url)["host"]))
        assert folder.exists()
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url)


def test_a_failure_says_what_the_command_said(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="no such table"):
        postgres_server.run(None, tmp_path, "sh", "-c", "echo no such table; exit 3")


@pytest.mark.parametrize(("required", "outcome"), [("1", "errors"), ("", "skipped")])
def test_no_server_skips_unless_one_is_required(
    required: str, outcome: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_server, "find_binaries", lambda: None)
    monkeypatch.setenv("OMEGA_REQUIRE_POSTGRES", required)
    monkeypatch.delenv("TEST_DATABASE_URL", raising=False)
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text())
    pytester.makepyfile("def test_it(postgres_database): pass")
    result = pytester.runpytest_inprocess("-rs")
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines("*apt-get install postgresql*")
