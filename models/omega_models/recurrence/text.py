"""The text of a repeat: what is accepted, and what it means from an anchor."""

from functools import lru_cache
from typing import NamedTuple

from omega_models.errors import InvalidRepeat
from omega_models.recurrence.cron import Cron, parse_cron
from omega_models.recurrence.pattern import Pattern
from omega_models.recurrence.rrule import Rule, parse_rule
from omega_models.recurrence.rrule_pattern import ever_fires, rule_pattern
from omega_models.recurrence.seconds import LAST
from omega_models.recurrence.words import WORDS, once_pattern, word_pattern

_CRON, _RRULE = "cron:", "RRULE:"
_LONGEST = 2_000
_ACCEPTED = "once, daily, weekdays, weekly, monthly, yearly, 'cron:m h dom mon dow' or 'RRULE:FREQ=...'"


class Meaning(NamedTuple):
    """What a repeat means from an anchor.

    `until`: the last instant allowed. `shifts`: wall-clock times in a gap move forward, else they
    do not happen. `twice`: both readings of an ambiguous time happen, else the first.
    `workdays`: what would move from a Friday to a Saturday does not happen.
    """

    pattern: Pattern
    until: int = LAST
    shifts: bool = True
    twice: bool = False
    workdays: bool = False


def parse_repeat(repeat: str | None) -> str | None:
    """The text a repeat is stored as; None for None and `once`.

    Words are lower-cased, `cron:` fields are separated by single spaces, an `RRULE:` is upper-cased.
    `InvalidRepeat` says what is wrong and what is accepted.
    """
    if repeat is None:
        return None
    if not isinstance(repeat, str) or len(repeat) > _LONGEST:
        raise InvalidRepeat(f"a repeat is text of at most {_LONGEST} characters: {_ACCEPTED}")
    return _parse(repeat)


def known_repeat(repeat: str | None) -> str | None:
    """The same for a row another program wrote: what is unknown behaves as `daily`."""
    try:
        return parse_repeat(repeat)
    except InvalidRepeat:
        return "daily"


@lru_cache(maxsize=1024)
def meaning(repeat: str | None, anchor: int) -> Meaning:
    """What a canonical repeat means from the wall second of its anchor."""
    if repeat is None:
        return Meaning(once_pattern(anchor))
    if repeat in WORDS:
        return Meaning(word_pattern(repeat, anchor), workdays=repeat == "weekdays")
    if repeat.startswith(_CRON):
        return _cron_meaning(repeat)
    rule = _rule(repeat.removeprefix(_RRULE))
    until = rule.until.seconds if rule.until and rule.until.kind == "utc" else LAST
    return Meaning(rule_pattern(rule, anchor), until)


@lru_cache(maxsize=1024)
def _cron_meaning(repeat: str) -> Meaning:
    cron: Cron = parse_cron(repeat.removeprefix(_CRON))
    return Meaning(cron.pattern, shifts=cron.shifts, twice=cron.any_hour)


@lru_cache(maxsize=1024)
def _parse(repeat: str) -> str | None:
    text = repeat.strip()
    try:
        return _canonical(text)
    except InvalidRepeat as error:
        raise InvalidRepeat(f"repeat {text[:80]!r}: {error}; accepted are {_ACCEPTED}") from error


def _canonical(text: str) -> str | None:
    word, prefix = text.lower(), text[:6].upper()
    if word == "once":
        return None
    if word in WORDS:
        return word
    if word.startswith(_CRON):
        fields = " ".join(text[len(_CRON) :].split())
        parse_cron(fields)
        return _CRON + fields
    if prefix == _RRULE:
        return _RRULE + _checked_rule(text[len(_RRULE) :].strip().upper())
    raise InvalidRepeat("unknown")


def _checked_rule(rule: str) -> str:
    if len(rule.split()) > 1:
        raise InvalidRepeat("one RRULE only, without lines such as DTSTART, EXDATE or a second rule")
    if not ever_fires(_rule(rule)):
        raise InvalidRepeat("no date fits all parts of the RRULE: it would never fire")
    return rule


@lru_cache(maxsize=1024)
def _rule(text: str) -> Rule:
    return parse_rule(text)
