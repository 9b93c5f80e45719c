"""A context as one text, and as the messages that models' interfaces take."""

from typing import Any

from omega_models import Context, Message


def context(*history: tuple[str, str], **more: Any) -> Context:
    return Context("Be kind.", [Message(*each) for each in history], "And now?", "c", **more)


def test_one_text() -> None:
    said = (("user", "Hi"), ("assistant", "Hello"))
    assert context(*said).to_prompt_string() == (
        "[System]\nBe kind.\n\n[User]\nHi\n\n[Assistant]\nHello\n\n[User]\nAnd now?"
    )
    assert context(*said, session_id="s").to_prompt_string() == "[System]\nBe kind.\n\n[User]\nAnd now?"
    assert context(*said, agent_name="a").to_prompt_string() == "And now?"


def test_messages_take_turns_beginning_with_the_user() -> None:
    said = (
        ("assistant", "Hey"),
        ("user", "Hi"),
        ("user", "there"),
        ("assistant", " "),
        ("assistant", "Hello"),
        ("user", "So"),
    )
    assert context(*said).to_api_messages() == (
        "Be kind.",
        [
            {"role": "user", "content": "Hi\n\nthere"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "So\n\nAnd now?"},
        ],
    )
