"""What a worker costs while it has nothing to do, and how soon a fresh process delivers.

    uv run --no-dev python benchmarks/footprint.py [--large] [--seconds 30]

Idle: `omega-worker run` with 10,000 tasks of the far future and its watch for other processes' writes;
processor time over 30 s, memory, threads and descriptors once it is ready. `--large` adds 1,000 and 1,000,000 tasks.
Start: from the start of a process to the first send of a task that is due, bytecode cached. Without the
development packages (`--no-dev`), since Peewee imports every database driver it finds. Others are measured
where they are installed:

    uv run --no-dev --with huey --with sqlalchemy python benchmarks/footprint.py
"""

import argparse
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

STARTS = 9


def service(folder: Path, seconds: float) -> dict[str, Any]:
    """`omega-worker run` on the database there, ready, then left alone."""
    program = [sys.executable, "-c", "from omega_worker.app import main; main()", "run"]
    named = {"OMEGA_DATABASE_URL": str(folder / "memory.db"), "OMEGA_LOG_FORMAT": "text"}
    with subprocess.Popen(
        program, cwd=folder, env=_surroundings(folder) | named, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        said = ""
        while "started: " not in (line := child.stderr.readline()):
            said += line
            if not line:
                raise SystemExit(f"the worker did not start: {said}")
        time.sleep(1)
        found = resting(child.pid, seconds)
        child.terminate()
    return found


def timetable(folder: Path, seconds: float) -> dict[str, Any]:
    """APScheduler alone, with a job that does nothing four times a second."""
    with subprocess.Popen([sys.executable, "-c", TIMETABLE], env=_surroundings(folder)) as child:
        time.sleep(2)
        found = resting(child.pid, seconds)
        child.terminate()
    return found


TIMETABLE = """
import logging, time
from datetime import UTC
from apscheduler.schedulers.background import BackgroundScheduler
logging.getLogger("apscheduler").setLevel(logging.ERROR)
scheduler = BackgroundScheduler(timezone=UTC)
scheduler.add_job(lambda: None, "interval", seconds=0.25)
scheduler.start()
time.sleep(3600)
"""


def resting(pid: int, seconds: float) -> dict[str, Any]:
    """What the process holds, and what it uses over so many seconds."""
    home = Path(f"/proc/{pid}")
    told = dict(line.split(":", 1) for line in (home / "status").read_text().splitlines())
    before, ticks = _nanoseconds(home), _ticks(home)
    time.sleep(seconds)
    return {
        "mib": int(told["VmRSS"].split()[0]) / 1024,
        "threads": int(told["Threads"]),
        "descriptors": len(list((home / "fd").iterdir())),
        "percent": 100 * (_nanoseconds(home) - before) / 1e9 / seconds,
        "ticks": _ticks(home) - ticks,
    }


def _nanoseconds(home: Path) -> int:
    """Processor time of all its threads, finer than ticks are."""
    return sum(int(each.read_text().split()[0]) for each in home.glob("task/*/schedstat"))


def _ticks(home: Path) -> int:
    """User and system time in hundredths of a second."""
    fields = (home / "stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def first_omega(folder: Path) -> None:
    from omega_models import Store
    from omega_worker import Worker

    with Store(folder / "memory.db") as store:
        Worker(store, {"bench": _arrived}).start()
        time.sleep(30)


def first_huey(folder: Path) -> None:
    from huey import SqliteHuey
    from huey.consumer import Consumer

    queue: Any = SqliteHuey(filename=str(folder / "huey.db"))
    task = queue.task(name="arrived")(lambda: _arrived(None))
    if sys.argv[-1] == "fill":
        task()
        return
    Consumer(queue, workers=8, check_worker_health=False).start()
    time.sleep(30)


def first_apscheduler(folder: Path) -> None:
    from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
    from apscheduler.schedulers.background import BackgroundScheduler

    scheduler = BackgroundScheduler(
        timezone=UTC, jobstores={"default": SQLAlchemyJobStore(f"sqlite:///{folder / 'jobs.db'}")}
    )
    scheduler.start(paused=sys.argv[-1] == "fill")
    if sys.argv[-1] == "fill":
        scheduler.add_job(_arrived, "date", [None], run_date=datetime.now(UTC), misfire_grace_time=None)
        os._exit(0)
    time.sleep(30)


def first_nothing(_: Path) -> None:
    """An interpreter that starts and ends."""
    _arrived(None)


def _arrived(_: object) -> None:
    os.write(1, b"%.6f\n" % time.time())
    os._exit(0)


FIRSTS = {
    "python -c pass": (first_nothing, ()),
    "omega": (first_omega, ()),
    "huey": (first_huey, ("huey",)),
    "apscheduler": (first_apscheduler, ("sqlalchemy",)),
}


def start_ms(name: str, folder: Path) -> float:
    """The median over fresh processes, each with one task that is due."""
    found = []
    for number in range(STARTS + 1):
        _make_due(name, folder)
        before = time.time()
        arrived = _run(name, folder)
        if number:  # the first compiles
            found.append((float(arrived) - before) * 1e3)
    return median(found)


def _make_due(name: str, folder: Path) -> None:
    if name != "omega":
        _run(name, folder, "fill")
        return
    from measuring import fill

    from omega_models import Store

    (folder / "memory.db").unlink(missing_ok=True)
    with Store(folder / "memory.db") as store:
        fill(store, 1, [datetime.now(UTC) - timedelta(seconds=5)])


def _run(*words: object) -> str:
    """A process of this file with cached bytecode that leaves nothing in the tree."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", *map(str, words)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=_surroundings(Path(str(words[1]))),
        timeout=600,
    )
    return done.stdout


def _surroundings(folder: Path) -> dict[str, str]:
    found = os.environ | {"PYTHONPYCACHEPREFIX": str(folder / "cache")}
    found.pop("PYTHONDONTWRITEBYTECODE", None)
    return found


def measure_idle(name: str, count: int, seconds: float) -> list[str]:
    from measuring import fill, scratch, seconds_apart

    from omega_models import Store

    with scratch() as folder:
        with Store(folder / "memory.db") as store:
            fill(store, count, seconds_apart(datetime.now(UTC) + timedelta(days=30), 86_400))
        measure = service if count else timetable
        measure(folder, 0.1)  # compiles
        found = measure(folder, seconds)
    return [
        f"{name}, {count:,} tasks" if count else name,
        f"{found['percent']:.3f}",
        str(found["ticks"]),
        f"{found['mib']:.1f}",
        str(found["threads"]),
        str(found["descriptors"]),
    ]


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--large", action="store_true", help="1,000 and 1,000,000 tasks too")
    parser.add_argument("--seconds", type=float, default=30, help="how long to watch an idle worker")
    given = parser.parse_args()
    from measuring import header, scratch, table

    with scratch() as folder:
        header("A worker that has nothing to do, and a fresh one that has", folder)
    counts = [1000, 10_000, 1_000_000] if given.large else [10_000]
    rows = [measure_idle("omega-worker run", count, given.seconds) for count in counts]
    rows.append(measure_idle("APScheduler, one idle job 4×/s", 0, given.seconds))
    table([f"idle for {given.seconds:g} s", "CPU %", "ticks", "RSS MiB", "threads", "descriptors"], rows)
    with scratch() as folder:
        names = [name for name, (_, needs) in FIRSTS.items() if all(find_spec(need) for need in needs)]
        starts = {name: start_ms(name, folder) for name in names}
    ours = starts["omega"]
    print()
    table(
        ["start to first task", "ms", "omega ÷"],
        [[name, f"{took:.0f}", f"{ours / took:.2f}"] for name, took in starts.items()],
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:  # before anything is imported that the start would pay for
        FIRSTS[sys.argv[2]][0](Path(sys.argv[3]))
    else:
        main()
