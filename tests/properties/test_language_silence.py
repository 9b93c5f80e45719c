"""What tells no language never fixes one: names, addresses, numbers, sounds, signs, and any mixture of them."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from omega_models import detect_language, language
from omega_models.language import CONFIDENT

FIRST = (
    "Ada Alan Anna Carl Emmy Ferdinand Galileo Isaac Johann José Lise Ludwig Marie Miguel Rosa Sofja Лев Анна"
)
LAST = "Cervantes Curie Galilei Gauss Gödel Lovelace Luxemburg Meitner Newton Noether Толстой Müller García"
PARTICLES = ["van", "von", "de", "da", "di", "del", "van der", "de la", "al", "ten"]
TOWNS = [
    "Rio de Janeiro", "Los Angeles", "Den Haag", "Frankfurt am Main", "Stratford upon Avon", "La Paz",
    "Città del Vaticano", "San Sebastián", "Le Havre", "Санкт-Петербург",
]  # fmt: skip
SOUNDS = [
    "ok",
    "OK!",
    "okay",
    "lol",
    "haha",
    "jajaja",
    "hmm",
    "wow",
    "yes",
    "no",
    "thx",
    "np",
    "xd",
    "k",
    "ups",
    "bravo",
]
SIGNS = [
    "👍",
    "👍🏽",
    "🎉",
    "❤️",
    "…",
    "?!",
    "+1",
    "->",
    "10:30",
    "42",
    "3.14",
    "2030-01-05",
    "€ 12,50",
    "#1",
    "✅",
]
ADDRESSES = [
    "https://www.example.com/de/wetter/heute", "http://example.org/la-casa-de-papel?q=el+tiempo", "anna@example.com",
    "www.example.fr/bonjour-le-monde", "@anna_de_la_torre", "/start", "#guten_morgen", "example.de", "rue_de_la_paix.pdf",
    "der-die-das.txt", "`SELECT der, die, das`",
]  # fmt: skip

first, last = st.sampled_from(FIRST.split()), st.sampled_from(LAST.split())
people = st.one_of(
    first,
    last,
    st.builds("{} {}".format, first, last),
    st.builds("{} {} {}".format, first, st.sampled_from(PARTICLES), last),
)
names = people | st.sampled_from(TOWNS)
wordless = st.sampled_from([*SOUNDS, *SIGNS, *ADDRESSES])


@pytest.fixture(params=["words", "library"], autouse=True, scope="module")
def method(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "words":
            patch.setattr(language, "is_installed", lambda: False)
        else:
            pytest.importorskip(language.LIBRARY)
            detect_language("The library is loaded before anything is measured.")
        yield


def is_silent(text: str) -> bool:
    found = language.detect(text)
    return found is None or found[1] < CONFIDENT


@given(st.lists(wordless, min_size=1, max_size=6).map(" ".join))
def test_sounds_signs_and_addresses_tell_nothing(text: str) -> None:
    assert language.detect(text) is None
    assert detect_language(text) == "English"


@given(names, st.lists(wordless, max_size=3))
def test_a_name_fixes_no_language_whatever_stands_with_it(name: str, others: list[str]) -> None:
    for text in (name, " ".join([name, *others]), " ".join([*others, name])):
        assert is_silent(text), text


@given(people)
def test_not_even_in_small_letters(name: str) -> None:
    assert is_silent(name.lower())


@given(st.text(max_size=40))
def test_any_text_is_answered(text: str) -> None:
    found = language.detect(text)
    assert found is None or 0 <= found[1] <= 1
    assert detect_language(text) in set(language.LANGUAGES.values())


@given(st.text(alphabet=st.characters(blacklist_categories=("L",)), max_size=40))
def test_what_has_no_letters_tells_nothing(text: str) -> None:
    assert language.detect(text) is None
