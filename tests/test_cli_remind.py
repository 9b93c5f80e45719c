"""`omega-worker remind`: what it stores, and what it says of that."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_line import apart, told

from omega_models import Store, Task
from omega_models.presence import beat

Tell = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", str(tmp_path / "memory.db"))
    monkeypatch.setenv("OMEGA_DURABILITY", "normal")
    return tmp_path / "memory.db"


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    return partial(told, capsys)


def stored(database: Path) -> list[Task]:
    with Store(database) as store:
        return store.list_tasks(status=None)


def lines(shown: str) -> dict[str, str]:
    """The `key  value` lines."""
    return dict(re.findall(r"^  (\w+(?: \w+)?)  +(.+)$", shown, re.MULTILINE))


def test_remind_says_what_was_stored(tell: Tell, database: Path) -> None:
    code, shown, errors = tell("remind", "Call", "John", "--in", "1h30m", "--tz", "Europe/Berlin")
    (task,) = stored(database)
    assert code == 0
    assert shown.startswith(f"{task.id[:8]}  Call John\n")
    told = lines(shown)
    assert re.fullmatch(
        r"\w{3} \d+ \w{3}( \d{4})? \d\d:\d\d(:\d\d)? CES?T \(Europe/Berlin\), in 1 h 30 min", told["due"]
    )
    assert told["in UTC"] == f"{task.scheduled_for:%Y-%m-%d %H:%M:%S}"
    assert told["to"] == "owner on console"
    assert (task.sender_id, task.reply_target, task.timezone) == ("owner", "owner", "Europe/Berlin")
    assert errors == (
        f"omega-worker: no live worker on {database} serves channel 'console': start one with `omega-worker run`\n"
    )


def test_remind_stores_every_option(tell: Tell, database: Path) -> None:
    options = ["--sender", "42", "--to", "-77", "--channel", "home", "--project", "garden"]
    code, shown, _ = tell(
        "remind", "Water it", "--in", "1d", "--repeat", "Daily", *options, "--action", "--urgent"
    )
    (task,) = stored(database)
    assert code == 0, shown
    assert (task.sender_id, task.reply_target, task.channel) == ("42", "-77", "home")
    assert (task.project, task.task_type, task.urgent, task.repeat) == ("garden", "action", True, "daily")


def test_a_live_worker_leaves_nothing_to_warn_of(tell: Tell, database: Path) -> None:
    with Store(database) as store:
        beat(store, "w", ["console", "home"], ["reminder"])
    assert tell("remind", "One", "--in", "1h")[2] == ""
    assert tell("remind", "Two", "--in", "1h", "--channel", "home")[2] == ""
    assert "no live worker" in tell("remind", "Three", "--in", "1h", "--action")[2]


def test_a_channel_nobody_knows_is_stored_and_said(tell: Tell, database: Path) -> None:
    code, _, errors = tell("remind", "Call John", "--in", "1h", "--channel", "pigeon")
    assert code == 0
    assert f"on {database} know channel 'pigeon', so it waits" in errors
    assert "(known here: console). Set OMEGA_CHANNELS__PIGEON and start" in errors
    assert len(stored(database)) == 1


def test_what_is_there_already_is_not_added(tell: Tell, database: Path) -> None:
    given = ("remind", "Call John", "--at", "2035-01-01 09:00")
    first, again, more = tell(*given)[1], tell(*given), tell(*given, "--allow-duplicate")
    assert again[0] == 0
    assert again[1].startswith(
        f"already there:\n{first[:8]}  Call John\n  due       Mon 1 Jan 2035 09:00 UTC, in "
    )
    assert lines(again[1])["note"].startswith("nothing was added; --allow-duplicate")
    assert more[1][:8] != first[:8]
    assert len(stored(database)) == 2


@pytest.mark.parametrize(
    ("at", "due", "word"),
    [
        ("2035-03-25 02:30", "Sun 25 Mar 2035 03:30 CEST", "does not exist"),
        ("2035-10-28 02:30", "Sun 28 Oct 2035 02:30 CEST", "comes twice"),
    ],
)
def test_clock_changes_are_said(at: str, due: str, word: str, tell: Tell) -> None:
    told = lines(tell("remind", "Call John", "--at", at, "--tz", "Europe/Berlin")[1])
    assert told["due"].startswith(due)
    assert word in told["adjusted"]


def test_a_time_that_has_passed_is_said(tell: Tell) -> None:
    told = lines(tell("remind", "Call John", "--at", "2020-01-01 9:00")[1])
    assert "2020 09:00 UTC" in told["due"]
    assert told["due"].endswith(" ago")
    assert "sent as soon as a worker sees it" in told["overdue"]


def test_a_repeat_shows_what_follows(tell: Tell) -> None:
    told = lines(tell("remind", "Rent", "--at", "2035-01-31 09:00", "--repeat", "monthly")[1])
    dates = ["Wed 28 Feb", "Sat 31 Mar", "Mon 30 Apr"]
    assert told["repeats"] == f"monthly; after that {', '.join(f'{day} 2035 09:00 UTC' for day in dates)}"


def test_cron_needs_no_time(tell: Tell) -> None:
    code, shown, _ = tell("remind", "Stand-up", "--repeat", "cron:0 9 * * 1-5")
    assert code == 0
    assert " 09:00 UTC, in " in lines(shown)["due"]


def test_the_senders_zone_is_used(tell: Tell, database: Path) -> None:
    with Store(database) as store:
        store.store_fact("42", "timezone", "Asia/Tokyo")
    told = lines(tell("remind", "Call John", "--at", "2035-01-01 09:00", "--sender", "42")[1])
    assert told["in UTC"] == "2035-01-01 00:00:00"
    assert "(Asia/Tokyo)" in told["due"]


def test_a_zone_nobody_named_is_pointed_out(tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    said = "the time was read in UTC, since no zone is set, and this machine is in Europe/Berlin"
    assert said in tell("remind", "One", "--at", "18:30")[2]
    assert said not in tell("remind", "Two", "--in", "1h")[2]
    assert said not in tell("remind", "Three", "--at", "18:30", "--tz", "UTC")[2]
    monkeypatch.setenv("OMEGA_DEFAULT_TIMEZONE", "UTC")
    assert said not in tell("remind", "Four", "--at", "18:30")[2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--at", "soon"], "'soon' is not a time: give 18:30, "),
        (["--in", "1h", "--tz", "Mars/Base"], "unknown time zone 'Mars/Base': give an IANA name"),
        (["--in", "1h", "--repeat", "sometimes"], "repeat 'sometimes': unknown; accepted are once, daily, "),
        (["--in", "1h", "--sender", " "], "sender_id must not be empty"),
        (["--in", "999999d"], None),
        (["--in", "9999999d"], "that is too far ahead: times end with the year 9999"),
    ],
)
def test_what_cannot_be_stored_is_one_line(
    given: list[str], said: str | None, tell: Tell, database: Path
) -> None:
    code, shown, errors = tell("remind", "Call John", *given)
    if said is None:
        assert code == 0
        return
    assert (code, shown) == (1, "")
    assert errors.startswith(f"omega-worker: {said}")
    assert errors.count("\n") == 1
    assert stored(database) == []


def test_no_control_character_reaches_the_terminal(tell: Tell) -> None:
    _, shown, errors = tell(
        "remind", "\x1b]0;owned\x07a\nb", "--in", "1h", "--channel", "\x1b[2J", "--to", "\x9b1m"
    )
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]", shown + errors)
    assert "\\x1b]0;owned\\x07a b" in shown
    assert tell("remind", "x", "--in", "1h", "--tz", "\x1b[2J")[2].count("\x1b") == 0
