"""A new `.env`: every setting with its sentence and its default, commented out."""

import textwrap
from collections.abc import Iterator

from pydantic import BaseModel

from omega_worker.settings import Settings

EXAMPLES = {
    "channels": ("CONSOLE", "console"),
    "rates": ("TELEGRAM", "30/s 1/s"),
}  # one line for each channel
HEAD = """\
# Settings of Omega's worker, each with its default. Remove the # in front of what you change, then
# `systemctl reload` the worker; it says in its log which changes hold only after a restart.
"""


def settings_page(database_url: str | None = None) -> str:
    """Everything commented out but, where it is given, the database."""
    blocks = [HEAD, *_blocks(Settings.defaults(), "OMEGA_")]
    page = "\n".join(blocks)
    if database_url is None:
        return page
    line = f"OMEGA_DATABASE_URL={Settings.defaults().database_url}"
    return page.replace(f"# {line}", f"OMEGA_DATABASE_URL={database_url}")


def _blocks(model: BaseModel, prefix: str) -> Iterator[str]:
    for field, info in type(model).model_fields.items():
        value, name = getattr(model, field), f"{prefix}{field.upper()}"
        if isinstance(value, BaseModel):
            yield from _blocks(value, f"{name}__")
            continue
        if field in EXAMPLES:
            channel, value = EXAMPLES[field]
            name = f"{name}__{channel}"
        yield f"{_comment(info.description or '')}\n# {name}={_text(value)}\n"


def _comment(sentence: str) -> str:
    return textwrap.fill(sentence, 100, initial_indent="# ", subsequent_indent="# ")


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(value) if isinstance(value, tuple) else str(value)
