"""A type checker catches a typo, a wrong argument and a forgotten await before the bot runs."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CACHE = ROOT / ".mypy_cache"
BOT = """
from omega_models import AsyncAuditLogger, AsyncStore, AuditEntry, Fact, IncomingMessage, Store


async def right(incoming: IncomingMessage) -> str:
    async with AsyncStore("memory.db", max_text=100) as store:
        facts: list[Fact] = await store.get_facts(42)
        async with store.exchange(incoming, "Be kind.") as turn:
            turn.write("hi")
        await AsyncAuditLogger(store).log(AuditEntry("telegram", 42, "hello"))
        async for record in store.export_sender(42):
            record.get("table")
        await store.create_task("telegram", 42, 42, "Call John", "2030-01-01", dedupe="off")
        await AsyncStore(Store(":memory:")).aclose()
        return facts[0].value + turn.conversation_id


async def wrong(store: AsyncStore, incoming: IncomingMessage) -> None:
    await store.get_fcat(42, "name")  # attr-defined
    await store.get_fact(42, b"name")  # arg-type
    await store.get_fact(42)  # call-arg
    await store.create_task("telegram", 42, 42, "x", "2030-01-01", timezon="UTC")  # call-arg
    store.store_fact(42, "name", "Ann")  # unused-coroutine
    (await store.get_fact(42, "name")).upper()  # union-attr
    store.get_fact(42, "name").upper()  # attr-defined
    facts: list[Fact] = store.get_facts(42)  # assignment
    for fact in store.get_facts(42):  # attr-defined
        print(fact, facts)
    with store.exchange(incoming) as turn:  # attr-defined
        turn.write("hi")
    async with store.exchange(incoming) as other:
        other.wirte("hi")  # attr-defined
    for record in store.export_sender(42):  # attr-defined
        print(record)
    AsyncStore("memory.db", max_txet=1)  # call-arg
    AsyncAuditLogger(store).recent(5)  # unused-coroutine
"""


@pytest.fixture
def found(tmp_path: Path) -> dict[int, set[str]]:
    """The codes of the errors `mypy --strict` finds, by line."""
    bot = tmp_path / "bot.py"
    bot.write_text(BOT)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", "pyproject.toml", str(bot)]
    options = ["--no-error-summary", "--no-pretty", "--follow-imports=silent", "--cache-dir", str(CACHE)]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    errors: dict[int, set[str]] = {}
    for line, code in re.findall(r"^.*bot\.py:(\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE):
        errors.setdefault(int(line), set()).add(code)
    return errors


def marked() -> dict[int, set[str]]:
    lines = enumerate(BOT.splitlines(), start=1)
    return {number: {line.rpartition("  # ")[2]} for number, line in lines if "  # " in line}


def test_each_mistake_is_found_and_nothing_else(found: dict[int, set[str]]) -> None:
    for number, codes in marked().items():
        assert codes <= found.get(number, set()), BOT.splitlines()[number - 1]
    assert found.keys() == marked().keys()
