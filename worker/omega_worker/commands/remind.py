"""`omega-worker remind`: stores a reminder and says when it will really come."""

from argparse import Namespace
from datetime import datetime
from zoneinfo import ZoneInfo

from omega_models import Store, TaskCreated
from omega_models.facts import get_fact
from omega_models.rows import usable_timezone
from omega_worker.commands.faults import Misused
from omega_worker.commands.lines import headline, one_line, pairs, warn
from omega_worker.commands.moments import asked, full_moment, machine_zone, moment
from omega_worker.commands.opening import open_store, settings_of
from omega_worker.commands.presence import unserved_warning
from omega_worker.settings import Settings

ADJUSTED = {
    "gap": "that time does not exist there, since the clocks go forward: moved to the time after it",
    "overlap": "that time comes twice there, since the clocks go back: the first is meant",
}


def remind(arguments: Namespace) -> None:
    settings = settings_of(arguments)
    with open_store(settings) as store:
        now = store.clock()
        zone_name = arguments.tz or usable_timezone(store, arguments.sender)
        made = _add(store, arguments, _due_at(arguments, zone_name, now), zone_name)
        _echo(made, arguments, now) if made.created else _echo_twin(store, made, arguments, now)
        _warn(store, settings, arguments)


def _due_at(arguments: Namespace, zone_name: str, now: datetime) -> datetime:
    due_at = asked(arguments, zone_name, now)
    if due_at is None and not (arguments.repeat or "").strip().lower().startswith("cron:"):
        raise Misused("say when: --in 10s, or --at 18:30 (only a cron: repeat needs neither)")
    return due_at or now


def _add(store: Store, arguments: Namespace, due_at: datetime, zone_name: str) -> TaskCreated:
    return store.add_task(
        arguments.channel,
        arguments.sender,
        arguments.to or arguments.sender,
        " ".join(arguments.text),
        due_at,
        arguments.repeat,
        "action" if arguments.action else "reminder",
        arguments.project,
        timezone=zone_name,
        dedupe="off" if arguments.allow_duplicate else "similar",
        urgent=arguments.urgent,
    )


def _echo(made: TaskCreated, arguments: Namespace, now: datetime) -> None:
    headline(made.id, " ".join(arguments.text))
    pairs(_when(made, arguments, now))
    pairs([("to", one_line(f"{arguments.to or arguments.sender} on {arguments.channel}"))])


def _when(made: TaskCreated, arguments: Namespace, now: datetime) -> list[tuple[str, str]]:
    zone_name = _zone_name(made)
    rows = [
        ("due", full_moment(made.scheduled_for, zone_name, now)),
        ("in UTC", f"{made.scheduled_for:%Y-%m-%d %H:%M:%S}"),
    ]
    if made.adjusted:
        rows.append(("adjusted", ADJUSTED[made.adjusted]))
    if made.overdue:
        rows.append(("overdue", "that time has passed: it is sent as soon as a worker sees it"))
    if made.next:
        following = ", ".join(moment(each, zone_name, now) for each in made.next)
        rows.append(("repeats", f"{one_line(arguments.repeat)}; after that {following}"))
    return rows


def _zone_name(made: TaskCreated) -> str | None:
    return made.local_time.tzinfo.key if isinstance(made.local_time.tzinfo, ZoneInfo) else None


def _echo_twin(store: Store, made: TaskCreated, arguments: Namespace, now: datetime) -> None:
    twin = store.get_task(made.id, arguments.sender)
    print("already there:")
    headline(made.id, twin.description if twin else "")
    pairs([("due", full_moment(made.scheduled_for, _zone_name(made), now))])
    pairs([("note", "nothing was added; --allow-duplicate adds it all the same")])


def _warn(store: Store, settings: Settings, arguments: Namespace) -> None:
    kind = "action" if arguments.action else "reminder"
    unserved = unserved_warning(store, arguments.channel, kind, {"console", *settings.channels})
    if unserved:
        warn(unserved)
    if arguments.at and not arguments.tz and _nobody_named_a_zone(store, settings, arguments.sender):
        warn(
            f"the time was read in {settings.default_timezone}, since no zone is set, and this machine is in "
            f"{machine_zone()}: name yours with --tz or OMEGA_DEFAULT_TIMEZONE"
        )


def _nobody_named_a_zone(store: Store, settings: Settings, sender: str) -> bool:
    named = "default_timezone" in settings.model_fields_set or get_fact(store, sender, "timezone")
    return not named and machine_zone() != settings.default_timezone
