"""Findings as a table or as JSON, and what they come to."""

import json
from collections import Counter
from collections.abc import Sequence

from omega_models.diagnosis import NOTE, PROBLEM, WARNING, Finding, counted, is_healthy


def show(found: Sequence[Finding], repaired: Sequence[str] = (), *, as_json: bool) -> None:
    if as_json:
        print(
            json.dumps({"healthy": is_healthy(found), **_plain(found), "repaired": list(repaired)}, indent=2)
        )
        return
    from omega_worker.commands.lines import one_line
    from omega_worker.commands.tables import Column, print_table

    rows = [(topic, level, text + _hint(remedy)) for topic, level, text, remedy in _without_repeats(found)]
    print_table([Column("WHAT"), Column("STATE"), Column("FOUND", takes_rest=True, wraps=True)], rows)
    print()
    for each in repaired:
        print(f"repaired: {one_line(each)}")
    print(_summary(found))


def _plain(found: Sequence[Finding]) -> dict[str, object]:
    listed = [
        {
            "topic": each.topic,
            "level": each.level.lower(),
            "text": each.text,
            "fix": each.remedy.name if each.remedy else None,
        }
        for each in found
    ]
    return {"findings": listed}


def _hint(remedy: object) -> str:
    name = getattr(remedy, "name", "")
    return f" [--fix: {name}]" if name else ""


def _without_repeats(found: Sequence[Finding]) -> list[Finding]:
    """A topic is named once where several lines tell of it."""
    topics = ["", *(each.topic for each in found)]
    return [
        each._replace(topic="" if topic == each.topic else each.topic)
        for topic, each in zip(topics, found, strict=False)
    ]


def _summary(found: Sequence[Finding]) -> str:
    counts = Counter(each.level for each in found)
    words = {PROBLEM: "problem", WARNING: "warning", NOTE: "note"}
    said = [counted(counts[level], word) for level, word in words.items() if counts[level]]
    fixable = sum(each.remedy is not None for each in found)
    hint = f"; --fix mends {fixable} of them" if fixable else ""
    if not said:
        return "Nothing is wrong."
    beginning = "" if counts[PROBLEM] else "Nothing is wrong; "
    return f"{beginning}{', '.join(said)}{hint}."
