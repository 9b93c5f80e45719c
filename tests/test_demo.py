"""`omega-worker demo`: what it shows is what the ledger holds, and nothing is left of it."""

import re
import signal
import tempfile
from pathlib import Path

import pytest
from command_line import Program, apart

from omega_worker.app import main

LINE = re.compile(
    r"^  \d\d:\d\d:\d\d\.\d{3}  (delivered|refused) +(.+?)   +([\d.]+) (ms|s) late", re.MULTILINE
)
WHEN = r"\d\d:\d\d:\d\d"


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for temporary files, and settings that must not be read."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    apart(tmp_path, monkeypatch)
    (tmp_path / ".env").write_text("OMEGA_MAX_ATTEMPTS=0\nOMEGA_DATABASE_URL=/nowhere/at/all.db\n")
    return folder


def left(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name != ".env" and path != folder / "temporary"]


def test_all_of_it(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["demo", "--seconds", "4"]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    assert_fits(shown, elsewhere)
    announced, delivered, ledger, ahead, goodbye, _ = re.split(r"\n\n(?=\S)", shown.partition("\n\n")[2])
    assert announced.count("\n  ") == 5
    assert_deliveries(delivered)
    assert_ledger(ledger)
    assert_ahead(ahead)
    assert re.match(
        rf"{elsewhere}/omega-demo-\w+/memory\.db was removed; nothing else was touched\.", goodbye
    )
    assert list(elsewhere.iterdir()) == []
    assert left(elsewhere.parent) == []


def assert_fits(shown: str, elsewhere: Path) -> None:
    """Plain text of 80 columns, paths apart."""
    lines = [line for line in shown.splitlines() if str(elsewhere) not in line]
    assert [line for line in lines if line != line.rstrip() or len(line) > 80] == []
    assert "\x1b" not in shown


def assert_deliveries(shown: str) -> None:
    lines = [(word, text) for word, text, _, _ in LINE.findall(shown)]
    assert sorted(lines) == [
        ("delivered", "Call John"),
        ("delivered", "Drink some water"),
        ("delivered", "Drink some water"),
        ("delivered", "Drink some water"),
        ("delivered", "Send the invoice"),
        ("delivered", "Stand up"),
        ("refused", "Send the invoice"),
    ]
    assert lines.index(("refused", "Send the invoice")) < lines.index(("delivered", "Send the invoice"))
    assert re.search(r"refused +Send the invoice .* HTTP 503, tried again$", shown, re.MULTILINE)
    assert re.search(r"delivered  Send the invoice .* attempt 2$", shown, re.MULTILINE)
    assert re.search(rf"Drink some water .* next {WHEN}$", shown, re.MULTILINE)
    assert re.search(r"Stand up .* next \w{3} \d+ \w{3}( \d{4})? \d\d:\d\d$", shown, re.MULTILINE)


def assert_ledger(shown: str) -> None:
    rows = [line for line in shown.splitlines() if "  delivered  " in line]
    assert len(rows) == 6
    assert re.search(
        rf"^  Send the invoice  {WHEN} +delivered +2 +[\d.]+ s  receipt demo-\d$", shown, re.MULTILINE
    )
    assert re.search(rf"^  Call John +{WHEN} +delivered +1 +\d+ ms  receipt demo-\d$", shown, re.MULTILINE)
    assert re.search(
        r"^  6 of 6 delivered, once each, at most .* late; 1 refused and sent again\.$", shown, re.MULTILINE
    )


def assert_ahead(shown: str) -> None:
    assert re.search(r"^  Stand up +comes again .*, in 23 h 59 min$", shown, re.MULTILINE)
    assert re.search(r"^  Drink some water +comes again .*, in ", shown, re.MULTILINE)
    assert shown.count("nothing more: it was delivered") == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 128 + signal.SIGTERM)])
def test_a_signal_ends_it_and_leaves_nothing(elsewhere: Path, number: signal.Signals, code: int) -> None:
    with Program(elsewhere.parent, "demo", "--seconds", "5", TMPDIR=str(elsewhere)) as shown:
        shown.wait_for("delivered  Call John")
        shown.send(number)
        assert shown.end() == code
    assert "Traceback" not in shown.said
    assert list(elsewhere.iterdir()) == []
