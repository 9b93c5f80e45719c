"""Opening a SQLite file: where it lies, who may read it, how it is tuned, what its errors mean."""

import errno
import os
import sqlite3
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from omega_models.database import Database
from omega_models.errors import StoreBusy, StoreError, StoreUnavailable
from omega_models.thread_connections import ThreadConnections

MEMORY = ":memory:"
BUSY_SECONDS = 5.0
JOURNAL_LIMIT = 64 * 1024 * 1024


def open_file(path: str, *, durability: str, file_mode: int | None) -> Database:
    """A handle on the file, made with its folder where missing. `upgrade.prepare` looks into it first."""
    if path == MEMORY:
        return _open_memory()
    file = Path(path).expanduser().absolute()
    _make_file(file, file_mode)
    engine = ThreadConnections(
        str(file),
        pragmas=[
            ("foreign_keys", 1),
            ("synchronous", durability.upper()),
            ("journal_size_limit", JOURNAL_LIMIT),
            ("temp_store", "MEMORY"),
        ],
        timeout=BUSY_SECONDS,
        lock_type="IMMEDIATE",
        check_same_thread=False,
    )
    return Database(
        engine,
        str(file),
        translate=translate,
        driver_errors=(sqlite3.Error,),
        connections=engine.connections,
        watch=lambda _: DataVersion(str(file)),
    )


def _open_memory() -> Database:
    engine = ThreadConnections(
        MEMORY,
        pragmas=[("foreign_keys", 1)],
        shared=True,
        thread_safe=False,
        lock_type="IMMEDIATE",
        check_same_thread=False,
    )
    return Database(
        engine,
        MEMORY,
        translate=translate,
        driver_errors=(sqlite3.Error,),
        connections=engine.connections,
    )


def _make_folder(folder: Path) -> None:
    """The folder and those above it that are missing, each for this user alone."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def _make_file(file: Path, mode: int | None) -> None:
    """Creates folder and file with the permissions promised; an existing file keeps its own."""
    try:
        _make_folder(file.parent)
        if file.is_dir():
            raise StoreUnavailable(f"{file} is a folder: give the path of a file in it")
        if not file.exists():
            _create(file.resolve(), mode)
        elif not file.is_file():
            raise StoreUnavailable(f"{file} is not a regular file: give the path of a file on a disk")
        elif file.stat().st_size == 1:  # SQLite would take it for empty
            raise StoreUnavailable(f"{file} {NOT_A_DATABASE}")
    except OSError as error:
        raise StoreUnavailable(
            f"cannot create {file}: {error.strerror}. Choose a folder this user may write to, or free some space"
        ) from error
    _require_access(file)


def _create(file: Path, mode: int | None) -> None:
    """Without opening it: to close a descriptor of a database would drop this process's locks on it."""
    if mode is None:
        mode = mode_of_new(file.parent)
    with suppress(FileExistsError):
        os.mknod(file, stat.S_IFREG | mode)
        file.chmod(mode)  # whatever the umask took away


def mode_of_new(folder: Path) -> int:
    """For the group too, where the folder is shared with it."""
    return 0o660 if folder.stat().st_mode & stat.S_IWGRP else 0o600


def _require_access(file: Path) -> None:
    """SQLite would open a file it may not write to, and fail at the first write."""
    for path, what in (
        (file, "the file"),
        (file.resolve().parent, "its folder, for the -wal file beside it"),
    ):
        if not os.access(path, os.R_OK | os.W_OK, effective_ids=os.access in os.supports_effective_ids):
            raise StoreUnavailable(
                f"{file} cannot be used: this user may not read and write {what}. "
                "Give the user (or its group) that permission, or run as the user the file belongs to"
            )


def driver(database: Database) -> sqlite3.Connection:
    """This thread's connection itself, for what is no query."""
    connection: sqlite3.Connection = database.engine.connection()  # type: ignore[no-untyped-call]  # in Peewee
    return connection


def real(where: str) -> Path:
    """The file itself, where its name is a link: what belongs to it lies beside that."""
    return Path(where).resolve()


def uri(file: Path, options: str) -> str:
    return f"file:{quote(str(file))}?{options}"


@contextmanager
def reading(file: Path) -> Iterator[sqlite3.Connection]:
    """A connection for a look that leaves the file and its folder as they are.

    Where a -wal file lies beside it, read-only: the last writable connection would fold it into the file.
    Where none does, writable: a read-only one would leave a -wal file behind.
    """
    beside = any(file.with_name(file.name + suffix).exists() for suffix in ("-wal", "-journal"))
    writable = os.access(file, os.W_OK) and os.access(file.parent, os.W_OK)
    options = "mode=ro" if beside else "mode=rw" if writable else "immutable=1"
    with closing(sqlite3.connect(uri(file, options), uri=True, timeout=BUSY_SECONDS)) as connection:
        yield connection


def use_wal(database: Database) -> None:
    """Several processes that open a new file at once trip over this switch without waiting; so try again."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            mode = database.sql_rows("PRAGMA journal_mode")[0][0]
            if mode == "wal" or database.sql_rows("PRAGMA journal_mode = wal")[0][0] == "wal":
                return
            raise StoreUnavailable(
                f"{database.where} cannot use write-ahead logging: put it on a local disk, not a network folder"
            )
        except StoreBusy:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class DataVersion:
    """Tells whether any other connection has committed since the last look. Costs microseconds."""

    every = trouble = None

    def __init__(self, path: str) -> None:
        self._connection = sqlite3.connect(
            Path(path).as_uri() + "?mode=ro", uri=True, check_same_thread=False, isolation_level=None
        )
        self._lock = threading.Lock()  # a connection must not be closed while it is used
        self._closed = False
        self._seen = self._version()

    def _version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def changed(self) -> bool:
        with self._lock:
            if self._closed:
                return False
            seen, self._seen = self._seen, self._version()
            return seen != self._seen

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._connection.close()


NOT_A_DATABASE = (
    "is not an SQLite database. It was left untouched; give the path of an Omega file or of a new one"
)
NO_DESCRIPTORS = (
    "no file descriptor is left. Find what holds so many (ls /proc/PID/fd), or raise the limit "
    "(LimitNOFILE= in the unit)"
)
REMEDIES: tuple[tuple[tuple[str, ...], type[StoreError], str], ...] = (
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED"),
        StoreBusy,
        "is locked by another process; nothing was written. Try again, or find what holds it open",
    ),
    (
        ("SQLITE_FULL",),
        StoreUnavailable,
        "could not be written: the disk is full. Nothing was lost; free some space and try again",
    ),
    (
        ("SQLITE_READONLY",),
        StoreUnavailable,
        "is read-only for this user. Give the user (or its group) write permission on the file and its folder",
    ),
    (
        ("SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_AUTH"),
        StoreUnavailable,
        "cannot be opened. Check that the folder exists and that this user may write to it",
    ),
    (
        ("SQLITE_NOTADB",),
        StoreUnavailable,
        NOT_A_DATABASE,
    ),
    (
        ("SQLITE_CORRUPT",),
        StoreUnavailable,
        "is damaged. It was left as it is; stop every program that uses it, keep a copy, and restore a backup",
    ),
    (
        ("SQLITE_IOERR",),
        StoreUnavailable,
        "could not be read or written (disk error). Check the disk, its free space and its mount",
    ),
)


def translate(error: BaseException, where: str) -> StoreError:
    """The `StoreError` that says what a driver's error means for this file, and the remedy."""
    name = _error_name(error)
    if name.startswith("SQLITE_CANTOPEN") and not descriptors_left():
        return StoreUnavailable(f"{where} cannot be opened: {NO_DESCRIPTORS}")
    for names, kind, remedy in REMEDIES:
        if name.startswith(names):
            return kind(f"{where} {remedy}")
    if "closed database" in str(error):
        return StoreUnavailable(f"this Store on {where} was closed; open a new one")
    return StoreError(f"{where}: {error}")


def descriptors_left() -> bool:
    """Whether this process may open another file."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno not in (errno.EMFILE, errno.ENFILE)
    return True


def _error_name(error: BaseException | None) -> str:
    while error is not None:
        name = getattr(error, "sqlite_errorname", None)
        if name:
            return str(name)
        error = error.__cause__ or error.__context__
    return ""
