"""Omega's worker: delivers the reminders of a Store when they fall due.

    from omega_models import Store
    from omega_worker import Worker

    with Store("memory.db") as store, Worker(store, {"console": lambda delivery: print(delivery.text)}):
        store.create_task("console", "owner", "owner", "Call John", "2026-03-01 09:00")
        input("Delivering; Enter ends it.\\n")

Its log is off, as that of a library should be: `loguru.logger.enable("omega_worker")` turns it on, and the
command line does so.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loguru import logger

if TYPE_CHECKING:
    from omega_jobs.delivery import Delivery, DeliveryError
    from omega_worker.channels.seam import Channel
    from omega_worker.settings import Settings, SettingsError, load_settings
    from omega_worker.worker import Worker

__all__ = ["Channel", "Delivery", "DeliveryError", "Settings", "SettingsError", "Worker", "load_settings"]

_HOMES = {
    "Channel": "omega_worker.channels.seam",
    "Delivery": "omega_jobs.delivery",
    "DeliveryError": "omega_jobs.delivery",
    "Settings": "omega_worker.settings",
    "SettingsError": "omega_worker.settings",
    "Worker": "omega_worker.worker",
    "load_settings": "omega_worker.settings",
}

logger.disable("omega_worker")


def __getattr__(name: str) -> Any:
    """The public names are imported when first used: APScheduler and pydantic take their time."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(_HOMES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
