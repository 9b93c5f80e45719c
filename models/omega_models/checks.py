"""What arguments must be, checked before anything is written."""

from collections.abc import Iterable
from typing import Any, TypeVar

from omega_models.errors import InvalidArgument, InvalidId, InvalidText, TextTooLong, WrongType

MAX_ID = 500
T = TypeVar("T")


def identifier(value: str | int, name: str) -> str:
    """An id of a person, chat, channel or row as text. Platforms' numbers are welcome."""
    if type(value) is str and value.isascii() and value.isalnum() and len(value) <= MAX_ID:
        return value  # nearly every one
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
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongType(f"{name} must be a whole number, not {type(value).__name__}")
    if value < 0:
        raise InvalidArgument(f"{name} must be 0 or more")
    return min(value, 2**62)


def one_of(value: str, name: str, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str):
        raise WrongType(f"{name} must be one of {', '.join(choices)}, not {type(value).__name__}")
    if value not in choices:
        raise InvalidArgument(f"{name} must be one of {', '.join(choices)}")
    return value


def instance(value: T, name: str, kind: type | tuple[type, ...]) -> T:
    """The value, if it is of that type, or of one of them."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(each.__name__ for each in kinds)
        raise WrongType(f"{name} must be of the type {wanted}, not {type(value).__name__}")
    return value


def called(value: T, name: str) -> T:
    """The value, if it can be called or is None."""
    if value is not None and not callable(value):
        raise WrongType(f"{name} must be callable, not {type(value).__name__}")
    return value


def iterable(values: Iterable[T], name: str) -> Iterable[T]:
    """What can be gone through; a text is a value, not several."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise WrongType(f"{name} must be a list, not {type(values).__name__}")
    return values


def several(values: Iterable[T], name: str) -> list[T]:
    return list(iterable(values, name))


def rows(values: Iterable[T], name: str, kind: type, *types: Any) -> list[T]:
    """Tuples of that kind, each with values of those types."""
    found = several(values, name)
    for each in found:
        fits = isinstance(each, kind) and isinstance(each, tuple) and len(each) == len(types)
        if not fits or not all(map(isinstance, each, types)):  # type: ignore[call-overload]
            held = ", ".join(getattr(each, "__name__", str(each)) for each in types)
            raise WrongType(f"{name} must hold each a {kind.__name__} of {held}")
    return found


def project(value: str | None) -> str:
    """The project's name; empty or None is general."""
    return text("" if value is None else value, "project", MAX_ID)
