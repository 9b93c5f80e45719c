import pytest
from hypothesis import given
from hypothesis import strategies as st

from omega_jobs.summary import EMPTY, LONGEST, split, summarise


def talk(*said: str) -> list[tuple[str, str]]:
    return [("user", text) for text in said]


def test_nothing_said() -> None:
    assert summarise([]) == EMPTY
    assert summarise(talk("", "  \n ")) == EMPTY
    assert summarise([("assistant", "Good morning! How can I help?")]) == EMPTY


def test_what_the_user_wanted_is_kept_and_small_talk_is_not() -> None:
    found = summarise(
        [
            ("user", "Hi! How are you?"),
            ("assistant", "Fine, thanks. And you?"),
            ("user", "My passport runs out in June. I need to renew the passport before the trip to Norway."),
            ("assistant", "Shall I remind you?"),
            ("user", "Yes. Please remind me to book the passport appointment on Friday."),
            ("user", "ok thanks"),
        ]
    )
    assert "renew the passport" in found
    assert "remind me to book the passport appointment" in found
    assert "thanks" not in found
    assert len(split(found)) == 2


@pytest.mark.parametrize(
    ("chatter", "wish"),
    [
        ("Hola, buenos días.", "Necesito cambiar la cita del dentista para el martes."),
        ("Olá, tudo bem?", "Preciso marcar a consulta do dentista na terça."),
        ("Bonjour, ça va.", "Je voudrais déplacer le rendez-vous chez le dentiste à mardi."),
        ("Hallo, guten Morgen.", "Ich möchte den Termin beim Zahnarzt auf Dienstag verschieben."),
        ("Ciao, come stai.", "Vorrei spostare l'appuntamento dal dentista a martedì."),
        ("Hoi, goedemorgen.", "Ik wil de afspraak bij de tandarts naar dinsdag verzetten."),
        ("Привет, доброе утро.", "Мне нужно перенести запись к стоматологу на вторник."),
        ("Hello, good morning.", "I want to move the appointment at the dentist to Tuesday."),
        ("你好。", "我想把牙医的预约改到星期二。"),
    ],
)
def test_in_every_language(chatter: str, wish: str) -> None:
    found = summarise(talk(chatter, chatter, wish, "👍", "ok"))
    assert wish in found


def test_the_order_in_which_it_was_said() -> None:
    first, second = "The garden fence needs new paint.", "Please order green paint for the garden fence."
    assert summarise(talk(first, "ok", second)) == f"{first} {second}"


def test_a_sentence_without_an_end_is_cut() -> None:
    assert len(summarise(talk("garden " * 500))) <= LONGEST


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text(max_size=200)), max_size=12))
def test_any_talk_has_a_short_summary_in_the_users_words(messages: list[tuple[str, str]]) -> None:
    found = summarise(messages)
    assert found
    assert len(found) <= 2 * LONGEST + 1
    said = {
        word
        for role, content in messages
        if role == "user"
        for part in split(content)
        for word in part.split()
    }
    if found != EMPTY and "…" not in found:
        assert set(found.split()) <= said
