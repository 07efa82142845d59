"""Slots: signed permissions to upload one blob. Message servers make them, and media servers believe them."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode

import msgspec

#: What the key of slots is derived for (`kith.base.secret.Secret.key`).
USE = "media"
#: For how many seconds a slot is valid until its upload begins.
VALID = 300
_MAC_BYTES = 32


class SlotInvalid(Exception):
    """A token is not one that this server's secret has signed."""


class Slot(msgspec.Struct, frozen=True, array_like=True):
    """What a token permits.

    ``owner``: the account that uploads, as the message server calls it; ``size``: in bytes, exactly;
    ``type``: the MIME type; ``claim``: SHA-256 of the secret that later claims have to show, or empty;
    ``until``: when the owner's claim ends, in seconds since 1970, None if it says nothing; ``expires``: until
    when the upload has to begin.
    """

    blob: str
    owner: str
    size: int
    type: str
    expires: int
    claim: bytes = b""
    until: int | None = None


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Slot).decode


def sign(slot: Slot, key: bytes) -> str:
    """The token of a slot: its content and an HMAC-SHA-256 of it, in base64url."""
    content = _encode(slot)
    mac = hmac.digest(key, content, "sha256")
    return urlsafe_b64encode(mac + content).decode().rstrip("=")


def read(token: str, key: bytes) -> Slot:
    """The slot that a token was made for, whether or not it has expired. Raises SlotInvalid."""
    try:
        data = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise SlotInvalid from None
    mac, content = data[:_MAC_BYTES], data[_MAC_BYTES:]
    if not hmac.compare_digest(mac, hmac.digest(key, content, "sha256")):
        raise SlotInvalid
    try:
        return _decode(content)
    except msgspec.DecodeError:
        raise SlotInvalid from None
