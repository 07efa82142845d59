"""Linking a new device with a QR code: the code, and the encrypted approval that the other device sends.

The code contains a public key and a secret, made for this one use, which the server never sees. So only a
device that has read the code can encrypt for the new device (HPKE, RFC 9180, with the secret in ``info``).
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
    """A text is not a linking code, or an approval was not made by a device that has read the code."""


@dataclass(frozen=True, slots=True)
class Code:
    """What the new device shows as a QR code.

    ``base``: the base URL of the server's API. ``id``: the server's id of this attempt, 32 characters.
    ``key``: the new device's X25519 public key, 32 bytes. ``secret``: 16 bytes. ``name``: of the new
    device.
    """

    base: str
    id: str
    key: bytes
    secret: bytes
    name: str

    def text(self) -> str:
        """The code as a link, which a phone's camera can open.

        What follows the # is not sent to the server.
        """
        parts = (_VERSION, self.id, encoded(self.key), encoded(self.secret), quote(self.name, safe=""))
        return self.base.rstrip("/") + _PATH + ".".join(parts)

    @classmethod
    def parse(cls, text: str) -> Code:
        """The code in a text. Raises BadCode."""
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
        """HPKE's ``info``, which binds the encryption to this code."""
        return b"\0".join((_INFO, self.id.encode(), self.secret))


@dataclass(frozen=True, slots=True)
class Approval:
    """What the approving device sends to the new one.

    ``address``: the account. ``ticket``: lets the new device in at the server, once. ``secrets``: anything
    else for the two devices alone.
    """

    address: str
    ticket: bytes
    secrets: dict[str, Any]


class NewDevice:
    """The new device's side: makes the code, and decrypts the approval."""

    def __init__(self, base: str, id: str, name: str) -> None:
        self._private = X25519PrivateKey.generate()
        public = self._private.public_key().public_bytes_raw()
        self.code = Code(base, id, public, secrets.token_bytes(16), name)

    def open(self, sealed: bytes) -> Approval:
        """Decrypts an approval. Raises BadCode if it was not made by a device that has read the code."""
        try:
            plain = _SUITE.decrypt(sealed, self._private, self.code.info)
            held = json.loads(plain)
            return Approval(str(held["address"]), decoded(held["ticket"]), dict(held["secrets"]))
        except (InvalidTag, ValueError, KeyError, TypeError):
            raise BadCode("the answer is not from a device that has read the code") from None


def seal(code: Code, approval: Approval) -> tuple[bytes, bytes]:
    """Encrypts an approval for the device that shows the code.

    Returns the ciphertext, and the SHA-256 of the ticket for the server.
    """
    held = {"address": approval.address, "ticket": encoded(approval.ticket), "secrets": approval.secrets}
    key = X25519PublicKey.from_public_bytes(code.key)
    return _SUITE.encrypt(json.dumps(held).encode(), key, code.info), hashlib.sha256(approval.ticket).digest()


def new_ticket() -> bytes:
    """A random ticket: 32 bytes."""
    return secrets.token_bytes(32)


def encoded(data: bytes) -> str:
    """Bytes as base64url without padding."""
    return urlsafe_b64encode(data).decode().rstrip("=")


def decoded(text: str) -> bytes:
    """The bytes of a base64url text without padding. Raises ValueError."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
