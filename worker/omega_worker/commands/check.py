"""`omega-worker check`: what would keep a worker from starting, before it is started."""

from argparse import Namespace
from datetime import UTC, datetime

from omega_models.diagnosis import is_healthy
from omega_worker.commands.findings import show
from omega_worker.commands.opening import named
from omega_worker.preflight import examine


def check(arguments: Namespace) -> int:
    found = examine(named(arguments), datetime.now(UTC))
    show(found, as_json=arguments.json)
    return 0 if is_healthy(found) else 1
