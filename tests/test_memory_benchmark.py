"""The comparison of a bot's calls does the same work three times, on files it can fill."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from omega_models import Store

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
ROWS = 300


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("memory")


def test_each_call_is_made_in_every_way(tmp_path: Path, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "LEAST", 2)
    lines = list(memory.lines(tmp_path, ROWS, "normal", 0.0, ""))
    assert [line[0] for line in lines if line[0].startswith("audit")]
    assert len(lines) == 12
    assert all(len(line) == len(memory.HEAD) for line in lines)
    with Store(tmp_path / "memory.db") as store:
        check(store.database.sql_rows)


def check(rows: Callable[[str], list[tuple[Any, ...]]]) -> None:
    """The exchanges of both hands are whole: two messages each, all of them indexed."""
    ((said,), (queued,)) = rows("SELECT count(*) FROM messages") + rows("SELECT count(*) FROM recall_queue")
    assert said > ROWS
    assert said % 2 == 0
    assert queued == 0
    ((indexed,),) = rows("SELECT count(*) FROM recall")
    assert indexed == said
