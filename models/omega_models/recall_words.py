"""The words of a text as recall sees them: no accents, no case, and words of one beginning are akin. Pure."""

import re
import unicodedata
from functools import lru_cache

from omega_models.similarity import STOP_WORDS

# Letters and digits, and the signs that go with letters in scripts where these are no letters to Python.
SIGNS = (
    "\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0963\u0970-\u0fff\u1000-\u109f\u1780-\u17d3\u3099\u309a"
)
WORD = re.compile(f"(?:[^\\W_]|[{SIGNS}])+")
PARTICIPLE = re.compile(  # German and Dutch: gekauft, eingekauft, opgehaald begin as kaufen, einkaufen, ophalen do
    r"^(aan|ab|af|an|auf|aus|ein|her|hin|in|los|mee|mit|nach|na|neer|om|op|over|toe|uit|um|vor|voor|weg|zu)?ge"
    r"(?=[^\W\d_]{4})"
)
PLAIN_WORD = re.compile("[a-z0-9]+")
VOICED = "\u3099\u309a"  # which tell kana apart, where accents elsewhere hardly tell words apart
BEGINNING = 4  # letters that words of one family share
LONGEST_ENDING = 4
AKIN = 0.7  # how much a word of the same family is worth beside the very word
ALMOST = 0.5  # and one that is only a typing error away
ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщъыьэюя")
MOST_WORDS = 3000  # of one message; what follows is not searched

# Scripts that put no spaces between words: Thai, Lao, Myanmar, Khmer, kana, Han, Hangul.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]+"
)

# Words that say little in one language and are words of content in another: they stay in a question in the latter.
MEANINGFUL = frozenset("die war son sin come pour sans men man hat plus chi fur bin hem".split())
ENGLISH = frozenset(
    "the and are did does has have how it my that this to what when where which who why with you your".split()
)
LITTLE = frozenset(
    """
    a an and are as at be been being but by can did do does doing done down for from had has have having he her
    hers him his how i if in into is it its itself me mine more most my no nor of off on once only or other our
    ours out over own same she so than that the their theirs them then there these they this those through to
    too under until up very was we were what when where which while who whom whose why with you your yours s t d
    m ll re ve don didn doesn isn wasn aren couldn wouldn won haven hasn both each few such during against
    between because will would shall should could may might must not now
    also get got go goes going went gone make made kind sort type think say said tell told thing things like
    really
    de la el y o u en es un al lo le se me te mi tu su si no que ya yo da do na os as ao em um eu ou e nao ha
    cual cuales tengo tiene debo preciso tenho tem qual quais devo
    du au et il je on ne se ce sa ta ma si ou un en y a l d j c qu n m t s ai as avons avez suis es quel quelle
    quels quelles faut dois doit comment pourquoi
    im am an zu es er ja so ob da wo um ab in mit wann warum welche welcher welches welchen wird werden wurde
    wurden worden habe hast hat hatte haben bin bist kann soll muss
    di e a i il lo un si mi ti ci vi ne da in su ma o se ho ha e cosa quale quali abbiamo avete devo deve perche
    oltre
    ik je hij zij we ze te in op of en is er om al nu zo ja mij wanneer welke wordt worden werd kan zal moet
    и в на с к у о а но не я ты он мы вы же ли бы за по из от до то все
    """.split()
)


@lru_cache(maxsize=16_384)
def fold(word: str) -> str:
    """The word without case and accents."""
    if word.isascii():
        return word.lower()
    apart = unicodedata.normalize("NFKD", word.casefold())
    plain = "".join(letter for letter in apart if not unicodedata.combining(letter) or letter in VOICED)
    return unicodedata.normalize("NFC", plain)


# What says little in the one script that tells hardly anything by pairs of signs: kana are endings and particles.
KANA = re.compile("[\u3040-\u309f]+")
HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff]")
HAN_LITTLE = frozenset(
    "的了是我你他她它们在有不什么吗呢吧这那就也都和与及被把要会能可以个一上下里谁几怎样为何"
)


def words(text: str) -> list[str]:
    """The words in order; of scripts without spaces each character and each pair of neighbours."""
    text = text.lower()
    plain = text.isascii()
    spoken = (PLAIN_WORD if plain else WORD).findall(text)[:MOST_WORDS]
    if "ge" in text:
        spoken = [PARTICIPLE.sub(r"\1", word) if "ge" in word else word for word in spoken]
    if plain:
        return spoken
    found: list[str] = []
    for word in spoken:
        if word.isascii():
            found.append(word)
        elif UNSPACED.search(word):
            found += _pieces(fold(word))
        else:
            found += WORD.findall(fold(word))
    return found[:MOST_WORDS]


LITTLE_ANYWHERE = frozenset(words(" ".join(STOP_WORDS | LITTLE)))
STOPS = LITTLE_ANYWHERE - MEANINGFUL


def _pieces(word: str) -> list[str]:
    found: list[str] = []
    end = 0
    for run in UNSPACED.finditer(word):
        found += WORD.findall(word[end : run.start()])
        signs = run[0]
        found += [*signs, *(signs[n : n + 2] for n in range(len(signs) - 1))]
        end = run.end()
    return found + WORD.findall(word[end:])


def asked(question: str) -> list[str]:
    """What a question is about: its words once each, without those that say little, unless it has no others."""
    found = list(dict.fromkeys(words(question)))
    little = STOPS if ENGLISH.intersection(found) else LITTLE_ANYWHERE
    return [word for word in found if word not in little and not _is_small(word)] or found


def _is_small(word: str) -> bool:
    """Of scripts without spaces: what is not a pair of signs, nor Han, and what only joins words."""
    if not UNSPACED.match(word):
        return False
    if len(word) == 1:
        return not HAN.match(word) or word in HAN_LITTLE
    return bool(KANA.fullmatch(word)) or HAN_LITTLE.issuperset(word)


def beginning(word: str) -> str:
    """What the index knows the word by."""
    if len(word) == BEGINNING and word[-1] == "s" and word.isalpha():
        return word[:-1]
    return word[:BEGINNING]


@lru_cache(maxsize=65_536)
def likeness(asked_for: str, word: str) -> float:
    """1 for the very word, less for one of the same family (camp, camping, camped), else 0."""
    if asked_for == word:
        return 1.0
    longest, shared = max(len(asked_for), len(word)), _shared(asked_for, word)
    if shared == 3 and longest <= 5 and min(len(asked_for), len(word)) == 3:
        return AKIN
    if shared >= BEGINNING and longest - shared <= LONGEST_ENDING and not word.isdigit():
        return AKIN
    return 0.0


def _shared(one: str, other: str) -> int:
    for n, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return n
    return min(len(one), len(other))


def is_slip(one: str, other: str) -> bool:
    """Whether one letter too many, too few, another, or two exchanged make the one beginning the other."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = _shared(one, other)
    left, right = one[start:], other[start:]
    exchanged = left[:2] == right[1::-1] and left[2:] == right[2:]
    moved = len(one) == len(other) == BEGINNING and (left[1:] == right[:-1] or left[:-1] == right[1:])
    return left[1:] == right[1:] or left[1:] == right or left == right[1:] or exchanged or moved


def slips(start: str) -> list[str]:
    """Beginnings with the same first letter that one slip makes of that one; what is no word is among them."""
    first, rest = start[0], start[1:]
    alphabet = next((letters for letters in ALPHABETS if rest[:1] in letters), "")
    places = range(len(rest))
    fewer = [rest[:n] + rest[n + 1 :] for n in places]
    more = [rest[:n] + letter + rest[n:] for n in (*places, len(rest)) for letter in alphabet]
    others = [rest[:n] + letter + rest[n + 1 :] for n in places for letter in alphabet]
    swapped = [rest[:n] + rest[n + 1] + rest[n] + rest[n + 2 :] for n in places[:-1]]
    shorter = [
        each + letter for each in fewer for letter in alphabet
    ]  # the letter beyond the beginning moves up
    found = {first + each[: BEGINNING - 1] for each in (*fewer, *more, *others, *swapped, *shorter)}
    return sorted(found - {start})
