"""That somebody has shown to have a number, for as long as it takes to find the PIN."""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.ports.store import Store

SPACE = "proofs"
#: Seconds that a proof is good.
LIFETIME = 3600.0
_HEAD = struct.Struct(">Q16s")
_OWNER = 16


class Proofs:
    """Signed by the server, for one account and the PIN that it has: with another PIN, or none, it is void.

    Only those that were used are stored, until their time is over.
    """

    def __init__(self, secret: Secret, clock: Clock, randomness: Randomness, store: Store) -> None:
        self._clock = clock
        self._randomness = randomness
        self._store = store
        self._key = secret.key("proofs")

    def make(self, number: str, account: int, pin: str) -> str:
        """For a number whose code was right a moment ago, and whose account has a PIN (`Pins.version`)."""
        head = _HEAD.pack(int(self._clock.now() + LIFETIME), self._randomness.bytes(16))
        body = head + self._owner(head, account, pin)
        return urlsafe_b64encode(body + self._sign(body, number)).decode()

    def is_for(self, number: str, proof: str) -> bool:
        """Whether it is one for the number, and its time is not over: told without looking for an account."""
        body, signature = _parts(proof)
        good = hmac.compare_digest(signature, self._sign(body, number))
        left = _HEAD.unpack(body[: _HEAD.size])[0] - self._clock.now() if good else 0.0
        return 0 < left <= 2 * LIFETIME  # with more, the clock was wrong when it was made

    def fits(self, proof: str, number: str, account: int, pin: str) -> bool:
        """Whether it is one for the number, its account, and the PIN that it has."""
        body, _ = _parts(proof)
        head, owner = body[: _HEAD.size], body[_HEAD.size :]
        return self.is_for(number, proof) and hmac.compare_digest(owner, self._owner(head, account, pin))

    async def use_up(self, proof: str) -> bool:
        """It let somebody in, and does so no more. False if it has before."""
        return bool(await self._store.put_if(0, SPACE, _key(proof), b"", 0))

    async def was_used(self, proof: str) -> bool:
        """Whether it has let somebody in."""
        return await self._store.document(0, SPACE, _key(proof)) is not None

    async def sweep(self) -> None:
        """Forgets those whose time is over."""
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
    """What is signed, and the signature; both are wrong if it is none."""
    try:
        given = urlsafe_b64decode(proof)
    except ValueError:
        given = b""
    size = _HEAD.size + _OWNER
    return (given[:size], given[size:]) if len(given) > size else (bytes(size), b"")


def _key(proof: str) -> str:
    """What a proof that was used is noted under: it begins with when its time is over."""
    return _parts(proof)[0][: _HEAD.size].hex()
