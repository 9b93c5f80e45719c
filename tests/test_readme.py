"""What the README shows works."""

import re
import shlex
from pathlib import Path

import pytest

from omega_worker.commands.arguments import build_parser

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[list[str]]:
    lines = re.findall(r"^    omega-worker ([^#\n]+)", README, flags=re.MULTILINE)
    return [shlex.split(line) for line in lines]


def test_there_are_commands() -> None:
    assert len(commands()) >= 5


@pytest.mark.parametrize("arguments", commands(), ids=" ".join)
def test_every_command_is_one(arguments: list[str]) -> None:
    assert build_parser().parse_args(arguments).command is not None


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  it is our own text
    assert "+01:00" in capsys.readouterr().out
    assert (tmp_path / "memory.db").exists()


def test_every_file_it_points_to_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
