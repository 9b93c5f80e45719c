"""What arguments must be, checked before anything is written."""

from omega_models.errors import InvalidId, InvalidText, TextTooLong

MAX_ID = 500


def identifier(value: str | int, name: str) -> str:
    """An id of a person, chat, channel or row as text. Platforms' numbers are welcome."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InvalidId(f"{name} must be text or a number, not {type(value).__name__}")
    try:
        found = str(value)
    except ValueError:  # Python writes out no number of thousands of digits
        raise InvalidId(f"{name} must not be longer than {MAX_ID} characters") from None
    if not found.strip():
        raise InvalidId(f"{name} must not be empty")
    if len(found) > MAX_ID:
        raise InvalidId(f"{name} must not be longer than {MAX_ID} characters")
    return storable(found, name)


def text(value: str, name: str, max_length: int, *, empty: bool = True) -> str:
    """A text the database can hold and give back unchanged."""
    if not isinstance(value, str):
        raise InvalidText(f"{name} must be text, not {type(value).__name__}")
    if not empty and not value.strip():
        raise InvalidText(f"{name} must not be empty")
    if len(value) > max_length:
        raise TextTooLong(f"{name} has {len(value):,} characters; this Store takes up to {max_length:,}")
    return storable(value, name)


def storable(value: str, name: str) -> str:
    if "\0" in value:
        raise InvalidText(f"{name} holds a NUL character, which databases cut texts at; remove it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidText(f"{name} holds half of a character (a lone surrogate); decode it again") from None
    return value


def limit(value: int, name: str = "limit") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a whole number of 0 or more")
    return min(value, 2**62)


def one_of(value: str, name: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}")
    return value


def project(value: str | None) -> str:
    """The project's name; empty or None is general."""
    return text(value or "", "project", MAX_ID)
