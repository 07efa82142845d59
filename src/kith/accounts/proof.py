"""Proofs that a code was correct, so that the PIN can be entered afterwards without another code."""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.ports.store import DocumentStore

SPACE = "proofs"
#: How long a proof is valid, in seconds.
LIFETIME = 3600.0
_HEAD = struct.Struct(">Q16s")
_OWNER = 16


class Proofs:
    """Makes and checks proofs, which are valid for one account, as long as its PIN is not changed.

    A proof is authenticated with a key of the server (HMAC). Only used proofs are stored, until they expire.
    """

    def __init__(self, secret: Secret, clock: Clock, randomness: Randomness, store: DocumentStore) -> None:
        self._clock = clock
        self._randomness = randomness
        self._store = store
        self._key = secret.key("proofs")

    def make(self, number: str, account: int, pin: str) -> str:
        """Makes a proof that the code for a number was correct. ``pin``: the value of `Pins.version`."""
        head = _HEAD.pack(int(self._clock.now() + LIFETIME), self._randomness.bytes(16))
        body = head + self._owner(head, account, pin)
        return urlsafe_b64encode(body + self._sign(body, number)).decode()

    def is_for(self, number: str, proof: str) -> bool:
        """Whether a text is a valid proof for a number. This does not depend on whether an account exists."""
        body, signature = _parts(proof)
        good = hmac.compare_digest(signature, self._sign(body, number))
        left = _HEAD.unpack(body[: _HEAD.size])[0] - self._clock.now() if good else 0.0
        return 0 < left <= 2 * LIFETIME  # with more, the clock was wrong when the proof was made

    def fits(self, proof: str, number: str, account: int, pin: str) -> bool:
        """Whether a proof is valid for a number, its account, and the account's present PIN."""
        body, _ = _parts(proof)
        head, owner = body[: _HEAD.size], body[_HEAD.size :]
        return self.is_for(number, proof) and hmac.compare_digest(owner, self._owner(head, account, pin))

    async def use_up(self, proof: str) -> bool:
        """Uses a proof up. Returns False if that has happened already."""
        return bool(await self._store.put_if(0, SPACE, _key(proof), b"", 0))

    async def was_used(self, proof: str) -> bool:
        """Whether a proof was used."""
        return await self._store.document(0, SPACE, _key(proof)) is not None

    async def sweep(self) -> None:
        """Deletes expired records of used proofs."""
        for document in await self._store.documents(0, SPACE):
            try:
                until = int(document.key[:16], 16)
            except ValueError:  # damaged
                until = 0
            if until <= self._clock.now():
                await self._store.remove(0, SPACE, document.key)

    def _owner(self, head: bytes, account: int, pin: str) -> bytes:
        message = b"\0".join((b"owner", head, str(account).encode(), pin.encode()))
        return hmac.digest(self._key, message, "sha256")[:_OWNER]

    def _sign(self, body: bytes, number: str) -> bytes:
        return hmac.digest(self._key, b"\0".join((b"proof", body, number.encode())), "sha256")


def _parts(proof: str) -> tuple[bytes, bytes]:
    """The signed part and the signature. For a malformed proof, the two don't match."""
    try:
        given = urlsafe_b64decode(proof)
    except ValueError:
        given = b""
    size = _HEAD.size + _OWNER
    return (given[:size], given[size:]) if len(given) > size else (bytes(size), b"")


def _key(proof: str) -> str:
    """The key under which a used proof is stored. It begins with the time when the proof expires."""
    return _parts(proof)[0][: _HEAD.size].hex()
