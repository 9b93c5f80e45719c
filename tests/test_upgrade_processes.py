"""Several processes that start at once: one does the work, the others wait and find it done."""

import subprocess
import sys
from contextlib import closing
from pathlib import Path

import old_files
from test_upgrade import check_upgraded, new_schema, prepare, rows_of, schema_of

from omega_migrations import STEPS

START = """
import sys
from omega_models import sqlite_file, upgrade
print("ready", flush=True)
sys.stdin.readline()
database = sqlite_file.open_file(sys.argv[1], durability="full", file_mode=None)
report = upgrade.prepare(database)
database.close()
print("created" if report.created else len(report.applied))
"""

DIE = """
import os, sys
from omega_models import sqlite_file, upgrade
def die(connection, step, *, exact):
    applied = apply(connection, step, exact=exact)
    if step.name == sys.argv[2]:
        os._exit(9)
    return applied
apply, upgrade.apply = upgrade.apply, die
upgrade.prepare(sqlite_file.open_file(sys.argv[1], durability="full", file_mode=None))
"""


def start_together(path: Path, count: int = 4) -> list[str]:
    command = [sys.executable, "-c", START, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(count)]  # type: ignore[call-overload]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60) for process in processes]
    assert [error for _, error in answers if "Traceback" in error] == []
    return sorted(out.strip() for out, _ in answers)


def test_one_old_file(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 2)
    with closing(old_files.connect(path)) as connection:
        connection.execute("""WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
            INSERT INTO messages (id, conversation_id, role, content) SELECT 'n' || i, 'c1', 'user', 'omega' FROM n""")
    before = rows_of(path)
    assert start_together(path) == ["0", "0", "0", str(len(STEPS) - 2)]
    check_upgraded(path, before)
    assert len(list(tmp_path.glob("*.bak"))) == 1


def test_one_new_path(tmp_path: Path) -> None:
    path = tmp_path / "not" / "yet" / "memory.db"
    assert start_together(path) == ["0", "0", "0", "created"]
    assert schema_of(path) == new_schema()
    assert list(rows_of(path)["_migrations"]) == [step.name for step in STEPS]


def test_a_process_that_dies_in_the_middle_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    old_files.build(path, 2)
    before = rows_of(path)
    (tmp_path / "memory.db.before-003_memory_enhancement-20300101T000000Z.bak.part").touch()
    died = subprocess.run([sys.executable, "-c", DIE, str(path), old_files.OWN[-1]], timeout=60, check=False)
    assert died.returncode == 9
    assert rows_of(path) == before
    prepare(path)
    check_upgraded(path, before)
    assert [each.suffix for each in tmp_path.iterdir() if each != path] == [".bak", ".bak"]
