"""`omega-worker export`, `import` and `forget`, as a person meets them."""

import io
import json
import os
import pty
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from command_line import apart, environment, told
from full_memory import Person, fill, remains

from omega_models import IncomingMessage, Store, backup
from omega_models.times import system_clock
from omega_worker.commands import bars, forgetting

Tell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    apart(tmp_path, monkeypatch)
    monkeypatch.setenv("OMEGA_DATABASE_URL", str(tmp_path / "memory.db"))
    return tmp_path / "memory.db"


@pytest.fixture
def person(database: Path) -> Person:
    with Store(database) as store:
        fill(store, "another")
        return fill(store)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Tell:
    return partial(told, capsys)


def answering(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Somebody sits at a terminal."""
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", terminal)


# Export


def test_export_writes_a_private_file_of_json_lines(person: Person, database: Path, tell: Tell) -> None:
    code, shown, errors = tell("export", person.aliases[0], "--to", "person.jsonl")
    file = database.with_name("person.jsonl")
    lines = file.read_text().splitlines()
    assert (code, shown, errors) == (0, f"exported {len(lines) - 1} rows to person.jsonl\n", "")
    assert file.stat().st_mode & 0o777 == 0o600
    with Store(database) as store:
        assert [json.loads(line) for line in lines] == list(store.export_sender(person.sender))
    assert sorted(each.name for each in database.parent.iterdir() if "jsonl" in each.name) == ["person.jsonl"]


def test_export_to_standard_output_is_nothing_but_the_records(person: Person, tell: Tell) -> None:
    code, shown, errors = tell("export", person.sender, "--to", "-")
    assert (code, errors) == (0, "")
    assert json.loads(shown.splitlines()[0])["table"] == "export"
    assert all(json.loads(line)["table"] for line in shown.splitlines())


def test_export_replaces_no_file_unasked(person: Person, database: Path, tell: Tell) -> None:
    file = database.with_name("person.jsonl")
    file.write_text("precious")
    code, shown, errors = tell("export", person.sender, "--to", "person.jsonl")
    assert (code, shown) == (1, "")
    assert "--force" in errors
    assert file.read_text() == "precious"
    assert tell("export", person.sender, "--to", "person.jsonl", "--force")[0] == 0
    assert file.read_text() != "precious"


@pytest.mark.usefixtures("person")
def test_export_of_nobody_makes_no_file(database: Path, tell: Tell) -> None:
    code, shown, errors = tell("export", "nobody", "--to", "person.jsonl")
    assert (code, shown) == (1, "")
    assert "nothing is kept of 'nobody'" in errors
    assert not database.with_name("person.jsonl").exists()


@pytest.mark.parametrize("place", [".", "missing/person.jsonl"])
def test_export_to_a_place_that_cannot_be(person: Person, tell: Tell, place: str) -> None:
    code, shown, errors = tell("export", person.sender, "--to", place)
    assert (code, shown) == (1, "")
    assert errors.startswith("omega-worker: ")


def test_an_export_that_breaks_off_leaves_nothing(
    person: Person, database: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("omega_worker.commands.exporting.json.dumps", full)
    code, _, errors = tell("export", person.sender, "--to", "person.jsonl")
    assert (code, "No space left" in errors) == (1, True)
    assert not [each for each in database.parent.iterdir() if "jsonl" in each.name]


# Import


def test_import_brings_it_in_once(person: Person, database: Path, tell: Tell) -> None:
    tell("export", person.sender, "--to", "person.jsonl")
    other = ("--database", str(database.with_name("other.db")))
    code, shown, _ = tell(*other, "import", "person.jsonl", "--dry-run")
    assert code == 0
    assert shown.startswith("would import ")
    code, done, _ = tell(*other, "import", "person.jsonl")
    assert code == 0
    assert done == shown.replace("would import", "imported")
    assert "messages 16" in done
    code, again, _ = tell(*other, "import", "person.jsonl")
    assert code == 0
    assert again.startswith("imported 0 rows from person.jsonl\n")
    assert "there already, left as they are" in again
    assert "other content" not in again


def test_import_says_what_differs(person: Person, database: Path, tell: Tell) -> None:
    tell("export", person.sender, "--to", "person.jsonl")
    with Store(database) as store:
        for key, _ in store.get_facts(person.sender):
            store.store_fact(person.sender, key, "another value")
    shown = tell("import", "person.jsonl")[1]
    assert "of them with other content: facts 2" in shown


def test_import_from_standard_input(
    person: Person, database: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell("export", person.sender, "--to", "person.jsonl")
    content = io.BytesIO(database.with_name("person.jsonl").read_bytes())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(content))
    code, shown, _ = tell("--database", str(database.with_name("other.db")), "import", "-")
    assert code == 0
    assert "from standard input" in shown


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hello\n", "record 1: this line is not JSON"),
        ('{"table": "export", "version": 1}\n{"table": "weather"}\n', "record 2: its table"),
        ('{"table": "export", "version": 9}\n', "update it"),
        ("[" * 100_000, "record 1: this line is not JSON"),
    ],
)
def test_import_names_the_line_that_is_wrong(database: Path, tell: Tell, content: str, says: str) -> None:
    database.with_name("person.jsonl").write_text(content)
    code, shown, errors = tell("import", "person.jsonl")
    assert (code, shown) == (1, "")
    assert errors.startswith("omega-worker: person.jsonl, record ")
    assert says in errors
    assert "Nothing was imported" in errors


def test_import_of_a_file_that_is_not_there(database: Path, tell: Tell) -> None:
    code, _, errors = tell("import", "person.jsonl")
    assert (code, errors) == (1, "omega-worker: person.jsonl: No such file or directory\n")
    assert not database.exists()


# Forget


def test_forget_leaves_nothing_and_names_the_copies(
    person: Person, database: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMEGA_BACKUP_FOLDER", str(database.with_name("backups")))
    copy = backup.make(database, database.with_name("backups"), system_clock()).file
    code, foreseen, _ = tell("forget", person.sender, "--dry-run")
    assert code == 0
    assert foreseen.startswith(f"would forget '{person.sender}', and as {', '.join(person.aliases)}: ")
    code, shown, errors = tell("forget", person.sender, "--yes")
    assert (code, errors) == (0, "")
    assert shown == foreseen.replace("would forget", "forgotten:")
    assert "messages 16" in shown
    assert str(copy) in shown
    with Store(database) as store:
        assert remains(store, person.words) == {}
    assert tell("forget", person.sender, "--yes")[1].startswith(f"forgotten: '{person.sender}': 0 rows\n")


def test_forget_asks_first(person: Person, tell: Tell, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("n\n", "\n", ""):
        answering(monkeypatch, answer)
        code, shown, errors = tell("forget", person.sender)
        assert (code, errors) == (1, "omega-worker: nothing was forgotten\n")
        assert "Forget this for ever? [y/N]" in shown
    answering(monkeypatch, "y\n")
    code, shown, _ = tell("forget", person.sender)
    assert code == 0
    assert "forgotten: " in shown


def test_forget_does_nothing_where_nobody_can_be_asked(
    person: Person, database: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    code, shown, errors = tell("forget", person.sender)
    assert (code, shown) == (2, "")
    assert "--yes" in errors
    with Store(database) as store:
        assert store.get_facts(person.sender)


def test_forget_one_conversation(database: Path, tell: Tell) -> None:
    with Store(database) as store:
        here = store.store_exchange(IncomingMessage("chat", "1", "hello"), "hello")
        store.store_fact(1, "name", "Ada")
    code, shown, _ = tell("forget", "--conversation", here, "--yes")
    assert code == 0
    assert shown == f"forgotten: conversation {here}: 3 rows\n  rows      messages 2, conversations 1\n"
    with Store(database) as store:
        assert store.get_fact(1, "name") == "Ada"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("given", [[], ["1", "--conversation", "2"]])
def test_forget_wants_to_know_whom(tell: Tell, given: list[str]) -> None:
    assert tell("forget", *given, "--yes")[0] == 2


def test_forget_says_when_the_file_is_in_use(
    person: Person, database: Path, tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("omega_models.erasing.PATIENCE", 0.1)
    with Store(database) as store, store.database.snapshot():
        store.get_facts(1)
        code, _, errors = tell("forget", person.sender, "--yes")
    assert code == 1
    assert "the rows are gone" in errors
    assert tell("forget", person.sender, "--yes")[0] == 0


@pytest.mark.postgres
def test_forget_on_a_server_names_what_is_out_of_reach(
    postgres_database: str, database: Path, tell: Tell
) -> None:
    with Store(postgres_database) as store:
        person = fill(store)
    code, shown, _ = tell("--database", postgres_database, "forget", person.sender, "--yes")
    assert code == 0
    assert forgetting.OUT_OF_REACH in shown
    assert not database.exists()


# On a terminal


def test_bars_are_for_terminals(capsys: pytest.CaptureFixture[str]) -> None:
    with bars.bar("importing", 10) as advance, bars.spinner() as say:
        advance(5)
        say("writing the file anew")
    assert capsys.readouterr() == ("", "")


def test_a_terminal_sees_how_far_it_has_come(person: Person, database: Path) -> None:
    """Standard error is the terminal, standard output the file."""
    ours, theirs = pty.openpty()
    program = (sys.executable, "-c", "import sys; from omega_worker.app import main; sys.exit(main())")
    settings = environment(database.parent, OMEGA_DATABASE_URL=str(database), TERM="xterm")
    child = os.posix_spawn(
        sys.executable,
        [*program, "export", person.sender, "--to", str(database.with_name("person.jsonl"))],
        settings,
        file_actions=[(os.POSIX_SPAWN_DUP2, theirs, 2)],
    )
    _, status = os.waitpid(child, 0)
    os.close(theirs)
    seen = os.read(ours, 65536)
    os.close(ours)
    assert status == 0
    assert b"exporting" in seen
