"""What the fleet's processes run, Omega's and another task queue's, and how their backlogs are written."""

import logging
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter, process_time
from typing import Any

from measuring import CHANNEL, fill, seconds_apart

AT_ONCE = 8
SENDERS = 1000
NAME = "omega"  # as both programs call themselves to the server


class Timed:
    """A function that notes how long its calls took that gave something."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.took: list[float] = []
        self._call = call

    def __call__(self, *given: Any, **named: Any) -> Any:
        start = perf_counter()
        found = self._call(*given, **named)
        if found:
            self.took.append((perf_counter() - start) * 1e3)
        return found


def omega(url: str) -> dict[str, Any]:
    from omega_jobs import deliver
    from omega_models import Store
    from omega_worker.settings import Settings
    from omega_worker.worker import Worker

    deliver.claim = claims = Timed(deliver.claim)  # type: ignore[assignment]
    deliver._write = rounds = Timed(deliver._write)  # type: ignore[assignment]
    done = Count()
    with Store(url) as store:
        worker = Worker(store, {CHANNEL: done}, Settings.defaults(delivery_concurrency=AT_ONCE))
        until_told()
        spent = process_time()
        with worker:
            sys.stdin.readline()
    return {"done": done.value, "claims": claims.took, "rounds": rounds.took, "cpu": process_time() - spent}


class Count:
    def __init__(self) -> None:
        self.value = 0
        self._lock = threading.Lock()

    def __call__(self, *_: object) -> None:
        with self._lock:
            self.value += 1


def until_told() -> None:
    print("ready", flush=True)
    sys.stdin.readline()


def procrastinate(url: str) -> dict[str, Any]:
    import asyncio

    app, done = _app(url)
    spent = 0.0

    async def work() -> None:
        nonlocal spent
        async with app.open_async():
            until_told()
            spent = process_time()
            worker = asyncio.create_task(
                app.run_worker_async(concurrency=AT_ONCE, wait=True, install_signal_handlers=False)
            )
            await asyncio.to_thread(sys.stdin.readline)
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)

    asyncio.run(work())
    return {"done": done.value, "claims": [], "rounds": [], "cpu": process_time() - spent}


def _app(url: str) -> tuple[Any, Count]:
    from procrastinate import App, PsycopgConnector

    logging.getLogger("procrastinate").setLevel(logging.ERROR)
    app, done = App(connector=PsycopgConnector(conninfo=url, kwargs={"application_name": NAME})), Count()

    @app.task(name="noop")
    async def noop(number: int) -> None:  # noqa: ARG001  the task's own payload
        done()

    return app, done


def fill_omega(url: str, count: int) -> None:
    from omega_models import Store

    due = seconds_apart(datetime.now(UTC) - timedelta(minutes=50), count, 2900 / count)
    with Store(url, max_pending_tasks=10**9) as store:
        fill(store, count, due, senders=SENDERS)


def fill_procrastinate(url: str, count: int) -> None:
    import asyncio

    app, _ = _app(url)

    async def defer() -> None:
        async with app.open_async():
            await app.schema_manager.apply_schema_async()
            await app.tasks["noop"].batch_defer_async(*({"number": n} for n in range(count)))

    asyncio.run(defer())


FILL = {"omega": fill_omega, "procrastinate": fill_procrastinate}
WORK = {"omega": omega, "procrastinate": procrastinate}
