"""What every test may ask for, and what no test may do."""

import os
import socket
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import settings
from postgres_server import HOW_TO_INSTALL, empty, find_binaries, new_database, running_server

settings.register_profile("local", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, database=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


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


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(scope="session")
def shared_postgres(postgres_url: str) -> Iterator[str]:
    """One database for many tests, which is much faster; see `memory_url`."""
    with new_database(postgres_url) as url:
        yield url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def memory_url(request: pytest.FixtureRequest) -> str:
    """An empty memory: once in SQLite, once on a server."""
    if request.param == "sqlite":
        return ":memory:"
    url = str(request.getfixturevalue("shared_postgres"))
    empty(url)
    return url


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
