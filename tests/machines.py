"""Several machines on one: network namespaces with a cable each to a bridge. Only for root on Linux."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NETWORK = "10.231.77"
GATEWAY = f"{NETWORK}.1"
NEW_NETWORK = 0x40000000  # CLONE_NEWNET


def why_not() -> str | None:
    """Why there can be no namespaces here; None: there can be."""
    if sys.platform != "linux" or shutil.which("ip") is None:
        return "network namespaces need Linux and iproute2"
    if os.geteuid() != 0:
        return "network namespaces are made by root"
    tried = subprocess.run(("ip", "netns", "add", _name(0)), capture_output=True, text=True, check=False)
    subprocess.run(("ip", "netns", "delete", _name(0)), capture_output=True, check=False)
    return f"no network namespace can be made: {tried.stderr.strip()}" if tried.returncode else None


def _name(number: int) -> str:
    return f"omega{os.getpid()}-{number}"


def _ip(*words: str) -> None:
    subprocess.run(("ip", *words), check=True, capture_output=True, text=True)


class Machines:
    """`names` are the namespaces'; `GATEWAY` is this machine's address on their network."""

    def __init__(self, count: int) -> None:
        self.names = [_name(number) for number in range(1, count + 1)]
        self._bridge = f"ob{os.getpid()}"

    def build(self) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("address", "add", f"{GATEWAY}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")
        for number, name in enumerate(self.names, 1):
            cable = self._cable(name)
            _ip("netns", "add", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
            _ip("link", "set", cable, "master", self._bridge, "up")
            inside = ("-n", name)
            _ip(*inside, "address", "add", f"{NETWORK}.{number + 1}/24", "dev", "eth0")
            _ip(*inside, "link", "set", "eth0", "up")
            _ip(*inside, "link", "set", "lo", "up")

    def _cable(self, name: str) -> str:
        return f"ov{os.getpid()}-{self.names.index(name)}"

    def unplug(self, name: str) -> None:
        """Nothing gets through any more, and nobody is told."""
        _ip("link", "set", self._cable(name), "down")

    def plug_in(self, name: str) -> None:
        _ip("link", "set", self._cable(name), "up")

    def remove(self) -> None:
        for name in self.names:
            subprocess.run(("ip", "netns", "delete", name), capture_output=True, check=False)
        subprocess.run(("ip", "link", "delete", self._bridge), capture_output=True, check=False)


@contextmanager
def machines(count: int) -> Iterator[Machines]:
    made = Machines(count)
    try:
        made.build()
        yield made
    finally:
        made.remove()


def join(name: str) -> None:
    """This process goes on in that namespace; what it has open stays open."""
    with Path(f"/run/netns/{name}").open() as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "setns")
