"""The page about embedding: its code runs as it stands, its links lead somewhere, its reference is current."""

import ast
import asyncio
import importlib.util
import inspect
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

import omega_models
import omega_worker
from omega_models import Context, Store, testing

ROOT = Path(__file__).parent.parent
PAGES = ("embedding", "interface", "api")
PAGE = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def ask_model(context: Context) -> str:
    return f"You said: {context.current_message}"


def stream_model(context: Context) -> Iterator[str]:
    yield from ask_model(context)


async def model(context: Context) -> AsyncIterator[str]:
    for piece in stream_model(context):
        yield piece


async def send(_: omega_worker.Delivery) -> None:
    """A channel."""


def run(block: str, names: dict[str, Any]) -> None:
    """The block, and where it only defines a `main`, that too."""
    compiled = compile(block, "docs/embedding.md", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    main = names.pop("main", None)
    found = eval(compiled, names)
    if inspect.isawaitable(found):
        asyncio.run(in_a_coroutine(found))
    if names.get("main", main) is not main:
        asyncio.run(names["main"]())


async def in_a_coroutine(found: Any) -> None:
    await found


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the page leaves to the reader, and what it has imported by then."""
    monkeypatch.chdir(tmp_path)
    public = {name: getattr(omega_models, name) for name in omega_models.__all__}
    public |= {name: getattr(omega_worker, name) for name in omega_worker.__all__}
    own = {"ask_model": ask_model, "stream_model": stream_model, "model": model, "send": send, "sent": []}
    return {**public, **own, "FakeClock": testing.FakeClock}


def test_every_block_runs_after_those_before_it(
    names: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    first: dict[str, Any] = {}
    try:
        for block in BLOCKS:
            names |= {name: each for name, each in first.items() if name == "store"}
            run(block, names)
            first = first or dict(names)
    finally:
        first["store"].close()
    said = capsys.readouterr().out
    assert "Fact(key='name', value='Ann')" in said
    assert "'tomorrow' is not a time" in said
    assert "Antworte immer auf " in said


def test_the_first_lines_import_all_they_use(names: dict[str, Any]) -> None:
    first = {name: names[name] for name in ("ask_model",)}
    run(BLOCKS[0], first)
    with first["store"] as store:
        assert store.search_messages("Norway", None, 42)[0].role == "user"
        said = store.get_conversation_messages(first["turn"].conversation_id)
    assert [each.content for each in said] == [
        "My sister moved to Norway",
        "You said: My sister moved to Norway",
    ]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    text = (ROOT / "docs" / f"{page}.md").read_text(encoding="utf-8")
    for target, place in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
        file = ROOT / "docs" / target if target else ROOT / "docs" / f"{page}.md"
        assert file.exists(), target
        titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE) if place else []
        assert not place or place in [title.lower().replace(" ", "-") for title in titles]


def test_the_reference_is_what_the_code_says() -> None:
    spec = importlib.util.spec_from_file_location("tools_api_reference", ROOT / "tools" / "api_reference.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == generator.text(), generator.STALE


def test_every_public_name_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    for name in omega_models.__all__:
        assert re.search(rf"^#+ `?{name}\b|^- \*\*`{name}`", text, re.MULTILINE) or name == "AsyncAuditLogger"
    for name, each in vars(Store).items():
        assert name.startswith("_") or not callable(each) or f"#### `{name}`\n" in text
