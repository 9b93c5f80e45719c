"""The examples run as programs, as anybody would start them, and do what they say."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from fake_bot_api import TOKEN, BotApi

from omega_models import Store

EXAMPLES = Path(__file__).parent.parent / "examples"
PATIENCE = 60
LINES = 80
AIOGRAM_SAYS = "Received SIGINT signal\n"


def due_now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}"


@contextmanager
def running(example: str, folder: Path, *arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """The example as a program in that folder; at the end it is interrupted and must end cleanly."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / example), *arguments]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    program = subprocess.Popen(command, cwd=folder, env=os.environ | variables, text=True, **pipes)  # type: ignore[call-overload]
    try:
        yield program
        if program.poll() is None:
            program.send_signal(signal.SIGINT)
        _, complaints = program.communicate(timeout=PATIENCE)
        assert complaints.replace(AIOGRAM_SAYS, "") == ""
        assert program.returncode == 0
    finally:
        program.kill()
        program.communicate()


def test_each_is_short_and_says_what_it_is() -> None:
    for example in EXAMPLES.glob("*.py"):
        lines = example.read_text().splitlines()
        assert len(lines) < LINES, example.name
        assert any(f"python examples/{example.name}" in line for line in lines[:8]), example.name


def test_the_terminal_bot_talks_reminds_and_remembers(tmp_path: Path) -> None:
    with running("asyncio_bot.py", tmp_path) as bot:
        assert bot.stdin is not None
        assert bot.stdout is not None

        def say(words: str) -> None:
            bot.stdin.write(f"{words}\n")
            bot.stdin.flush()

        say("Hello")
        assert bot.stdout.readline() == "You said: Hello (0 messages before)\n"
        say("/remind tomorrow Call John")
        assert "ISO" in bot.stdout.readline()
        say(f"/remind {due_now()} Call John")
        assert {bot.stdout.readline()[:8] for _ in range(2)} == {"I will r", "Reminder"}
        say("")
        bot.wait(PATIENCE)
    with running("asyncio_bot.py", tmp_path) as bot:
        out, _ = bot.communicate("What did I say?\n\n", timeout=PATIENCE)
        assert out == "You said: What did I say? (2 messages before)\n"


@pytest.mark.parametrize("example", ["telegram_bot.py", "aiogram_bot.py"])
def test_a_telegram_bot_answers_once_reminds_and_follows_edits(example: str, tmp_path: Path) -> None:
    if example.startswith("aiogram") and not find_spec("aiogram"):
        pytest.skip("aiogram is not for this Python")
    with BotApi() as api:
        with running(example, tmp_path, TELEGRAM_TOKEN=TOKEN, TELEGRAM_API=api.url):
            first = api.write("Apples, please")
            assert api.wait_for(1) == ["You said: Apples, please"]
            api.write("Apples, please", number=first)
            api.write("Pears, please", number=first, kind="edited_message")
            api.write(f"/remind {due_now()} Call John")
            assert sorted(api.wait_for(3)[1:])[1] == "Reminder: Call John"
            api.write("/remind soon Call John")
            assert "ISO" in api.wait_for(4)[-1]
            api.refuse("Reminder: Drink water", 403, "Forbidden: bot was blocked by the user")
            api.write(f"/remind {due_now()} Drink water")
            api.wait_for(5)
            twice = api.write("/remind 2100-01-01T09:00 Call Mary")
            api.write("/remind 2100-01-01T09:00 Call Mary", number=twice)
            api.wait_for(7)
            api.wait_until_read()
        assert len(api.sent) == 7
        with Store(tmp_path / "memory.db") as store:
            (conversation,) = store.find_all_active_conversations()
            assert store.get_conversation_messages(conversation.id) == [
                ("user", "Pears, please"),
                ("assistant", "You said: Apples, please"),
                ("assistant", "Reminder: Call John"),
            ]
            assert [task.description for task in store.list_tasks()] == ["Call Mary"]
            assert [task.description for task in store.list_tasks(status="failed")] == ["Drink water"]
            assert {task.description for task in store.list_tasks(status="delivered")} == {"Call John"}


def test_the_chat_server_reminds_whoever_is_there(tmp_path: Path) -> None:
    with running("threaded_bot.py", tmp_path, "0") as server:
        assert server.stdout is not None
        port = int(server.stdout.readline().removeprefix("Listening on port "))
        with chat(port) as john, chat(port) as mary:
            assert ask(john, "John\nHello") == "You said: Hello"
            assert ask(mary, "Mary\nGood morning") == "You said: Good morning"
            assert "ISO" in ask(john, "/remind soon Call Mary")
            answers = {ask(john, f"/remind {due_now()} Call Mary")[:8], john.recv(100).decode()[:8]}
            assert answers == {"I will r", "Reminder"}


@contextmanager
def chat(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(PATIENCE)
        yield connection


def ask(connection: socket.socket, words: str) -> str:
    connection.sendall(f"{words}\n".encode())
    return connection.recv(1000).decode().rstrip("\n")
