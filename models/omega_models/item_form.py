"""The stored form of an agent's item: its JSON, in which the lengths of its texts stand for them.

The texts themselves are one message, so that they are kept once. Pure: touches no database.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from omega_models import checks
from omega_models.errors import InvalidText
from omega_models.messages import ROLES
from omega_models.metadata import ENCODER

Item = dict[str, Any]

TEXT_PARTS = ("input_text", "output_text", "text")
BETWEEN = "\n"  # the texts of one message


class Draft(NamedTuple):
    """An item to be stored. `role` None: it is no message, and `item` is all of it."""

    item: str
    role: str | None
    text: str


def drafts(items: Sequence[Item], max_length: int) -> list[Draft]:
    """Raises `WrongType`, `InvalidText` or `TextTooLong`, which name the item by its place."""
    given = checks.several(items, "items")
    return [_draft(item, f"items[{place}]", max_length) for place, item in enumerate(given)]


def _draft(item: Item, name: str, max_length: int) -> Draft:
    checks.instance(item, name, dict)
    whole = checks.text(_encoded(item, name), name, max_length)
    for text in _strings(item):
        checks.storable(text, name)
    texts = _texts(item)
    if not texts:
        return Draft(whole, None, "")
    measured = ENCODER.encode(_with_texts(item, [len(text) for text in texts]))
    return Draft(measured, item["role"], BETWEEN.join(texts))


def _encoded(item: Item, name: str) -> str:
    try:
        found = ENCODER.encode(item)
        same = json.loads(found) == item
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidText(f"{name} cannot be written as JSON: {error}") from error
    if not same:
        raise InvalidText(f"{name} would change in JSON: use lists instead of tuples, and text as keys")
    return found


def _strings(item: Item) -> list[str]:
    found: list[str] = []
    waiting: list[Any] = [item]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            found.append(value)
        elif isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, list):
            waiting += value
    return found


def _texts(item: Item) -> list[str]:
    """What a user or an assistant says; nothing where the item is no such message, or blank."""
    if item.get("type", "message") != "message" or item.get("role") not in ROLES:
        return []
    found = _places(item)
    said = all(isinstance(text, str) for text in found) and "".join(found).strip()
    return found if said else []


def _places(item: Item) -> list[Any]:
    """What stands where an item has its texts."""
    content = item.get("content")
    if not isinstance(content, list):
        return [content]
    return [part.get("text") for part in content if _is_text(part)]


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") in TEXT_PARTS


def _with_texts(item: Item, texts: Sequence[Any]) -> Item:
    """The item with these in their places; a part for which none is left goes."""
    content = item.get("content")
    if not isinstance(content, list):
        return {**item, "content": texts[0]}
    rest = iter(texts)
    parts = [{**part, "text": next(rest, None)} if _is_text(part) else part for part in content]
    return {**item, "content": [part for part in parts if not _is_text(part) or part["text"] is not None]}


def read(stored: str, text: str | None) -> Item:
    """The item as it was added, with the text its message has now; None: it is no message."""
    item: Item = json.loads(stored)
    return item if text is None else _with_texts(item, _cut(text, _places(item)))


def _cut(text: str, lengths: Sequence[Any]) -> list[str]:
    """The texts of those lengths, or one text where it was edited; an imported item may hold anything there."""
    found, at = [], 0
    for length in lengths:
        if not isinstance(length, int):
            return [text]
        found.append(text[at : at + length])
        at += length + len(BETWEEN)
    whole = BETWEEN.join(found) == text and [len(each) for each in found] == list(lengths)
    return found if whole else [text]
