"""Days, months and years that a question names, and whether it asks for a time. Pure."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from omega_models.recall_words import words

MONTHS: tuple[str, ...] = (
    "january jan enero janeiro janvier januar jan gennaio januari января январь",
    "february feb febrero fevereiro fevrier februar febbraio februari февраля февраль",
    "march mar marzo marco mars marz maart марта март",
    "april apr abril avril aprile апреля апрель",
    "mayo maio mai maggio mei мая май",
    "june jun junio junho juin juni giugno июня июнь",
    "july jul julio julho juillet juli luglio июля июль",
    "august aug agosto aout augustus августа август",
    "september sept sep septiembre setembro septembre settembre сентября сентябрь",
    "october oct octubre outubro octobre oktober ottobre октября октябрь",
    "november nov noviembre novembro novembre ноября ноябрь",
    "december dec diciembre dezembro decembre dezember dicembre декабря декабрь",
)
MONTH = {name: number for number, names in enumerate(MONTHS, 1) for name in words(names)}
MAY = re.compile(
    r"\bMay\b(?!\s+(?:I|we|you|he|she|they|it)\b)|\b(?:in|of|since|until|last|this)\s+may\b|\d\s*may\b"
)

WHEN = frozenset(words("when cuándo cuando quand wann quando wanneer когда"))
TIMES = frozenset(
    words(
        """
        yesterday today tomorrow tonight ago last next week weeks weekend month months year years day days morning
        evening night recently soon since monday tuesday wednesday thursday friday saturday sunday summer winter
        spring autumn fall
        ayer hoy mañana anoche hace pasado pasada próximo próxima semana mes meses año años día días lunes martes
        miércoles jueves viernes sábado domingo
        ontem hoje amanhã atrás passado passada próximo próxima mês ano anos dia segunda terça quarta quinta sexta
        hier aujourd demain dernier dernière prochain prochaine semaine mois année ans jour lundi mardi mercredi
        jeudi vendredi samedi dimanche
        gestern heute morgen vor letzte letzten letztes nächste nächsten woche wochen monat jahr jahre tag tage montag
        dienstag mittwoch donnerstag freitag samstag sonntag
        ieri oggi domani fa scorso scorsa prossimo prossima settimana mese anno anni giorno lunedì martedì mercoledì
        giovedì venerdì sabato domenica
        gisteren vandaag morgen geleden vorige volgende week maand jaar dag maandag dinsdag woensdag donderdag vrijdag
        zaterdag zondag
        вчера сегодня завтра назад прошлой прошлом следующей неделе неделю месяц месяца год года лет день дней
        понедельник вторник среду четверг пятницу субботу воскресенье
        """
    )
)

YEAR = re.compile(r"(?:19|20)\d\d")
DAY = re.compile(r"(\d{1,2})(?:st|nd|rd|th)?")
ISO = re.compile(r"\b((?:19|20)\d\d)-(\d\d)(?:-(\d\d))?\b")
NEAR_DAYS, NEARBY_DAYS = 2, 10


class Asked(NamedTuple):
    """The date a question names, as far as it does, and whether it asks for one."""

    year: int | None = None
    month: int | None = None
    day: int | None = None
    when: bool = False

    def __bool__(self) -> bool:
        return self.year is not None or self.month is not None


def read(question: str, found: Iterable[str]) -> Asked:
    """What the question, of those words, says of time."""
    spoken = list(found)
    when = bool(WHEN.intersection(spoken[:3]))
    if iso := ISO.search(question):
        year, month, day = (int(part) if part else None for part in iso.groups())
        return Asked(year, month if month and month <= 12 else None, day, when)
    year = next((int(word) for word in spoken if YEAR.fullmatch(word)), None)
    month = next((MONTH[word] for word in spoken if word in MONTH), None)
    if month is None and MAY.search(question):
        month = 5
    return Asked(year, month, _day(spoken) if month else None, when)


def _day(spoken: list[str]) -> int | None:
    numbers = (int(found[1]) for word in spoken if (found := DAY.fullmatch(word)))
    return next((number for number in numbers if 1 <= number <= 31), None)


def is_named(word: str) -> bool:
    """Whether the word is part of a date rather than of a subject."""
    return word in MONTH or bool(YEAR.fullmatch(word))


def nearness(asked: Asked, moment: datetime) -> float:
    """How well a moment fits the date asked for: 0 not at all, 1 that month, 2 that very day."""
    if asked.year is not None and moment.year != asked.year:
        return 0.0
    if asked.month is None:
        return 1.0
    if asked.day is None:
        return 1.0 if moment.month == asked.month else 0.5 if _just_after(asked.month, moment) else 0.0
    apart = abs((moment.month - asked.month) * 30.5 + moment.day - asked.day)
    apart = min(apart, 366 - apart) if asked.year is None else apart
    return 2.0 if apart <= NEAR_DAYS else 1.0 if apart <= NEARBY_DAYS else 0.0


def span(asked: Asked, now: datetime) -> tuple[datetime, datetime] | None:
    """The day or month asked for, the latest of that name that has begun; None where no month is named."""
    if asked.month is None:
        return None
    try:
        begun = datetime(asked.year or now.year, asked.month, asked.day or 1, tzinfo=UTC)
        if asked.year is None and begun > now:
            begun = begun.replace(year=now.year - 1)
    except ValueError:  # such as the 31st of June
        return None
    return begun, begun + timedelta(days=1) if asked.day else _next_month(begun)


def _next_month(begun: datetime) -> datetime:
    return (begun + timedelta(days=31)).replace(day=1)


def _just_after(month: int, moment: datetime) -> bool:
    """What happened in a month is spoken of in the first days of the next one too."""
    return (moment.month - month) % 12 == 1 and moment.day <= 14
