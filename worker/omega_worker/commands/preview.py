"""`omega-worker tasks preview`: when a repeat would come."""

from argparse import Namespace

from omega_models import Store
from omega_models.opening import MEMORY
from omega_worker.commands.moments import asked, full_moment
from omega_worker.commands.opening import settings_of


def preview(arguments: Namespace) -> None:
    zone_name = arguments.tz or settings_of(arguments).default_timezone
    with Store(MEMORY[0]) as store:
        now = store.clock()
        due_at = asked(arguments, zone_name, now) or now
        found = store.preview(arguments.repeat, due_at, zone_name, arguments.count)
        for each in found:
            print(f"{each:%Y-%m-%d %H:%M:%S} UTC  {full_moment(each, zone_name, now)}")
        if len(found) < arguments.count:
            print("nothing more after that" if found else "never: nothing of it lies ahead")
