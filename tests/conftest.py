"""What every test may ask for, and what no test may do."""

import os
import sys

# Many images keep Python from writing bytecode, and then each of the tests' processes compiles everything anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from postgres_server import (
    HOW_TO_INSTALL,
    Emptying,
    Server,
    emptying,
    find_binaries,
    new_database,
    own_server,
    running_server,
)

from omega_models import Store
from omega_models.database import STATEMENTS

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell leaves it so in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, database=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of tests marked `mostly_sqlite`, each runs its first case on a server and every fifth after it.

    The other cases on a server are slow ones: they vary what is worked out before any database is asked.
    """
    seen: Counter[str] = Counter()
    for item in items:
        case: Any = getattr(item, "callspec", None)
        if case and item.get_closest_marker("mostly_sqlite") and case.params.get("memory_url") == "postgres":
            name = item.nodeid.partition("[")[0]
            if seen[name] % 5:
                item.add_marker(pytest.mark.slow)
            seen[name] += 1


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server whose user may create databases: the given one, else a new one that the tests start."""
    given, binaries = os.environ.get("TEST_DATABASE_URL"), find_binaries()
    if given:
        yield given
    elif binaries:
        with running_server(binaries) as url:
            yield url
    elif os.environ.get("OMEGA_REQUIRE_POSTGRES"):
        pytest.fail(HOW_TO_INSTALL)
    else:
        pytest.skip(HOW_TO_INSTALL)


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[Server]:
    """A server that one module's tests may stop, freeze and start again."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("needs a server that it may stop: " + HOW_TO_INSTALL)
    with own_server(binaries) as server:
        yield server


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def shared_postgres(postgres_url: str) -> Iterator[tuple[str, Emptying]]:
    """One database for many tests, which is much faster; see `memory_url`."""
    with new_database(postgres_url) as url:
        Store(url).close()
        with emptying(url) as empty:
            yield url, empty


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def memory_url(request: pytest.FixtureRequest) -> str:
    """An empty memory: once in SQLite, once on a server. Tests of SQLite itself open files of their own.

    A module's or test's mark `mostly_sqlite` keeps all cases in SQLite, and a fifth of them on the server.
    """
    if request.param == "sqlite":
        return ":memory:"
    url, empty = request.getfixturevalue("shared_postgres")
    empty()
    return str(url)


@pytest.fixture
def shared_url(memory_url: str, tmp_path: Path) -> str:
    """The same for several connections: what is in memory is in a file then."""
    return str(tmp_path / "memory.db") if memory_url == ":memory:" else memory_url


@pytest.fixture
def on_server(memory_url: str) -> bool:
    """Whether this run of the test is the one on a server."""
    return memory_url != ":memory:"


@pytest.fixture
def monkeypatch(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Pytest's own. What it changes may be part of a statement, so such a test compiles its own ones."""
    others = {kind: dict(compiled) for kind, compiled in STATEMENTS.items()}
    for compiled in STATEMENTS.values():
        compiled.clear()
    yield monkeypatch
    for kind, compiled in STATEMENTS.items():
        compiled.clear()
        compiled.update(others[kind])


@pytest.fixture(autouse=True)
def refused_connections() -> Iterator[list[Any]]:
    """Nothing but this machine may be reached: the attempt is refused, and the test fails even so."""
    refused: list[Any] = []

    def guarded(connect: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        def guard(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
                refused.append(address)
                raise PermissionError(f"a test tried to reach {address}")
            return connect(self, address)

        return guard

    with pytest.MonkeyPatch.context() as patch:
        for method in ("connect", "connect_ex"):
            patch.setattr(socket.socket, method, guarded(getattr(socket.socket, method)))
        yield refused
    if refused:
        pytest.fail(f"the test tried to reach {refused}")


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
