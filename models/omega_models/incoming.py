"""What comes in from a platform, what goes out to it, and what an answer needs: checked where it is made."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from omega_models import checks, times
from omega_models.errors import InvalidId, InvalidText

MAX_TEXT = 2**62  # the Store that keeps a text knows the real limit


@dataclass(frozen=True)
class Attachment:
    """A file that came with a message; `ref` is where the platform keeps it, `size` counts bytes."""

    kind: str
    filename: str | None = None
    mime: str | None = None
    size: int | None = None
    ref: str | None = None

    def __post_init__(self) -> None:
        checks.identifier(self.kind, "kind")
        for name in ("filename", "mime", "ref"):
            optional_text(getattr(self, name), name)
        if self.size is not None:
            checks.limit(self.size, "size")


@dataclass(frozen=True)
class MessageMetadata:
    """How an answer was made."""

    provider_used: str = ""
    tokens_used: int | None = None
    processing_time_ms: int = 0
    model: str | None = None
    session_id: str | None = None


@dataclass(frozen=True)
class OutgoingMessage:
    """An answer, and how it was made."""

    text: str
    metadata: MessageMetadata = MessageMetadata()
    reply_target: str | int | None = None

    def __post_init__(self) -> None:
        checks.text(self.text, "text", MAX_TEXT)
        object.__setattr__(self, "reply_target", optional_id(self.reply_target, "reply_target"))


@dataclass(frozen=True)
class ContextNeeds:
    """Which parts of the context are wanted; what is off costs no query."""

    recall: bool = True
    pending_tasks: bool = True
    profile: bool = True
    summaries: bool = True
    outcomes: bool = True


@dataclass(frozen=True, init=False)
class IncomingMessage:
    """A message from a platform.

    Ids are text or numbers and are kept as text. `timestamp` is when it was sent, as the platform says.
    `reply_to` is the platform id of the message it answers, `id` the id its row is to have. A group
    (`is_group`) is told by its `reply_target`. `text` may be empty where there are attachments.
    Raises `InvalidId`, `InvalidText` or `InvalidTime`.
    """

    channel: str
    sender_id: str
    text: str
    sender_name: str | None
    timestamp: datetime | None
    reply_target: str | None
    platform_message_id: str | None
    reply_to: str | None
    is_group: bool
    attachments: tuple[Attachment, ...]
    source: str | None
    id: str | None

    def __init__(
        self,
        channel: str,
        sender_id: str | int,
        text: str,
        *,
        sender_name: str | None = None,
        timestamp: datetime | str | None = None,
        reply_target: str | int | None = None,
        platform_message_id: str | int | None = None,
        reply_to: str | int | None = None,
        is_group: bool = False,
        attachments: Sequence[Attachment] = (),
        source: str | None = None,
        id: str | None = None,
    ) -> None:
        fields = {
            "channel": checks.identifier(channel, "channel"),
            "sender_id": checks.identifier(sender_id, "sender_id"),
            "text": checks.text(text, "text", MAX_TEXT, empty=bool(attachments)),
            "sender_name": optional_text(sender_name, "sender_name"),
            "timestamp": times.instant(timestamp) if timestamp is not None else None,
            "reply_target": optional_id(reply_target, "reply_target"),
            "platform_message_id": optional_id(platform_message_id, "platform_message_id"),
            "reply_to": optional_id(reply_to, "reply_to"),
            "is_group": bool(is_group),
            "attachments": tuple(_attachment(each) for each in checks.several(attachments, "attachments")),
            "source": optional_text(source, "source"),
            "id": optional_id(id, "id"),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)
        if self.is_group and self.reply_target is None:
            raise InvalidId("a group is told by its reply_target: give one")

    @property
    def group(self) -> str | None:
        """What tells the group it was written in; None in a private chat."""
        return self.reply_target if self.is_group else None


def optional_id(value: str | int | None, name: str) -> str | None:
    return None if value is None else checks.identifier(value, name)


def optional_text(value: str | None, name: str) -> str | None:
    return None if value is None else checks.text(value, name, MAX_TEXT)


def _attachment(given: Attachment) -> Attachment:
    if not isinstance(given, Attachment):
        raise InvalidText(f"attachments must be Attachments, not {type(given).__name__}")
    return given
