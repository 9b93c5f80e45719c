"""Whether a worker lives and delivers, over HTTP, for probes: answered from memory, whatever hangs.

`/livez`: the process and its scheduler answer. `/readyz`: rounds are completed and nothing served is overdue.
`/metrics`: numbers for Prometheus, with the extra `metrics`.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING, NamedTuple, Protocol

from omega_jobs.wording import late_words
from omega_models import Store
from omega_worker import narrate
from omega_worker.duties import BEAT_EVERY
from omega_worker.settings import Settings, SettingsError
from omega_worker.vitals import Vitals

if TYPE_CHECKING:
    from omega_worker.metrics import Metrics

GRACE = 10.0  # seconds, on top of two polls
TICK_LIMIT = 70.0  # the heartbeat's job begins every 20 seconds
SURVEY_LIMIT = 60.0
READ_SECONDS = 5
NO_METRICS = "this installation has no Prometheus client: pip install 'omega-worker[metrics]', then restart\n"


class Watched(Protocol):
    """The part of a worker that is looked at from outside."""

    store: Store
    vitals: Vitals
    settings: Settings

    def ticked(self) -> float | None: ...


class Answer(NamedTuple):
    status: HTTPStatus
    kind: str
    body: bytes


def reasons(worker: Watched) -> list[str]:
    """Why the worker is not ready, in words; empty where it is."""
    vitals = worker.vitals
    if vitals.stopping:
        return ["stopping"]
    failing = [f"{name} failed: {why}" for name, why in sorted(dict(vitals.failing).items())]
    return [
        *_rounds(vitals, worker.settings),
        *failing,
        *_waiting(vitals, worker.settings, worker.store.clock()),
    ]


def _rounds(vitals: Vitals, settings: Settings) -> Iterator[str]:
    if vitals.trouble is not None:
        yield f"the last round failed: {vitals.trouble}"
    limit = 2 * poll_seconds(settings) + GRACE
    since = vitals.clock() - (vitals.started if vitals.completed is None else vitals.completed)
    if vitals.completed is None and since <= limit:
        yield "starting: no round has been completed yet"
    elif since > limit:
        yield f"no round was completed for {late_words(timedelta(seconds=since))}"


def poll_seconds(settings: Settings) -> float:
    """The longest time between two of the rounds by which this worker is judged."""
    delivers = "deliver" in settings.duties
    return settings.poll_interval_seconds if delivers else BEAT_EVERY.total_seconds()


def _waiting(vitals: Vitals, settings: Settings, now: datetime) -> Iterator[str]:
    limit = timedelta(seconds=settings.overdue_limit_seconds)
    overdue = oldest_overdue(vitals, now)
    if overdue > limit:
        yield f"a due task has been waiting for {late_words(overdue)}"
    if vitals.surveyed is not None and vitals.clock() - vitals.surveyed > SURVEY_LIMIT:
        yield "what is due could not be looked at for more than a minute"


def oldest_overdue(vitals: Vitals, now: datetime) -> timedelta:
    """How long the longest waiting due task that this worker serves has been waiting."""
    since = vitals.backlog.oldest if vitals.backlog else None
    return max(now - since, timedelta(0)) if since else timedelta(0)


def warnings(vitals: Vitals) -> list[str]:
    """What this worker cannot mend, and no restart of it would."""
    unserved = vitals.backlog.unserved if vitals.backlog else ()
    return ([vitals.hampered] if vitals.hampered else []) + [
        f"{each.count} due {each.task_type}(s) wait for channel {each.channel!r}, which no live worker serves"
        for each in unserved
    ]


def dead(worker: Watched) -> list[str]:
    """Why the process wants a restart; empty where it does not."""
    ticked = worker.ticked()
    if ticked is None:
        return ["the scheduler does not run"]
    still = time.monotonic() - ticked
    return [f"the scheduler has begun nothing for {still:.0f} s"] if still > TICK_LIMIT else []


class Health:
    """The server of one worker, on threads of its own."""

    def __init__(self, worker: Watched, metrics: Metrics | None) -> None:
        settings = worker.settings
        self._worker, self._metrics = worker, metrics
        self._pages: dict[str, Callable[[], Answer]] = {
            "/livez": self._livez,
            "/readyz": self._readyz,
            "/metrics": self._page_of_metrics,
        }
        self._server = _Server(settings.health_host, settings.health_port or 0, self.answer)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="omega-health", daemon=True
        )
        worker.vitals.survey_listeners.append(_heard)
        self._thread.start()

    @property
    def address(self) -> str:
        host, port = self._server.server_address[:2]
        shown = f"[{host!s}]" if ":" in str(host) else str(host)
        return f"http://{shown}:{port}"

    def answer(self, path: str) -> Answer:
        page = self._pages.get(path.partition("?")[0])
        return page() if page else _text(HTTPStatus.NOT_FOUND, "there are /livez, /readyz and /metrics\n")

    def _livez(self) -> Answer:
        found = dead(self._worker)
        return _json(not found, {"alive": not found, "reasons": found})

    def _readyz(self) -> Answer:
        found = reasons(self._worker)
        return _json(
            not found, {"ready": not found, "reasons": found, "warnings": warnings(self._worker.vitals)}
        )

    def _page_of_metrics(self) -> Answer:
        if self._metrics is None:
            return _text(HTTPStatus.NOT_IMPLEMENTED, NO_METRICS)
        return Answer(HTTPStatus.OK, self._metrics.kind, self._metrics.page())

    def close(self) -> None:
        self._worker.vitals.survey_listeners.remove(_heard)
        if self._metrics is not None:
            self._metrics.close()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(READ_SECONDS)


def _heard(_: Vitals) -> None:
    """Surveys are wanted; what they find is kept."""


def open_health(worker: Watched) -> Health | None:
    """The server where a port is set. Raises `SettingsError` where it cannot be listened on."""
    settings = worker.settings
    if settings.health_port is None:
        return None
    metrics = _metrics(worker)
    try:
        health = Health(worker, metrics)
    except OSError as error:
        if metrics is not None:
            metrics.close()
        where = f"{settings.health_host}:{settings.health_port}"
        raise SettingsError([f"OMEGA_HEALTH_PORT: cannot listen on {where}: {error.strerror}"]) from error
    narrate.health_served(health.address, has_metrics=metrics is not None)
    return health


def _metrics(worker: Watched) -> Metrics | None:
    try:
        from omega_worker.metrics import Metrics
    except ModuleNotFoundError as error:
        if error.name != "prometheus_client":
            raise
        return None
    return Metrics(worker)


def _json(good: bool, said: dict[str, object]) -> Answer:
    status = HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE
    return Answer(status, "application/json", (json.dumps(said, ensure_ascii=False) + "\n").encode())


def _text(status: HTTPStatus, said: str) -> Answer:
    return Answer(status, "text/plain; charset=utf-8", said.encode())


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str, port: int, answer: Callable[[str], Answer]) -> None:
        self.answer = answer
        self.address_family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        super().__init__((host, port), _Handler)

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # HTTPServer's would ask the name service for our own name

    def handle_error(self, *_: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "omega-worker", ""
    timeout = READ_SECONDS

    def do_GET(self) -> None:
        answer = self.server.answer(self.path)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_HEAD = do_GET  # noqa: N815  the library's name

    def log_message(self, *_: object) -> None:
        """Probes are no news."""
