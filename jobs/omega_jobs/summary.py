"""A summary in the user's own words, made offline: at most two sentences of what they said and wanted.

The method is Luhn's (1958) with one addition. A sentence weighs what its significant words weigh: each
counts as often as the user used it in the conversation, and the sum is divided by the root of the sentence's
length, so that long sentences do not win by length alone. A sentence that asks for something weighs half as
much again. The heaviest two are kept, in the order they were said. Stop words are those of the eight
languages that the memory knows; scripts without spaces are weighed by pairs of characters.
"""

import re
from collections import Counter
from collections.abc import Iterable
from math import sqrt

from omega_models.similarity import significant_words

EMPTY = "(empty conversation)"
SENTENCES = 2
LONGEST = 240
ASKING = 1.5
SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s+|(?<=[。！？])|\n+")
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\u0e00-\u0e7f]{2,}")
REQUESTS = re.compile(
    r"\?|？|¿|\b("
    r"want|need|please|remind|help|can you|could you|would like|"
    r"quiero|necesito|por favor|recuérdame|ayuda|puedes|podrías|"
    r"quero|preciso|lembra|lembre|ajuda|pode|poderia|"
    r"veux|voudrais|besoin|rappelle|aide|peux-tu|pouvez|s'il te plaît|s'il vous plaît|"
    r"möchte|will|brauche|bitte|erinnere|hilf|kannst|könntest|"
    r"voglio|vorrei|bisogno|ricordami|aiuto|puoi|potresti|per favore|"
    r"wil|graag|nodig|herinner|help|kun je|kan je|alsjeblieft|"
    r"хочу|нужно|надо|пожалуйста|напомни|помоги|можешь|могли бы"
    r")\b",
    re.IGNORECASE,
)


def summarise(messages: Iterable[tuple[str, str]]) -> str:
    """At most two sentences of the user's; `(empty conversation)` where the user said nothing.

    `messages` are (role, content) pairs, oldest first.
    """
    sentences = _distinct(
        sentence for role, content in messages if role == "user" for sentence in split(content)
    )
    if not sentences:
        return EMPTY
    use = Counter(word for sentence in sentences for word in words(sentence))
    heaviest = sorted(range(len(sentences)), key=lambda place: -weight(sentences[place], use))[:SENTENCES]
    return " ".join(_cut(sentences[place]) for place in sorted(heaviest))


def split(text: str) -> list[str]:
    """The sentences of a text, in order, with single spaces."""
    return [line for part in SENTENCE_END.split(text) if (line := " ".join(part.split()))]


def words(sentence: str) -> set[str]:
    """What a sentence is about: significant words, and pairs of characters where nothing parts the words."""
    pairs = {run[place : place + 2] for run in UNSPACED.findall(sentence) for place in range(len(run) - 1)}
    return set(significant_words(UNSPACED.sub(" ", sentence))) | pairs


def weight(sentence: str, use: Counter[str]) -> float:
    """How much a sentence says, given how often each word is used in the conversation."""
    found = words(sentence)
    asked = ASKING if REQUESTS.search(sentence) else 1.0
    return asked * sum(use[word] for word in found) / sqrt(max(len(sentence.split()), len(found), 1))


def _distinct(sentences: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(sentences))


def _cut(sentence: str) -> str:
    return sentence if len(sentence) <= LONGEST else sentence[: LONGEST - 1].rstrip() + "…"
