"""`omega-worker transfer`: what it says, and what it leaves alone."""

from pathlib import Path

import pytest
from command_line import apart, told

from omega_models import Store


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    apart(tmp_path, monkeypatch)
    with Store(tmp_path / "memory.db") as store:
        conversation = store.get_or_create_conversation("telegram", 42)
        store.append_message(conversation, "user", "My sister plays the oboe.")
        store.append_message(conversation, "assistant", "How lovely.")
        store.create_task("telegram", 42, 42, "Call John", "2030-01-01 09:00")
    return tmp_path


SAID = """\
5 rows copied; every one was read again and compared
  conversations              1
  messages                   2
  recall_chats               1
  scheduled_tasks            1
2 messages indexed for recall; the source is as it was
"""


def test_it_says_what_it_copied(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, "transfer", "memory.db", "new.db") == (0, SAID, "")
    with Store(home / "new.db") as new:
        assert [task.description for task in new.get_tasks_for_sender(42)] == ["Call John"]


def test_a_dry_run_makes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = told(capsys, "transfer", "memory.db", "new.db", "--dry-run")
    assert (code, said.splitlines()[0], said.splitlines()[-1]) == (
        0,
        "5 rows would be copied",
        "nothing was written",
    )
    assert not (home / "new.db").exists()


def test_a_refusal_is_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, complained = told(capsys, "transfer", "memory.db", "memory.db")
    assert (code, said) == (1, "")
    assert complained == f"omega-worker: {home / 'memory.db'} is the source itself\n"


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("memory.db", "postgresql://omega:very-secret@db.internal/omega"), "TO"),
        (("postgresql://db.internal/omega?password=very-secret", "new.db"), "FROM"),
    ],
)
def test_a_password_is_refused_and_not_repeated(
    given: tuple[str, str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, said, complained = told(capsys, "transfer", *given)
    assert (code, said) == (1, "")
    assert complained.startswith(f"omega-worker: {named}: a password there can be read by everybody")
    assert "very-secret" not in complained
