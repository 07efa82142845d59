"""That somebody has shown to have a number, for as long as it takes to find the PIN."""

from __future__ import annotations

import hmac
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable

from kith.core import clock
from kith.core.ports import Store

SPACE = "proofs"
#: Seconds that a proof is good.
LIFETIME = 3600.0
_HEAD = struct.Struct(">Q16s")


class Proofs:
    """Signed by the server, for one account and the PIN that it has: with another PIN, or none, it is void.

    Only those that were used are stored, until their time is over.
    """

    def __init__(self, store: Store, secret: bytes, now: Callable[[], float] = clock.now) -> None:
        self._store = store
        self._secret = secret
        self._now = now

    def make(self, number: str, account: int, pin: str) -> str:
        """For a number whose code was right a moment ago, whose account has a PIN (`Pins.version`)."""
        head = _HEAD.pack(int(self._now() + LIFETIME), secrets.token_bytes(16))
        return urlsafe_b64encode(head + self._sign(head, number, account, pin)).decode()

    def fits(self, proof: str, number: str, account: int, pin: str) -> bool:
        """Whether it is one for them, and still good."""
        head, signature = _parts(proof)
        good = hmac.compare_digest(signature, self._sign(head, number, account, pin))
        return good and _HEAD.unpack(head)[0] > self._now()

    async def use_up(self, proof: str) -> bool:
        """It let somebody in, and does so no more. False if it has before."""
        head, _ = _parts(proof)
        return bool(await self._store.put_if(0, SPACE, head.hex(), b"", 0))

    async def was_used(self, proof: str) -> bool:
        """Whether it has let somebody in."""
        head, _ = _parts(proof)
        return await self._store.document(0, SPACE, head.hex()) is not None

    async def sweep(self) -> None:
        """Forgets those whose time is over."""
        for document in await self._store.documents(0, SPACE):
            try:
                until = int(document.key[:16], 16)
            except ValueError:  # damaged
                until = 0
            if until <= self._now():
                await self._store.remove(0, SPACE, document.key)

    def _sign(self, head: bytes, number: str, account: int, pin: str) -> bytes:
        message = b"\0".join((head, str(account).encode(), pin.encode(), number.encode()))
        return hmac.digest(self._secret, message, "sha256")


def _parts(proof: str) -> tuple[bytes, bytes]:
    """Head and signature; both are wrong if it is none."""
    try:
        given = urlsafe_b64decode(proof)
    except ValueError:
        given = b""
    head, signature = given[: _HEAD.size], given[_HEAD.size :]
    return (head, signature) if len(head) == _HEAD.size else (bytes(_HEAD.size), b"")
