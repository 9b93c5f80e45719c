"""The guard that keeps every test on this machine."""

import socket
from typing import Any

import pytest

DOCUMENTATION_ADDRESS = ("192.0.2.1", 80)


def test_other_machines_are_refused(refused_connections: list[Any]) -> None:
    with socket.socket() as stranger, pytest.raises(PermissionError, match=r"192\.0\.2\.1"):
        stranger.connect(DOCUMENTATION_ADDRESS)
    assert refused_connections == [DOCUMENTATION_ADDRESS]
    refused_connections.clear()


def test_this_machine_may_be_reached(refused_connections: list[Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.connect(server.getsockname())
    assert refused_connections == []
