"""`omega-worker tasks` and `migrate`: what is shown of tasks, and what can be done to them."""

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import old_files
import pytest
from command_line import apart, told

from omega_models import Store
from omega_models.presence import beat

Tell = Callable[..., tuple[int, str, str]]
LATER = "2035-01-01 09:00"


@pytest.fixture(autouse=True)
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", str(tmp_path / "memory.db"))
    monkeypatch.setenv("OMEGA_DURABILITY", "normal")
    return tmp_path / "memory.db"


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    return partial(told, capsys)


def add(
    database: Path, text: str = "Call John", due_at: str = LATER, channel: str = "console", **more: str
) -> str:
    with Store(database) as store:
        return store.create_task(channel, "owner", "owner", text, due_at, **more)  # type: ignore[arg-type]


def work(database: Path, outcome: str, **result: str) -> None:
    """Claims the one due task and settles it so."""
    with Store(database) as store:
        (claimed,) = store.claim_due_tasks("worker-1", 10)
        assert store.settle(claimed.token, outcome, **result)  # type: ignore[arg-type]


# list


def test_the_list(database: Path, tell: Tell) -> None:
    first = add(database, timezone="Europe/Berlin")
    second = add(database, "Take out the bins", "2035-01-02 19:00", repeat="weekly")
    code, shown, errors = tell("tasks", "list")
    assert (code, errors) == (0, "")
    assert shown.splitlines() == [
        "ID        WHEN                      STATE    REPEAT  TEXT",
        f"{first[:8]}  Mon 1 Jan 2035 09:00 CET  pending          Call John",
        f"{second[:8]}  Tue 2 Jan 2035 19:00 UTC  pending  weekly  Take out the bins",
    ]


def test_the_list_shows_channel_sender_and_project_where_they_tell_something(
    database: Path, tell: Tell
) -> None:
    add(database, channel="home", project="garden")
    with Store(database) as store:
        store.create_task("console", "42", "42", "Call John", LATER)
    heading, *rows = tell("tasks", "list")[1].splitlines()
    assert heading.split() == ["ID", "WHEN", "STATE", "SENDER", "CHANNEL", "PROJECT", "TEXT"]
    assert any(re.search(r"pending  owner   home     garden   Call John$", row) for row in rows)


def test_the_list_is_filtered(database: Path, tell: Tell) -> None:
    here, there = add(database), add(database, channel="home", project="garden")
    done = add(database, "Call John again", "2020-01-01")
    work(database, "delivered")

    def ids(*options: str) -> set[str]:
        return {task["id"] for task in json.loads(tell("tasks", "list", "--json", *options)[1])}

    assert ids() == {here, there}
    assert ids("--all") == {here, there, done}
    assert ids("--status", "delivered") == {done}
    assert ids("--channel", "home") == ids("--project", "garden") == {there}
    assert ids("--sender", "owner") == {here, there}
    assert ids("--sender", "nobody") == set()


def test_an_empty_list(database: Path, tell: Tell) -> None:
    Store(database).close()
    assert tell("tasks", "list") == (0, "no such tasks\n", "")
    assert tell("tasks", "list", "--json") == (0, "[]\n", "")


def test_the_list_is_cut_to_its_limit_and_says_so(database: Path, tell: Tell) -> None:
    for number in range(3):
        add(database, f"Number {number}", f"2035-01-0{number + 1}")
    _, shown, errors = tell("tasks", "list", "--limit", "2")
    assert [line[-8:] for line in shown.splitlines()[1:]] == ["Number 0", "Number 1"]
    assert errors == "omega-worker: there are more than these 2: --limit shows more\n"


@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_a_long_text_is_cut_to_the_width(
    width: str, database: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    add(database, "Call John about " + "everything " * 30)
    shown = tell("tasks", "list")[1]
    assert {len(line) for line in shown.splitlines()[1:]} == {int(width)}
    assert shown.endswith("…\n")


def test_a_text_is_neither_markup_nor_a_command_to_the_terminal(database: Path, tell: Tell) -> None:
    task = add(database, "[red]Call[/red] :smile: \x1b[31mJohn\nor not\x9b")
    said = "[red]Call[/red] :smile: \\x1b[31mJohn or not\\x9b"
    assert said in tell("tasks", "list")[1]
    assert said in tell("tasks", "show", task)[1]
    assert said in tell("tasks", "why", task)[1]
    assert "\x1b" not in tell("tasks", "show", task, "--json")[1]


def test_what_is_due_and_served_by_nobody_is_pointed_out(database: Path, tell: Tell) -> None:
    add(database, due_at="2020-01-01", channel="home")
    said = "omega-worker: 1 due reminder waits for channel 'home', which no live worker serves: "
    assert tell("tasks", "list")[2].startswith(said)
    with Store(database) as store:
        beat(store, "w", ["home"], ["reminder"])
    assert tell("tasks", "list")[2] == ""


# show


def test_show(database: Path, tell: Tell) -> None:
    task = add(database, due_at="2020-01-01 09:00", timezone="Europe/Berlin", project="garden")
    assert "No attempt has been made yet" in tell("tasks", "show", task)[1]
    work(database, "retry", error="HTTP 503")
    code, shown, errors = tell("tasks", "show", task[:6].upper())
    assert (code, errors) == (0, "")
    assert shown.startswith(f"{task[:8]}  Call John\n  id        {task}\n  state     retry 1\n  next      ")
    assert "\n  instant   Wed 1 Jan 2020 09:00 CET (Europe/Berlin), " in shown
    assert "\n  project   garden\n" in shown
    assert "\n  error     HTTP 503\n" in shown
    heading, row = shown.partition("Ledger\n")[2].splitlines()
    assert heading.split() == ["SCHEDULED", "STATE", "TRIES", "LATE", "NOTE"]
    assert row == "  Wed 1 Jan 2020 09:00 CET  retrying      1     -  HTTP 503"


def test_show_as_json(database: Path, tell: Tell) -> None:
    task = add(database, due_at="2020-01-01 09:00")
    work(database, "delivered", receipt="m1")
    shown = json.loads(tell("tasks", "show", task, "--json")[1])
    assert (shown["id"], shown["status"], shown["next_send"]) == (task, "delivered", None)
    assert shown["scheduled_for"] == "2020-01-01T09:00:00Z"
    (entry,) = shown["history"]
    assert (entry["status"], entry["attempts"], entry["receipt"]) == ("delivered", 1, "m1")
    assert entry["lateness"] > 1000


# Prefixes and databases that are not there

ONE = ["show", "why", "cancel", "skip", "pause", "resume", "retry"]


@pytest.mark.parametrize("command", ONE)
def test_an_unknown_id_is_one_line(command: str, database: Path, tell: Tell) -> None:
    add(database)
    code, shown, errors = tell("tasks", command, "nowhere%")
    assert (code, shown) == (1, "")
    assert errors.startswith("omega-worker: no task's id begins with 'nowhere%': ")


@pytest.mark.parametrize("command", ONE)
def test_a_prefix_of_several_changes_nothing(command: str, database: Path, tell: Tell) -> None:
    for number in range(17):
        add(database, f"Number {number}", f"2035-01-01 {number:02}:00")
    with Store(database) as store:
        ids = [task.id for task in store.list_tasks()]
        twice = next(each[0] for each in ids if sum(other[0] == each[0] for other in ids) > 1)
    code, shown, errors = tell("tasks", command, twice)
    assert (code, shown) == (1, "")
    assert re.fullmatch(rf"omega-worker: \d+ tasks begin with '{twice}': .*nothing was changed\n", errors)
    with Store(database) as store:
        assert len(store.list_tasks()) == 17


@pytest.mark.parametrize("command", [["list"], *([name, "1f2e"] for name in ONE)])
def test_a_missing_database_is_not_made(command: list[str], database: Path, tell: Tell) -> None:
    code, shown, errors = tell("tasks", *command)
    assert (code, shown) == (1, "")
    assert errors.startswith(f"omega-worker: there is no database {database} yet: ")
    assert not database.exists()


# Changes


def test_cancel(database: Path, tell: Tell) -> None:
    task = add(database)
    for word in ("cancelled", "cancelled already"):
        assert tell("tasks", "cancel", task[:8]) == (0, f"{word}:\n{task[:8]}  Call John\n", "")
    code, _, errors = tell("tasks", "skip", task[:8])
    assert (code, errors) == (1, f"omega-worker: task {task[:8]} cannot be skipped: it is cancelled\n")


def test_cancelling_what_is_being_sent_says_so(database: Path, tell: Tell) -> None:
    task = add(database, due_at="2020-01-01")
    with Store(database) as store:
        store.claim_due_tasks("w", 1)
    assert "it is being sent at this moment: that one is not recalled" in tell("tasks", "cancel", task)[1]


def test_snooze_reads_times_in_the_tasks_zone(database: Path, tell: Tell) -> None:
    task = add(database, timezone="Asia/Tokyo")
    code, shown, _ = tell("tasks", "snooze", task, "--at", "2035-02-01 9:00")
    assert code == 0
    assert "\n  next      Thu 1 Feb 2035 09:00 JST (Asia/Tokyo), in " in shown
    shown = tell("tasks", "snooze", task, "--at", "2035-02-01 9:00", "--tz", "UTC")[1]
    assert "\n  next      Thu 1 Feb 2035 18:00 JST (Asia/Tokyo), in " in shown
    assert ", in 2 h\n" in tell("tasks", "snooze", task, "--in", "2h")[1]
    assert tell("tasks", "snooze", task)[0] == 2


def test_skip_pause_and_resume_a_series(database: Path, tell: Tell) -> None:
    task = add(database, repeat="weekly")
    assert "\n  next      Mon 8 Jan 2035 09:00 UTC" in tell("tasks", "skip", task)[1]
    assert tell("tasks", "pause", task)[1] == f"paused:\n{task[:8]}  Call John\n"
    assert " paused " in tell("tasks", "list")[1]
    assert "\n  next      Mon 8 Jan 2035 09:00 UTC" in tell("tasks", "resume", task)[1]


def test_retry(database: Path, tell: Tell) -> None:
    task = add(database, due_at="2020-01-01")
    assert tell("tasks", "retry", task)[2].endswith(
        "cannot be retried: it is due, and nothing of it has failed\n"
    )
    work(database, "failed", error="HTTP 410")
    assert re.search(r"\n  next .*(now|0 s ago|1 s ago)$", tell("tasks", "retry", task)[1], re.MULTILINE)


# preview and migrate


def test_preview(tell: Tell, database: Path) -> None:
    given = (
        "tasks",
        "preview",
        "weekly",
        "--at",
        "2035-03-18 09:00",
        "--tz",
        "Europe/Berlin",
        "--count",
        "2",
    )
    code, shown, errors = tell(*given)
    assert (code, errors) == (0, "")
    first, second = shown.splitlines()
    assert first.startswith("2035-03-18 08:00:00 UTC  Sun 18 Mar 2035 09:00 CET (Europe/Berlin), in ")
    assert second.startswith("2035-03-25 07:00:00 UTC  Sun 25 Mar 2035 09:00 CEST (Europe/Berlin), in ")
    assert not database.exists()


def test_preview_says_where_a_series_ends(tell: Tell) -> None:
    shown = tell("tasks", "preview", "once", "--at", LATER)[1]
    assert shown.splitlines()[1:] == ["nothing more after that"]
    assert tell("tasks", "preview", "once", "--at", "2020-01-01")[1] == "never: nothing of it lies ahead\n"
    assert tell("tasks", "preview", "sometimes")[2].startswith("omega-worker: repeat 'sometimes': unknown; ")


def test_migrate(tell: Tell, database: Path) -> None:
    old_files.build(database, 9)
    before = database.read_bytes()
    code, planned, errors = tell("migrate", "--dry-run")
    assert (code, errors) == (0, "")
    assert re.search(r"\d+ steps pending\n  010_\w+: ", planned)
    assert database.read_bytes() == before
    code, done, errors = tell("migrate")
    assert (code, errors) == (0, "")
    assert re.search(
        rf"^{database}: brought up to date in \d+ steps\n  the file as it was: ", done, re.MULTILINE
    )
    assert tell("migrate") == (0, f"{database}: up to date, nothing to do\n", "")
    assert tell("migrate", "--dry-run") == (0, f"{database}: up to date\n", "")


def test_migrate_makes_a_new_database(tell: Tell, database: Path) -> None:
    assert tell("migrate", "--dry-run") == (0, f"{database}: would be created\n", "")
    assert not database.exists()
    assert tell("migrate") == (0, f"{database}: created\n", "")
    assert database.stat().st_mode & 0o777 == 0o600


def test_migrate_leaves_what_is_no_database_alone(tell: Tell, database: Path) -> None:
    database.write_text("All my reminders, in prose.\n" * 99)
    for given in (("migrate",), ("migrate", "--dry-run"), ("tasks", "list")):
        code, shown, errors = tell(*given)
        assert (code, shown) == (1, "")
        assert errors.startswith(f"omega-worker: {database} is not an SQLite database.")
        assert errors.count("\n") == 1
