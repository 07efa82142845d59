"""Large files as segments, each encrypted alone (docs/media.md, Segments).

HKDF-SHA-256 (RFC 5869) derives a key for each stream, AES-256-GCM of `cryptography` encrypts. The nonce is
the index, so no key may ever encrypt two contents: a file gets a new key whenever it is encrypted.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kith.client.errors import MediaDamaged
from kith.client.media.limits import KEY_BYTES

#: Bytes of plaintext in each segment of a file but the last one, which may be shorter.
SEGMENT: Final = 1024 * 1024
#: Bytes by which encryption makes a segment longer.
TAG: Final = 16
#: The name of the stream that a file is.
FILE: Final = "file"

_LABEL = b"Kith media 0"
_STREAM = re.compile(r"[a-z0-9][a-z0-9-]{0,15}\Z")
_INDEX_NONCE = b"\xff" * 12


def sealed_size(size: int) -> int:
    """Bytes of ciphertext for so many bytes of plaintext. An empty file has one segment, which is empty."""
    return size + max(1, -(-size // SEGMENT)) * TAG


def plain_size(sealed: int) -> int:
    """Bytes of plaintext in so many bytes of ciphertext. Raises MediaDamaged if no file has that many."""
    whole, rest = divmod(sealed, SEGMENT + TAG)
    size = whole * SEGMENT + max(0, rest - TAG)
    if sealed_size(size) != sealed:
        raise MediaDamaged("The file was cut off.")
    return size


def claim_secret(key: bytes) -> bytes:
    """What shows that its holder knows a file's key, without disclosing it (docs/media.md, Claims)."""
    return _derive(key, b"claim")


def claim_of(secret: bytes) -> str:
    """The claim for the slot, from `claim_secret`."""
    return base64.urlsafe_b64encode(hashlib.sha256(secret).digest()).decode().rstrip("=")


def _derive(key: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, None, _LABEL + b" " + purpose).derive(key)


class SegmentCipher:
    """Encrypts and decrypts the segments of one stream of a file."""

    __slots__ = ("_cipher", "_stream")

    def __init__(self, key: bytes, stream: str = FILE) -> None:
        """``key``: the 32 bytes of the descriptor. Raises MediaDamaged if they or the name can't be right."""
        if len(key) != KEY_BYTES or not _STREAM.match(stream):
            raise MediaDamaged("The file's description is wrong.")
        self._stream = stream.encode()
        self._cipher = AESGCM(_derive(key, b"segments " + self._stream))

    def seal(self, index: int, data: bytes, last: bool) -> bytes:
        """The ciphertext of a segment. ``last``: no other follows."""
        return self._cipher.encrypt(_nonce(index), data, self._place(b"%d\0%d" % (index, last)))

    def open(self, index: int, sealed: bytes, last: bool) -> bytes:
        """The plaintext of a segment. Raises MediaDamaged."""
        return self._decrypt(_nonce(index), sealed, self._place(b"%d\0%d" % (index, last)))

    def seal_index(self, data: bytes) -> bytes:
        """The ciphertext of the list of segments of a rendition."""
        return self._cipher.encrypt(_INDEX_NONCE, data, self._place(b"index"))

    def open_index(self, sealed: bytes) -> bytes:
        """The list of segments of a rendition, as JSON. Raises MediaDamaged."""
        return self._decrypt(_INDEX_NONCE, sealed, self._place(b"index"))

    def _place(self, what: bytes) -> bytes:
        return b"\0".join((_LABEL, self._stream, what))

    def _decrypt(self, nonce: bytes, sealed: bytes, place: bytes) -> bytes:
        try:
            return self._cipher.decrypt(nonce, sealed, place)
        except InvalidTag:
            raise MediaDamaged("The file was changed or cut off on its way.") from None


def _nonce(index: int) -> bytes:
    return bytes(4) + index.to_bytes(8, "big")


class SegmentReader:
    """Decrypts a file as it arrives, in any portions. Everything that it returns is authenticated.

    That nothing is missing at the end is known after `finish` only.
    """

    __slots__ = ("_buffer", "_cipher", "_index", "_size")

    def __init__(self, key: bytes) -> None:
        self._cipher = SegmentCipher(key)
        self._buffer = bytearray()
        self._index = 0

    def update(self, data: bytes) -> bytes:
        """The plaintext of the segments that are complete now. Raises MediaDamaged."""
        self._buffer += data
        found = bytearray()
        # The last segment is only known as such at the end, so one is always held back.
        while len(self._buffer) > SEGMENT + TAG:
            sealed = bytes(self._buffer[: SEGMENT + TAG])
            del self._buffer[: SEGMENT + TAG]
            found += self._cipher.open(self._index, sealed, False)
            self._index += 1
        return bytes(found)

    def finish(self) -> bytes:
        """The last plaintext. Raises MediaDamaged if anything is missing."""
        return self._cipher.open(self._index, bytes(self._buffer), True)
