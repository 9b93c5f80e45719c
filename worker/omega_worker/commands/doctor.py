"""`omega-worker doctor`: whether the database is sound, and nothing in it is stuck."""

import sqlite3
import sys
from argparse import Namespace
from datetime import UTC, datetime

from omega_models import StoreError
from omega_models.diagnosis import is_healthy
from omega_worker.commands.faults import Refused, sentences
from omega_worker.commands.findings import show
from omega_worker.commands.opening import settings_of
from omega_worker.examination import examine
from omega_worker.settings import SettingsError

HEALTHY, ILL, NOT_EXAMINED = 0, 1, 2


def doctor(arguments: Namespace) -> int:
    try:
        done = examine(settings_of(arguments), datetime.now(UTC), fix=arguments.fix)
    except (StoreError, Refused, SettingsError, OSError, sqlite3.Error) as error:
        for line in sentences(error) or [str(error)]:
            print(f"omega-worker: {line}", file=sys.stderr)
        return NOT_EXAMINED
    show(done.found, done.repaired, as_json=arguments.json)
    return HEALTHY if is_healthy(done.found) else ILL
