"""Vectors as the database keeps them, and how near they are to another. Pure; numpy where it is installed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import import_module
from math import hypot, isfinite
from operator import mul
from struct import pack, unpack
from typing import Any

NONE = b""  # of a text that has no vector
SIZE = 4  # bytes of a number
AT_ONCE = 1000  # vectors that are compared in one piece of memory


@cache
def numpy() -> Any:
    """The module, loaded at the first need; None where it is not installed."""
    try:
        return import_module("numpy")
    except ImportError:
        return None


def packed(vector: Iterable[float]) -> bytes:
    """Little-endian 32-bit floats of length 1; `NONE` for what has no direction: empty, zeros, NaN, infinite."""
    numbers = [float(number) for number in vector]
    length = hypot(*numbers)
    if not length or not isfinite(length):
        return NONE
    return pack(f"<{len(numbers)}f", *(number / length for number in numbers))


def nearness(asked: bytes, vectors: Sequence[bytes]) -> list[float]:
    """The cosine of each with the one asked for, all of one length in bytes."""
    if not vectors:
        return []
    compare = _with_numpy if numpy() else _without
    return [
        cosine for n in range(0, len(vectors), AT_ONCE) for cosine in compare(asked, vectors[n : n + AT_ONCE])
    ]


def _with_numpy(asked: bytes, vectors: Sequence[bytes]) -> list[float]:
    np = numpy()
    matrix = np.frombuffer(b"".join(vectors), "<f4").reshape(len(vectors), -1)
    # Not `@`: its threads wait for each other on a busy machine, a hundred times as long as this takes.
    found: list[float] = np.einsum("ij,j->i", matrix, np.frombuffer(asked, "<f4")).tolist()
    return found


def _without(asked: bytes, vectors: Sequence[bytes]) -> list[float]:
    form = f"<{len(asked) // SIZE}f"
    numbers = unpack(form, asked)
    return [sum(map(mul, numbers, unpack(form, vector))) for vector in vectors]
