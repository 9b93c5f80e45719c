"""What a platform hands over is checked where it is made."""

import copy
import pickle
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from omega_models import (
    Attachment,
    ContextNeeds,
    IncomingMessage,
    InvalidId,
    InvalidText,
    InvalidTime,
    MessageMetadata,
    OutgoingMessage,
)


def test_only_channel_sender_and_text_are_needed() -> None:
    found = IncomingMessage("telegram", "42", "hi")
    assert (found.channel, found.sender_id, found.text) == ("telegram", "42", "hi")
    optional = ("sender_name", "timestamp", "reply_target", "platform_message_id", "reply_to", "source", "id")
    assert [getattr(found, name) for name in optional] == [None] * 7
    assert (found.is_group, found.attachments) == (False, ())
    with pytest.raises(TypeError):
        IncomingMessage("telegram", "42", "hi", "Ω")  # type: ignore[misc]


def test_numbers_become_text_and_lists_tuples() -> None:
    found = IncomingMessage(
        "telegram",
        -42,
        "hi",
        reply_target=7,
        platform_message_id=8,
        reply_to=9,
        attachments=[Attachment("photo")],
    )
    assert (found.sender_id, found.reply_target, found.platform_message_id, found.reply_to) == (
        "-42",
        "7",
        "8",
        "9",
    )
    assert found.attachments == (Attachment("photo"),)


@pytest.mark.parametrize(
    "given", ["2026-03-01T12:00:00+02:00", "2026-03-01 10:00", datetime(2026, 3, 1, 9, 59, 59, 1, tzinfo=UTC)]
)
def test_when_it_was_sent_becomes_utc(given: datetime | str) -> None:
    found = IncomingMessage("telegram", 42, "hi", timestamp=given)
    assert found.timestamp == datetime(2026, 3, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("error", "given"),
    [
        (InvalidId, {"channel": ""}),
        (InvalidId, {"sender_id": " "}),
        (InvalidId, {"sender_id": None}),
        (InvalidId, {"reply_target": ""}),
        (InvalidId, {"platform_message_id": ""}),
        (InvalidId, {"reply_to": True}),
        (InvalidId, {"id": ""}),
        (InvalidId, {"is_group": True}),
        (InvalidText, {"text": ""}),
        (InvalidText, {"text": None}),
        (InvalidText, {"text": "a\0b"}),
        (InvalidText, {"text": "\ud83d"}),
        (InvalidText, {"sender_name": "a\0b"}),
        (InvalidText, {"source": 7}),
        (InvalidText, {"attachments": ["photo"]}),
        (InvalidTime, {"timestamp": "soon"}),
    ],
)
def test_what_makes_no_sense_is_refused(error: type[Exception], given: dict[str, Any]) -> None:
    with pytest.raises(error):
        IncomingMessage(**({"channel": "telegram", "sender_id": 42, "text": "hi"} | given))


def test_a_text_may_be_empty_where_something_is_attached() -> None:
    assert IncomingMessage("telegram", 42, "", attachments=[Attachment("photo")]).text == ""


@pytest.mark.parametrize(
    ("error", "given"),
    [
        (InvalidId, {"kind": ""}),
        (InvalidText, {"filename": "a\0b"}),
        (InvalidText, {"ref": 7}),
        (ValueError, {"size": -1}),
    ],
)
def test_an_attachment_that_makes_no_sense(error: type[Exception], given: dict[str, Any]) -> None:
    with pytest.raises(error):
        Attachment(**({"kind": "photo"} | given))


def test_an_answer_and_how_it_was_made() -> None:
    found = OutgoingMessage("hi", MessageMetadata("local", 3, 40, "m", "s"), 42)
    assert (found.text, found.metadata.model, found.reply_target) == ("hi", "m", "42")
    assert OutgoingMessage("hi").metadata == MessageMetadata("", None, 0, None, None)
    with pytest.raises(InvalidText):
        OutgoingMessage("a\0b")


def test_a_group_is_told_by_where_its_answers_go() -> None:
    assert IncomingMessage("telegram", 42, "hi", reply_target=7, is_group=True).group == "7"
    assert IncomingMessage("telegram", 42, "hi", reply_target=7).group is None


def test_needs_are_all_on() -> None:
    assert ContextNeeds() == ContextNeeds(True, True, True, True, True)


def test_they_are_plain_frozen_values() -> None:
    found = IncomingMessage(
        "telegram", 42, "hi", timestamp="2026-03-01 10:00", attachments=[Attachment("photo")]
    )
    with pytest.raises(FrozenInstanceError):
        found.text = "bye"  # type: ignore[misc]
    assert found == copy.deepcopy(found) == pickle.loads(pickle.dumps(found))
    assert len({found, replace(found), replace(found, text="bye")}) == 2
