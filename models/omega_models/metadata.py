"""What the `metadata_json` of a message holds: who spoke and what came along, or how an answer was made."""

import json
from collections.abc import Mapping
from typing import Any

from omega_models import checks
from omega_models.errors import InvalidText
from omega_models.incoming import IncomingMessage, MessageMetadata

SENDER_NAME = "sender_name"
MAX_LENGTH = 100_000  # characters, whatever a Store's limit on texts is
ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

Metadata = MessageMetadata | Mapping[str, Any]


def of_incoming(incoming: IncomingMessage) -> str | None:
    """What is known of a user's message besides its text."""
    known = {
        SENDER_NAME: incoming.sender_name,
        "sent_at": incoming.timestamp.isoformat() if incoming.timestamp else None,
        "reply_to": incoming.reply_to,
        "source": incoming.source,
        "attachments": [_given(vars(each)) for each in incoming.attachments],
    }
    return to_json({name: value for name, value in known.items() if value})


def of_reply(metadata: Metadata | None, **marks: Any) -> str | None:
    """How an answer was made, and marks of our own such as `partial`."""
    given = vars(metadata) if isinstance(metadata, MessageMetadata) else checked(metadata)
    return to_json({**given, **marks})


def checked(given: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A mapping with texts for names."""
    found = checks.instance({} if given is None else given, "metadata", Mapping)
    if not all(isinstance(name, str) for name in found):
        raise InvalidText("the names in metadata must be texts")
    return found


def to_json(values: Mapping[str, Any]) -> str | None:
    """JSON text, None where there is nothing to say."""
    if not values:
        return None
    try:
        found = ENCODER.encode(dict(values))
    except (TypeError, ValueError) as error:
        raise InvalidText(f"metadata cannot be written as JSON: {error}") from error
    return checks.text(found, "metadata", MAX_LENGTH)


def read(stored: str | None) -> tuple[str | None, dict[str, Any] | None]:
    """The sender's name and everything else; what is not a JSON object is given as `unreadable`."""
    if not stored:
        return None, None
    try:
        found = json.loads(stored)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        return None, {"unreadable": stored}
    name = found.pop(SENDER_NAME, None)
    return (str(name) if name is not None else None), (found or None)


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
