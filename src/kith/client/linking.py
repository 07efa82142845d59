"""Linking a new device by a code: what is in the code, and what goes from device to device encrypted.

The code holds a public key and a secret, both made for this once, which the server never sees: nobody but who
has read the code can encrypt for the new device (HPKE, RFC 9180, with the secret in its ``info``).
"""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

_SUITE = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_VERSION = "1"
_INFO = b"Kith link 1"
_PATH = "/link#"


class BadCode(ValueError):
    """A text is no code, or what came is not for it."""


@dataclass(frozen=True, slots=True)
class Code:
    """What the new device shows. ``base``: where the server's API is; ``name``: of the device."""

    base: str
    id: str
    key: bytes
    secret: bytes
    name: str

    def text(self) -> str:
        """A link, so that a phone's camera knows what to do; the server gets nothing behind the #."""
        parts = (_VERSION, self.id, encoded(self.key), encoded(self.secret), quote(self.name, safe=""))
        return self.base.rstrip("/") + _PATH + ".".join(parts)

    @classmethod
    def parse(cls, text: str) -> Code:
        """Raises BadCode."""
        base, separator, rest = text.strip().partition(_PATH)
        parts = rest.split(".", 4)
        if not separator or len(parts) != 5 or parts[0] != _VERSION:
            raise BadCode("that is not the code of a new device")
        try:
            code = cls(base, parts[1], decoded(parts[2]), decoded(parts[3]), unquote(parts[4]))
        except ValueError:
            raise BadCode("that is not the code of a new device") from None
        if len(code.key) != 32 or len(code.secret) != 16 or len(code.id) != 32:
            raise BadCode("the code is not complete")
        return code

    @property
    def info(self) -> bytes:
        return b"\0".join((_INFO, self.id.encode(), self.secret))


@dataclass(frozen=True, slots=True)
class Letter:
    """What the approving device sends: the account, the ticket to it, and what only the two may know."""

    address: str
    ticket: bytes
    secrets: dict[str, Any]


class Newcomer:
    """The new device: its code, and how it reads what comes. ``id`` is the server's for this link."""

    def __init__(self, base: str, id: str, name: str) -> None:
        self._private = X25519PrivateKey.generate()
        public = self._private.public_key().public_bytes_raw()
        self.code = Code(base, id, public, secrets.token_bytes(16), name)

    def open(self, sealed: bytes) -> Letter:
        """Raises BadCode if it was not sealed by somebody who has read the code."""
        try:
            plain = _SUITE.decrypt(sealed, self._private, self.code.info)
            held = json.loads(plain)
            return Letter(str(held["address"]), decoded(held["ticket"]), dict(held["secrets"]))
        except (InvalidTag, ValueError, KeyError, TypeError):
            raise BadCode("what came is not from a device that has read the code") from None


def seal(code: Code, letter: Letter) -> tuple[bytes, bytes]:
    """For the device that shows the code. Returns what is sealed, and the hash of the ticket."""
    held = {"address": letter.address, "ticket": encoded(letter.ticket), "secrets": letter.secrets}
    key = X25519PublicKey.from_public_bytes(code.key)
    return _SUITE.encrypt(json.dumps(held).encode(), key, code.info), hashlib.sha256(letter.ticket).digest()


def new_ticket() -> bytes:
    """A random one."""
    return secrets.token_bytes(32)


def encoded(data: bytes) -> str:
    """Base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """The same back. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
