"""Addresses with a blank for the recipient: `https://example.org/send/{reply_target}`.

The blanks are filled percent-quoted, everything but unreserved characters, so that no recipient can
change the scheme, the host, the port, the credentials or the shape of the path.
"""

import re
from collections.abc import Collection
from urllib.parse import quote, unquote, urlsplit

from omega_jobs.delivery import DeliveryError

_BLANK = re.compile(r"\{(reply_target|sender_id)\}")
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_KNOWN = "{reply_target} or {sender_id}"


def fill_template(template: str, *, reply_target: str, sender_id: str) -> str:
    """The address for one recipient; `DeliveryError(retry=False)` if it cannot be one.

    The template has passed `check_template`. A used value must not be empty, and must not put a `.`
    or `..` between the slashes of the path, however they are quoted.
    """
    values = {"reply_target": reply_target, "sender_id": sender_id}
    path, mark, query = template.partition("#")[0].partition("?")
    segments = [_segment(segment, values) for segment in path.split("/")]
    return "/".join(segments) + mark + _filled(query, values)


def check_template(template: str, schemes: Collection[str] = ("http", "https")) -> None:
    """Raise ValueError, in one line that echoes nothing of it, unless the address can be used."""
    scheme, separator, _ = template.partition("://")
    if _UNPRINTABLE.search(template):
        raise ValueError("the address holds a space or an unprintable character")
    if "{" in scheme:
        raise ValueError(f"{_KNOWN} may not stand in the scheme of the address")
    if not separator or scheme.lower() not in schemes:
        raise ValueError(
            f"the address must begin with {' or '.join(f'{name}://' for name in sorted(schemes))}"
        )
    _check_authority(template)
    _check_blanks(template)


def _check_authority(template: str) -> None:
    authority = re.split(r"[/?#\\]", template.partition("://")[2], maxsplit=1)[0]
    if "{" in authority or "}" in authority:
        raise ValueError(f"{_KNOWN} may not stand in the credentials, host or port of the address")
    try:
        parts = urlsplit(template)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the host or port of the address cannot be read") from None
    if not host:
        raise ValueError("the address has no host")
    if "\\" in template:
        raise ValueError("the address holds a backslash")


def _check_blanks(template: str) -> None:
    rest = _BLANK.sub("", template)
    if re.search(r"\{[^{}]*\}", rest):
        raise ValueError(f"the address has a blank that is not known; there are {_KNOWN}")
    if "{" in rest or "}" in rest:
        raise ValueError("the address has a brace without its partner")
    if _BLANK.search(urlsplit(template).fragment):
        raise ValueError(f"{_KNOWN} stands behind a #, which is never sent")


def _segment(segment: str, values: dict[str, str]) -> str:
    filled = _filled(segment, values)
    # Some servers undo the quoting of a slash before they look for dots.
    if filled != segment and any(piece in (".", "..") for piece in re.split(r"[/\\]", unquote(filled))):
        raise DeliveryError("the recipient would change the path of the address", retry=False)
    return filled


def _filled(part: str, values: dict[str, str]) -> str:
    return _BLANK.sub(lambda blank: _quoted(blank[1], values[blank[1]]), part)


def _quoted(name: str, value: str) -> str:
    if not value:
        raise DeliveryError(f"the task has no {name}", retry=False)
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise DeliveryError(f"the {name} is not readable text", retry=False) from None
