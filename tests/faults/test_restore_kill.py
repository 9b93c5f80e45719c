"""A restore that is killed at any moment leaves a whole database, the old one or the new, and loses nothing."""

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
import spoiled
from fault_children import Family, integrity, killing
from spoiled import NOON, dump, names

import omega_models
from omega_models import Store, backup
from omega_models.restore import restore

LATER = NOON + timedelta(hours=6)
BEFORE = ("restore: copied", "restore: verified", "restore: folded", "restore: kept", "restore: cleared")
AFTER = ("restore: replaced", "restore: done")
KEPT = "memory.db.replaced-20310501T180000Z"


def restore_until_killed(copy: str, path: str, point: str) -> None:
    restore(Path(copy), path, LATER, step=killing(point, 1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return spoiled.build(tmp_path / "data" / "memory.db")


@pytest.fixture
def copy(path: Path, tmp_path: Path) -> Path:
    return backup.make(path, tmp_path / "backups", NOON).file


def as_after_a_crash(path: Path) -> list[str]:
    """A file whose last rows are in the WAL only, and nobody has it open; what it says."""
    with Store(path) as store:
        store.store_fact(42, "city", "Kyiv")
        saved = {
            each: each.read_bytes() for each in path.parent.iterdir() if each.suffix in (".db", ".db-wal")
        }
    for each, content in saved.items():
        each.write_bytes(content)
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return list(connection.iterdump())


def killed(copy: Path, path: Path, point: str) -> None:
    with Family() as family:
        child = family.start(restore_until_killed, str(copy), str(path), point)
        assert family.finish(child) == -9, f"{point} was not reached"


def test_every_step_is_tried() -> None:
    source = (Path(omega_models.__path__[0]) / "restore.py").read_text()
    assert re.findall(r'step\("([^"]+)"', source) == [*BEFORE, *AFTER]


@pytest.mark.parametrize("point", [*BEFORE, *AFTER])
def test_killed_at(path: Path, copy: Path, point: str) -> None:
    old, new = as_after_a_crash(path), dump(copy)
    killed(copy, path, point)
    assert dump(path) == (old if point in BEFORE else new)
    assert integrity(path) == "ok"
    with Store(path) as store:  # what a worker that is started again would do
        store.store_fact(42, "city", "Lviv")

    done = restore(copy, path, LATER + timedelta(minutes=5))
    assert done.kept
    assert dump(path) == new
    kept = [each for each in path.parent.iterdir() if "replaced" in each.name]
    assert names(path.parent) == {"memory.db", *(each.name for each in kept)}
    assert any("Lviv" in line for line in dump(done.kept))
    if point in AFTER:
        assert dump(path.with_name(KEPT)) == old
    assert all(integrity(each) == "ok" for each in kept)
    assert len(kept) == 1 + (point in AFTER)
    assert path.stat().st_nlink == 1


@pytest.mark.parametrize("point", [*BEFORE, *AFTER])
def test_killed_while_it_replaced_a_damaged_file(path: Path, copy: Path, point: str) -> None:
    content = {name: b"\xa5" * 5000 + name.encode() for name in ("memory.db", "memory.db-wal")}
    for name, noise in content.items():
        path.with_name(name).write_bytes(noise)
    killed(copy, path, point)
    if point in BEFORE:
        assert path.read_bytes() == content["memory.db"]
    else:
        assert dump(path) == dump(copy)
    there = {each.read_bytes() for each in path.parent.iterdir()}
    assert set(content.values()) <= there
    assert restore(copy, path, LATER + timedelta(minutes=5)).kept
    assert dump(path) == dump(copy)
    assert not [name for name in names(path.parent) if name.endswith((".part", ".copying"))]
