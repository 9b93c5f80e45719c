"""A slice of `benchmarks/soak.py`: nothing grows that should not, and every occurrence is accounted for."""

import importlib
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_a_few_days(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    soak: Any = importlib.import_module("soak").Soak(tmp_path / "memory.db", scale=0.02, days=4)
    try:
        soak.run()
        found = soak.check()
    finally:
        soak.store.close()
    assert found["delivered"] > 200
    assert soak.made["closed"] > 50
    start, end = soak.rows[0], soak.rows[-1]
    _, _, descriptors, threads, *_ = start
    assert (end[2], end[3]) == (descriptors, threads)
