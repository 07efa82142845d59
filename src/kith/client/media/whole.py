"""Whole files in one piece of AES-256-GCM, the tag at the end, as XEP-0454 has it.

Files are read and written in portions, so memory stays flat. What `WholeReader` returns is not authenticated
before `finish`: it may stand in a temporary file only (`kith.client.media.placing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import BinaryIO, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import GCM

from kith.client.errors import MediaDamaged
from kith.client.media.limits import IV_BYTES, KEY_BYTES
from kith.client.media.segments import FILE, SEGMENT, TAG, SegmentCipher

_PORTION: Final = 256 * 1024


class Target(Protocol):
    """Where ciphertext is written."""

    def write(self, data: bytes) -> object: ...


def seal_whole(source: BinaryIO, target: Target, key: bytes, iv: bytes) -> tuple[int, bytes]:
    """Encrypts a file. Returns the number of its bytes, and its SHA-256. The key must be new."""
    encryptor = Cipher(AES(key), GCM(iv)).encryptor()
    size, digest = 0, hashlib.sha256()
    for data in _portions(source, _PORTION):
        size += len(data)
        digest.update(data)
        target.write(encryptor.update(data))
    target.write(encryptor.finalize() + encryptor.tag)
    return size, digest.digest()


def seal_segments(source: BinaryIO, target: Target, key: bytes) -> tuple[int, bytes]:
    """Encrypts a file as segments. Returns the number of its bytes, and its SHA-256. The key must be new."""
    cipher = SegmentCipher(key, FILE)
    size, digest = 0, hashlib.sha256()
    index, held = 0, b""
    for data in _portions(source, SEGMENT):
        if index or held:
            target.write(cipher.seal(index, held, False))
            index += 1
        held = data
        size += len(data)
        digest.update(data)
    target.write(cipher.seal(index, held, True))
    return size, digest.digest()


def _portions(source: BinaryIO, most: int) -> Iterator[bytes]:
    while data := source.read(most):
        yield data


class WholeReader:
    """Decrypts a file as it arrives, in any portions."""

    __slots__ = ("_decryptor", "_tail")

    def __init__(self, key: bytes, iv: bytes) -> None:
        """``iv``: 12 bytes; some apps use 16. Raises MediaDamaged."""
        if len(key) != KEY_BYTES or len(iv) not in (IV_BYTES, 16):
            raise MediaDamaged("The file's description is wrong.")
        self._decryptor = Cipher(AES(key), GCM(iv)).decryptor()
        self._tail = b""

    def update(self, data: bytes) -> bytes:
        """More plaintext, which is not authenticated yet."""
        data = self._tail + data
        self._tail = data[-TAG:]
        return self._decryptor.update(data[:-TAG])

    def finish(self) -> bytes:
        """Authenticates everything. Raises MediaDamaged."""
        try:
            return self._decryptor.finalize_with_tag(self._tail)
        except (InvalidTag, ValueError):
            raise MediaDamaged("The file was changed or cut off on its way.") from None


class PlainReader:
    """Takes a file that is not encrypted as it is."""

    __slots__ = ()

    def update(self, data: bytes) -> bytes:
        """The data."""
        return data

    def finish(self) -> bytes:
        """Nothing."""
        return b""


def copy_plain(source: BinaryIO, target: Target) -> tuple[int, bytes]:
    """Copies a file as it is. Returns the number of its bytes, and its SHA-256."""
    size, digest = 0, hashlib.sha256()
    for data in _portions(source, _PORTION):
        size += len(data)
        digest.update(data)
        target.write(data)
    return size, digest.digest()
