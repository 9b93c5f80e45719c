"""For fault tests: is it red while it lasts and green afterwards, what was logged, how long did recovery take."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from fault_channels import eventually
from loguru import logger

from omega_worker.health import reasons
from omega_worker.worker import Worker


def red(worker: Worker, words: str) -> None:
    """Returns once a reason with these words is given."""
    try:
        eventually(lambda: any(words in each for each in reasons(worker)), 10)
    except AssertionError:
        raise AssertionError(f"{words!r} is not among {reasons(worker)}") from None


def green(worker: Worker) -> float:
    """Returns once there is no reason left; the seconds that took, which `pytest -rP` shows."""
    began = time.monotonic()
    try:
        eventually(lambda: not reasons(worker), 10)
    except AssertionError:
        raise AssertionError(f"still red: {reasons(worker)}") from None
    took = time.monotonic() - began
    print(f"green again after {took:.2f} s")
    return took


@contextmanager
def logged(level: str = "WARNING") -> Iterator[list[str]]:
    """The messages logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(str(message)), format="{message}", level=level)
    logger.enable("omega_worker")
    try:
        yield lines
    finally:
        logger.disable("omega_worker")
        logger.remove(sink)


def said(lines: list[str], words: str) -> bool:
    return any(words in line for line in lines)
