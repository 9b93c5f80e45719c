"""One connection to a PostgreSQL server that never waits for ever. Needs the driver."""

import random
import select
import time
from collections.abc import Generator
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import ConnStatus, TransactionStatus

from omega_models.errors import StoreUnavailable

CONNECT_SECONDS = 10
LOCK_MS = 5_000
STATEMENT_MS = 30_000
IDLE_MS = 10_000  # in a transaction whose program is idle or cut off, while others wait for its locks
SILENT_SECONDS = 5.0  # on top of a statement's own limit: then the server is not there any more
RECONNECT_SECONDS = 2.0  # for a server that restarts or fails over
FIRST_WAIT, LONGEST_WAIT = 0.05, 0.5
NETWORK = {  # a peer that is gone is noticed in half a minute, though nobody says so
    "connect_timeout": CONNECT_SECONDS,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "omega",
}
CHANGED_ROLE = (
    "25006",
    "57P01",
    "57P02",
    "57P03",
)  # read-only, shut down: another server may be the right one
NO_PARAMETERS = "unsupported startup parameter"  # a pooler's words
UNREADABLE = (
    "the PostgreSQL URL cannot be read: it is postgresql://user@host:port/database, and special characters "
    "in user or password are written %40 and the like"
)


class Silent(Exception):
    """Raised inside a wait whose time is over."""


def _at_most(steps: Generator[Any, Any, Any], deadline: float) -> Generator[Any, Any, Any]:
    """The driver's generator; it is told at intervals that nothing came, which is when we look at the time."""
    try:
        wanted = next(steps)
        while True:
            ready = yield wanted
            if not ready and time.monotonic() >= deadline:
                raise Silent
            wanted = steps.send(ready)
    except StopIteration as end:
        return end.value


class ServerConnection(psycopg.Connection[Any]):
    """A connection that gives up on a server that does not answer, and knows when it is of no more use."""

    patience: float | None = None  # seconds for one statement; None: as long as it takes
    limits: str | None = None  # the statement that sets them in each transaction, where a session keeps none
    unfit = False

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        if self.limits is None or self.pgconn.transaction_status != TransactionStatus.IDLE:
            return super().execute(query, params, **options)
        with self.transaction():
            super().execute(self.limits)
            return super().execute(query, params, **options)

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        if self.patience is None:
            return super().wait(gen, *args, **kwargs)
        try:
            return super().wait(_at_most(gen, time.monotonic() + self.patience), *args, **kwargs)
        except Silent:
            self.pgconn.finish()
            raise psycopg.OperationalError(f"no answer for {self.patience:g} s") from None
        except psycopg.Error as error:
            self.unfit = self.unfit or error.sqlstate in CHANGED_ROLE
            raise

    def is_fit(self) -> bool:
        """Whether it is open and in no transaction."""
        line = self.pgconn
        sound = line.status == ConnStatus.OK and line.transaction_status == TransactionStatus.IDLE
        return sound and not self.unfit

    def is_answering(self) -> bool:
        """Whether the server has not said goodbye meanwhile."""
        poll = select.poll()
        try:
            poll.register(self.pgconn.socket, select.POLLIN)
            if poll.poll(0):
                self.pgconn.consume_input()  # such as a setting that was changed, or the end
        except (psycopg.Error, OSError):
            return False
        return self.is_fit()


class Address(NamedTuple):
    """Where to connect and what holds there; `settings` are the session's own."""

    given: dict[str, Any]
    settings: dict[str, str]

    @property
    def where(self) -> str:
        """The servers and the database, without user, password or options."""
        hosts = str(self.given.get("host") or self.given.get("hostaddr") or "").split(",")
        ports = str(self.given.get("port") or "").split(",")
        named = [
            f"{host if host and not host.startswith('/') else 'local socket'}{f':{port}' if port else ''}"
            for host, port in zip(hosts, ports * len(hosts), strict=False)
        ]
        return f"postgresql://{','.join(named)}/{self.given.get('dbname', '')}"

    def reset(self) -> str:
        """The statement by which a transaction gets the settings, where a session cannot keep them."""
        calls = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in self.settings.items())
        return f"SELECT {calls}"


def address(url: str, *, durability: str) -> Address:
    """What the URL says. Raises `StoreUnavailable` without repeating any of it."""
    try:
        given = dict(conninfo_to_dict(url.replace("postgres://", "postgresql://", 1)))
    except psycopg.Error:
        given = {}
    ports = str(given.get("port") or "").split(",")
    if not given or any(port and not port.isdigit() for port in ports) or "@" in str(given.get("dbname", "")):
        raise StoreUnavailable(UNREADABLE)
    if "," in str(given.get("host") or given.get("hostaddr") or ""):
        given.setdefault("target_session_attrs", "read-write")
    settings = {
        "timezone": "UTC",
        "statement_timeout": str(STATEMENT_MS),
        "lock_timeout": str(LOCK_MS),
        "idle_in_transaction_session_timeout": str(IDLE_MS),
        "synchronous_commit": "on" if durability == "full" else "off",
    }
    return Address(given, settings)


class Connector:
    """Makes connections to one address. `pooled`: a pooler stands between, and sessions keep nothing."""

    def __init__(self, to: Address) -> None:
        self.to = to
        self.pooled = False
        self.retry_seconds = 0.0  # until it has worked once

    def connect(self) -> ServerConnection:
        """A new connection; a server that is just coming back is waited for, with growing pauses."""
        deadline, wait = time.monotonic() + self.retry_seconds, FIRST_WAIT
        while True:
            try:
                return self._connect()
            except psycopg.OperationalError as error:
                pause = wait * random.uniform(0.5, 1)
                if refused(error) or time.monotonic() + pause > deadline:
                    raise
                time.sleep(pause)
                wait = min(wait * 2, LONGEST_WAIT)

    def _connect(self) -> ServerConnection:
        try:
            made = self._open(with_options=not self.pooled)
        except psycopg.OperationalError as error:
            if self.pooled or NO_PARAMETERS not in str(error):
                raise
            made = self._open(with_options=False)
            self.pooled = True
        if self.pooled:
            made.prepare_threshold, made.limits = None, self.to.reset()
        return made

    def _open(self, *, with_options: bool) -> ServerConnection:
        own = " ".join(f"-c {name}={value}" for name, value in self.to.settings.items())
        options = f"{own} {self.to.given.get('options') or ''}".strip() if with_options else None
        given: dict[str, Any] = NETWORK | self.to.given | {"options": options}
        made = ServerConnection.connect(make_conninfo("", **given), autocommit=True)
        made.patience = STATEMENT_MS / 1000 + SILENT_SECONDS
        return made


REFUSED = ("password authentication failed", "no pg_hba.conf entry", "does not exist", "no password supplied")


def refused(error: BaseException) -> bool:
    """Whether trying again would not help."""
    return (getattr(error, "sqlstate", None) or "")[:2] in ("28", "3D") or any(
        words in str(error) for words in REFUSED
    )
