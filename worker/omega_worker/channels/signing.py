"""Signatures a receiver can check: Standard Webhooks, version 1 (HMAC-SHA256)."""

import base64
import binascii
import hmac

SHORTEST_KEY = 16
_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """The key in a secret: `whsec_<base64>` is decoded, anything else is taken as it is.

    Raises ValueError, never echoing it, for a secret that cannot be decoded or has less than 16 bytes.
    """
    bare = secret.strip()
    key = _decoded(bare.removeprefix(_PREFIX)) if bare.startswith(_PREFIX) else bare.encode()
    if len(key) < SHORTEST_KEY:
        raise ValueError(f"the webhook secret is too short: give at least {SHORTEST_KEY} bytes")
    return key


def signature(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """The value of `webhook-signature` for a message; `timestamp` is in whole Unix seconds."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the webhook secret after whsec_ is not base64") from None
