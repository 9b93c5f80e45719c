"""Whatever is given to a call about tasks: a result, or an error that was promised, and never half a write."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from omega_models import MissedPolicy, Store, StoreError, errors
from omega_models.settling import Settlement, settle_many
from omega_models.testing import FakeClock

NINE = datetime(2026, 3, 2, 9, tzinfo=UTC)
NASTY = (
    "",
    " ",
    "\0",
    "a\0b",
    "\ud800",
    "\udfff text",
    "%",
    "_",
    "%%",
    "*",
    "'; DROP TABLE scheduled_tasks; --",
    '" OR 1=1 --',
    "שלום עולם",
    "\u202eright to left\u202c",
    "👩‍👩‍👧‍👦",
    "é",
    "x" * 501,
    "x" * 100_001,
    "\N{ZERO WIDTH SPACE}",
    "\x1b[31m",
    "nan",
    "None",
    "0",
    "-1",
    "9" * 400,
    "../../etc/passwd",
    "9999-12-31 23:59:59.999",
    "0001-01-01",
    "2026-03-02T09:00:00+23:59",
    "24:00",
    "cron:* * * * *",
    "cron:0 0 31 2 *",
    "RRULE:FREQ=SECONDLY",
    "RRULE:FREQ=DAILY;COUNT=" + "9" * 50,
    "RRULE:FREQ=YEARLY;INTERVAL=9999",
    "Europe/Berlin",
    "posix/UTC",
)
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
MOMENTS = st.datetimes(
    timezones=st.none() | st.just(UTC) | st.timezones() | st.just(timezone(timedelta(hours=-23, minutes=-59)))
)
JUNK = st.one_of(
    st.sampled_from(NASTY),
    ANY_TEXT,
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**20, -(10**20), 10**400, 10**5000, 2**62, 2**63]),
    st.floats(),
    st.binary(max_size=5),
    st.lists(st.integers() | ANY_TEXT, max_size=3),
    st.dictionaries(ANY_TEXT, st.none(), max_size=2),
    st.just(object()),
    MOMENTS,
    MOMENTS.map(datetime.isoformat),
    st.dates(),
    st.timedeltas(),
    st.just(Ellipsis),
)

NAMES = st.sampled_from(["me", "you", 42])
TEXTS = st.sampled_from(["call john about the boat", "water", "🌱"])
TIMES = st.sampled_from([NINE, NINE + timedelta(days=40), NINE - timedelta(days=40), "2026-03-02 10:00"])
ZONES = st.none() | st.sampled_from(["UTC", "Europe/Berlin"])
REPEATS = st.none() | st.sampled_from(["once", "daily", "monthly", "cron:0 9 * * *", "RRULE:FREQ=HOURLY"])
IDS = st.sampled_from(["one", "series", "snoozed", "claimed", "paused", "failed"])
TOKENS = st.sampled_from(["held", "lost"])
LEASES = st.just(timedelta(seconds=60))
LIMITS = st.sampled_from([0, 1, 5])

TASK = {
    "channel": st.just("chat"),
    "sender_id": NAMES,
    "reply_target": NAMES,
    "description": TEXTS,
    "due_at": TIMES,
    "repeat": REPEATS,
    "task_type": st.sampled_from(["reminder", "action"]),
    "project": st.sampled_from(["", "garden"]),
    "timezone": ZONES,
    "dedupe": st.sampled_from(["similar", "exact", "off"]),
    "urgent": st.booleans(),
}
PREFIXED = {"id_prefix": IDS, "sender_id": st.just("me")}
SERVED = {"channels": st.none() | st.just(["chat"]), "task_types": st.none() | st.just(["reminder"])}
CALLS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "create_task": TASK,
    "add_task": TASK,
    "get_due_tasks": {"limit": LIMITS},
    "claim_due_tasks": {"worker_id": st.just("w"), "limit": LIMITS, "lease": LEASES, **SERVED},
    "extend_claims": {"tokens": TOKENS | st.lists(TOKENS), "lease": LEASES},
    "release_claims": {"tokens": TOKENS | st.lists(TOKENS)},
    "settle": {
        "token": TOKENS,
        "outcome": st.sampled_from(["delivered", "retry", "failed", "ambiguous"]),
        "receipt": st.none() | TEXTS,
        "error": st.none() | TEXTS,
        "retry_after": st.none() | st.just(timedelta(seconds=5)) | st.just(5),
    },
    "complete_task": {"id": IDS, "repeat": REPEATS},
    "fail_task": {"id": IDS, "error": TEXTS, "max_retries": LIMITS},
    "defer_task": {"id": IDS, "new_due_at": TIMES, "timezone": ZONES},
    "cancel_task": PREFIXED,
    "update_task": {
        **PREFIXED,
        "description": st.none() | TEXTS,
        "due_at": st.none() | TIMES,
        "repeat": REPEATS,
        "timezone": ZONES,
    },
    "get_tasks_for_sender": {"sender_id": NAMES},
    "get_task": PREFIXED,
    "list_tasks": {
        "sender_id": st.none() | NAMES,
        "channel": st.none() | st.just("chat"),
        "reply_target": st.none() | NAMES,
        "project": st.none() | st.just(""),
        "status": st.none() | st.just("pending"),
        "limit": st.none() | LIMITS,
    },
    "snooze_task": {**PREFIXED, "until": TIMES, "timezone": ZONES},
    "retry_task": PREFIXED,
    "skip_task": PREFIXED,
    "pause_task": PREFIXED,
    "resume_task": PREFIXED,
    "preview": {"repeat": REPEATS, "due_at": TIMES, "timezone": ZONES, "count": st.sampled_from([0, 1, 5])},
    "task_history": {"id": IDS, "sender_id": st.none() | NAMES},
    "store_fact": {"sender_id": NAMES, "key": st.sampled_from(["name", "timezone"]), "value": TEXTS},
    "get_fact": {"sender_id": NAMES, "key": st.just("name")},
    "get_facts": {"sender_id": NAMES},
    "delete_fact": {"sender_id": NAMES, "key": st.just("name")},
    "delete_facts": {"sender_id": NAMES, "key": st.none() | st.just("name")},
}
HUGE_COUNTS = {("preview", "count")}  # as many as asked for are made


@contextmanager
def a_store(url: str = ":memory:") -> Iterator[tuple[Store, dict[str, str]]]:
    """A Store with a task in every state, and what the words in `CALLS` stand for in it."""
    clock = FakeClock(NINE)
    with Store(url, clock=clock) as store:

        def add(text: str, repeat: str | None = None) -> str:
            return store.create_task("chat", "me", "me", text, NINE, repeat, dedupe="off")

        failed = add("failed")
        store.fail_task(failed, "broken", 1)
        claimed = add("claimed", "daily")
        (taken,) = store.claim_due_tasks("w", 1)
        meant = {
            "claimed": claimed,
            "failed": failed,
            "one": add("one"),
            "series": add("series", "daily"),
            "snoozed": add("snoozed"),
            "paused": add("paused", "daily"),
            "held": taken.token,
            "lost": taken.token[:-1] + "x",
        }
        store.snooze_task(meant["snoozed"], "me", NINE + timedelta(hours=1))
        store.pause_task(meant["paused"], "me")
        store.store_fact("me", "name", "Me")
        yield store, meant


def rows(store: Store) -> list[Any]:
    tables = ("scheduled_tasks", "task_occurrences", "facts", "workers", "leases")
    return [store.database.sql_rows(f"SELECT * FROM {table} ORDER BY id") for table in tables[:3]]


def understood(value: Any, meant: dict[str, str]) -> Any:
    if isinstance(value, list):
        return [understood(each, meant) for each in value]
    return meant.get(value, value) if isinstance(value, str) else value


def was_promised(error: Exception) -> bool:
    ours = type(error).__module__ == errors.__name__
    return ours or type(error) in (ValueError, TypeError)


def check(store: Store, call: Callable[..., Any], arguments: dict[str, Any]) -> None:
    before = rows(store)
    try:
        call(**arguments)
    except (
        ValueError,
        TypeError,
        StoreError,
        OverflowError,
        ArithmeticError,
        AttributeError,
        LookupError,
    ) as error:
        assert was_promised(error), f"{type(error).__name__}: {error}"  # noqa: PT017
        assert rows(store) == before
    # and everybody else goes on
    store.get_due_tasks()
    store.get_tasks_for_sender("me")
    for each in store.claim_due_tasks("another", 50):
        assert store.settle(each.token, "delivered")


@st.composite
def arguments_for(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Good arguments, of which one or more are replaced by anything at all."""
    good = CALLS[name]
    spoilt = draw(st.sets(st.sampled_from(sorted(good)), min_size=1, max_size=3))
    small = st.integers(-5, 50) | ANY_TEXT | st.none()
    junk = {each: small if (name, each) in HUGE_COUNTS else JUNK for each in spoilt}
    return {each: draw(junk.get(each, strategy)) for each, strategy in good.items()}


QUICK = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("name", CALLS)
@QUICK
@given(data=st.data())
def test_a_call_answers_or_refuses_as_promised(name: str, data: st.DataObject) -> None:
    arguments = data.draw(arguments_for(name))
    with a_store() as (store, meant):
        given_ = {key: understood(value, meant) for key, value in arguments.items()}
        check(store, getattr(store, name), given_)


@pytest.mark.postgres
@pytest.mark.parametrize("name", CALLS)
@settings(QUICK, max_examples=2)
@given(data=st.data())
def test_a_call_on_a_server_answers_or_refuses_as_promised(
    shared_postgres: tuple[str, Callable[[], None]], name: str, data: st.DataObject
) -> None:
    url, empty = shared_postgres
    arguments = data.draw(arguments_for(name))
    empty()
    with a_store(url) as (store, meant):
        given_ = {key: understood(value, meant) for key, value in arguments.items()}
        check(store, getattr(store, name), given_)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", CALLS)
@settings(QUICK, max_examples=1000)
@given(data=st.data())
def test_a_call_answers_or_refuses_as_promised_to_thousands(name: str, data: st.DataObject) -> None:
    arguments = data.draw(arguments_for(name))
    with a_store() as (store, meant):
        given_ = {key: understood(value, meant) for key, value in arguments.items()}
        check(store, getattr(store, name), given_)


NEEDED: dict[str, dict[str, Any]] = {
    "create_task": {"channel": "c", "reply_target": "r", "description": "d", "due_at": NINE},
    "add_task": {"channel": "c", "reply_target": "r", "description": "d", "due_at": NINE},
    "claim_due_tasks": {"worker_id": "w", "limit": 0},
    "settle": {"outcome": "delivered"},
    "fail_task": {"error": "e", "max_retries": 1},
    "defer_task": {"new_due_at": NINE},
    "snooze_task": {"until": NINE},
    "preview": {"repeat": "daily", "due_at": NINE},
    "store_fact": {"key": "name", "value": "v"},
    "get_fact": {"key": "name"},
    "delete_fact": {"key": "name"},
}


@pytest.mark.parametrize("name", CALLS)
def test_nasty_text_in_every_place(name: str) -> None:
    named = {"id_prefix": "none", "id": "none", "sender_id": "nobody", "token": "none", "tokens": "none"}
    fine = {key: value for key, value in named.items() if key in CALLS[name]} | NEEDED.get(name, {})
    with a_store() as (store, _):
        before = rows(store)
        for nasty in NASTY:
            for place in CALLS[name]:
                try:
                    getattr(store, name)(**fine | {place: nasty})
                except (ValueError, TypeError, StoreError) as error:
                    assert was_promised(error), f"{place}: {type(error).__name__}: {error}"  # noqa: PT017
                    assert rows(store) == before
                else:
                    before = rows(store)


@pytest.mark.parametrize("value", [None, 5, "onec", "", [], {}, object()])
def test_a_policy_nobody_knows_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="policy"):
        MissedPolicy(by_type={"reminder": value})


@pytest.mark.parametrize("value", [None, 5, "\0\ud800", [], b"x", object()])
def test_an_error_or_receipt_of_any_kind_is_written_down(value: Any) -> None:
    with a_store() as (store, meant):
        kept = settle_many(store, [Settlement(meant["held"], "delivered", value, value)])
        assert kept == [True]
