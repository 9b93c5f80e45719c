"""How fast a fleet of workers empties one PostgreSQL database, beside Procrastinate on the same server.

    uv run python benchmarks/fleet.py [--workers 1,2,4,8] [--count 20000] [--fsync on|off|both]
    uv run --with "procrastinate>=3,<4" python benchmarks/fleet.py

Every worker is a process of its own with 8 sends at once, on tasks that do nothing. The time is from the
word to start until no task is pending. Omega keeps its ledger and leases; `synchronous_commit` is on for both.
The server is one of ours, started and stopped here, unless `--url` names an empty database's server.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter, sleep
from typing import Any, NamedTuple

import psycopg
from fleet_programs import FILL, NAME, WORK
from measuring import header, scratch, table

sys.path.append(str(Path(__file__).parent.parent / "tests"))
from postgres_server import Server, find_binaries, new_database, own_server

LEFT = {
    "omega": "SELECT EXISTS (SELECT 1 FROM scheduled_tasks WHERE status = 'pending')",
    "procrastinate": "SELECT EXISTS (SELECT 1 FROM procrastinate_jobs WHERE status IN ('todo', 'doing'))",
}
CONNECTIONS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
)
DURABLE = "\nfsync = on\nfull_page_writes = on\nsynchronous_commit = on\n"
FAST = "\nfsync = off\nfull_page_writes = off\nsynchronous_commit = on\n"
USUAL = "shared_buffers = 1GB\nmax_wal_size = 4GB\n"


class Measured(NamedTuple):
    """`shares`: what each worker did; `claims`: milliseconds of each; `cpu`: microseconds a task, of the
    workers and of the server, which other programs' load changes less than it changes the rate.
    """

    rate: float
    cpu: tuple[float, float]
    connections: int
    shares: list[int]
    claims: list[float]
    rounds: list[float]


@contextmanager
def fleet(program: str, url: str, workers: int) -> Iterator[list[subprocess.Popen[str]]]:
    """Worker processes that wait for the word to start; those still there at the end are killed."""
    command = (sys.executable, __file__, "--work", program, "--url", url)
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(workers)
    ]
    try:
        yield children
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()


def say(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("\n")
    child.stdin.flush()


def hear(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline()


def server_seconds(server: Server | None) -> float:
    """Processor time of all its processes, those that have ended included; 0.0 where it is not ours."""
    if server is None:
        return 0.0
    main = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            _, parent, *rest = file.read_text().rpartition(")")[2].split()
            if main in (file.parent.name, parent):
                ticks += sum(map(int, rest[9 : 13 if file.parent.name == main else 11]))
    return ticks / os.sysconf("SC_CLK_TCK")


def measure(program: str, url: str, workers: int, count: int, server: Server | None = None) -> Measured:
    FILL[program](url, count)
    with psycopg.connect(url, autocommit=True, application_name="benchmark") as look:
        look.execute("VACUUM ANALYZE")
        look.execute("CHECKPOINT")
        with fleet(program, url, workers) as children:
            for child in children:
                hear(child)
            start, spent = perf_counter(), server_seconds(server)
            for child in children:
                say(child)
            most = 0
            while look.execute(LEFT[program]).fetchone() == (True,):
                most = max(most, look.execute(CONNECTIONS, [NAME]).fetchone()[0])  # type: ignore[index]
                sleep(0.02)
            took, spent = perf_counter() - start, server_seconds(server) - spent
            for child in children:
                say(child)
            told = [json.loads(hear(child)) for child in children]
    shares = [each["done"] for each in told]
    if sum(shares) != count:
        raise SystemExit(f"{program}: {sum(shares)} runs of {count} tasks")
    cpu = sum(each["cpu"] for each in told) / count * 1e6, spent / count * 1e6
    return Measured(count / took, cpu, most, shares, _all(told, "claims"), _all(told, "rounds"))


def _all(told: list[dict[str, Any]], name: str) -> list[float]:
    return sorted(took for each in told for took in each[name])


def _ms(took: list[float], share: float) -> str:
    return f"{took[int(len(took) * share)]:.1f}" if took else ""


HEAD = [
    "workers",
    "tasks/s",
    "omega ÷",
    "µs worker",
    "µs server",
    "claim p50 ms",
    "p99",
    "round p50 ms",
    "p99",
]


def report(server: Server | str, numbers: list[int], counts: dict[str, int], repeats: int) -> None:
    """One line for each number and program: the median run of those taken in turn."""
    own = server if isinstance(server, Server) else None
    programs = [name for name in FILL if name == "omega" or find_spec(name)]
    wanted = [(workers, program) for workers in numbers for program in programs]
    found: dict[tuple[int, str], list[Measured]] = {each: [] for each in wanted}
    for _ in range(repeats):
        for workers, program in wanted:
            with new_database(own.url if own else str(server)) as url:
                found[workers, program].append(measure(program, url, workers, counts[program], own))
    rows = [_line(*each, found) for each in wanted]
    table([*HEAD, "connections", "share of each"], rows)
    print()


def _line(workers: int, program: str, found: dict[tuple[int, str], list[Measured]]) -> list[str]:
    runs = sorted(found[workers, program])
    one, total = runs[len(runs) // 2], sum(runs[len(runs) // 2].shares)
    ratio = median(each.rate for each in found[workers, "omega"]) / median(each.rate for each in runs)
    latency = [_ms(took, share) for took in (one.claims, one.rounds) for share in (0.5, 0.99)]
    spread = f"{min(one.shares) / total:.0%}–{max(one.shares) / total:.0%}"
    cpu = [f"{each:.0f}" for each in one.cpu]
    name = f"{workers} × {program}"
    return [name, f"{one.rate:,.0f}", f"{ratio:.1f}", *cpu, *latency, str(one.connections), spread]


def restart(server: Server, settings: str) -> None:
    with (server.folder / "data" / "postgresql.conf").open("a") as configuration:
        configuration.write(USUAL + settings)
    server.stop()
    server.start()


def main() -> None:
    """Prints a table with fsync on, and one with it off."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", default="1,2,4,8", help="how many, one run for each number")
    parser.add_argument("--count", type=int, default=20_000, help="tasks in Omega's backlog")
    parser.add_argument("--others", type=int, default=4_000, help="tasks in the backlog of the others")
    parser.add_argument("--repeat", type=int, default=1, help="runs of each; the median counts")
    parser.add_argument("--fsync", choices=("on", "off", "both"), default="both")
    parser.add_argument("--url", help="a server of your own, whose user may create databases")
    parser.add_argument("--work", choices=WORK, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        print(json.dumps(WORK[given.work](given.url)), flush=True)
        return
    numbers = [int(each) for each in given.workers.split(",")]
    counts = {"omega": given.count, "procrastinate": given.others}
    if given.url:
        with scratch() as folder:
            header("A fleet on your server", folder)
        report(given.url, numbers, counts, given.repeat)
        return
    binaries = find_binaries()
    if binaries is None:
        raise SystemExit("no PostgreSQL here: install one, or give --url")
    with own_server(binaries) as server:
        for name, settings in {"on": DURABLE, "off": FAST}.items():
            if given.fsync in (name, "both"):
                restart(server, settings)
                header(f"A fleet on one PostgreSQL, fsync {name}", server.folder)
                report(server, numbers, counts, given.repeat)


if __name__ == "__main__":
    main()
