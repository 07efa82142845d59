"""The PIN of an account: asked when its number registers again, so that a taken-over number is not enough.

Six digits are few: the hash (argon2) is of what the server's secret makes of them, so that a copy of the
database alone can't be searched, and wrong tries have to wait longer and longer, restart or not.
"""

from __future__ import annotations

import asyncio
import hmac

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from kith.accounts.errors import Refused, spell, too_many
from kith.accounts.limits import Limit
from kith.base.clock import Clock
from kith.base.secret import Secret
from kith.ports.store import Store

SPACE = "pin"
#: Seconds until the next try after so many wrong ones; then always the last.
WAITS = (0.0, 0.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)
#: Seconds of silence after which an account can be had without its PIN, and after which it starts anew.
FORGOTTEN_AFTER = 7 * 86400.0
ANEW_AFTER = 30 * 86400.0
#: New PINs of an account in an hour.
SETS = 20
_RACES = 5


class Stored(msgspec.Struct):
    """``wrong`` tries since the last right one; ``until``: no try before, in seconds since 1970."""

    hash: str
    made: float
    wrong: int = 0
    until: float = 0.0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


class Pins:
    """Sets PINs and checks them."""

    def __init__(self, secret: Secret, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._key = secret.key("pins")
        self._hasher = PasswordHasher()
        self._sets = Limit(SETS, 3600.0, clock)
        self._one = asyncio.Lock()  # each takes 64 MiB

    def _peppered(self, account: int, pin: str) -> bytes:
        return hmac.digest(self._key, f"{account}\0{pin}".encode(), "sha256")

    async def made(self, account: int) -> float:
        """When it was set, in seconds since 1970; 0 if there is none."""
        document = await self._store.document(account, SPACE, "")
        return _decode(document.value).made if document is not None else 0.0

    async def version(self, account: int) -> str:
        """What tells the PIN that there is from others before and after it; empty if there is none."""
        document = await self._store.document(account, SPACE, "")
        return _decode(document.value).hash if document is not None else ""

    async def set(self, account: int, pin: str) -> None:
        """A new one. Raises Refused."""
        if wait := self._sets.take(str(account)):
            raise too_many(wait)
        async with self._one:
            hash = await asyncio.to_thread(self._hasher.hash, self._peppered(account, pin))
        await self._store.put(account, SPACE, "", _encode(Stored(hash, self._clock.now())))

    async def remove(self, account: int) -> bool:
        """False if there was none."""
        return bool(await self._store.remove(account, SPACE))

    async def check(self, account: int, pin: str) -> None:
        """Raises Refused. The try counts before it is compared."""
        for _ in range(_RACES):
            document = await self._store.document(account, SPACE, "")
            if document is None:
                return
            stored, now = _decode(document.value), self._clock.now()
            # no longer than the last wait can be, if the clock was wrong then
            wait = min(stored.until - now, WAITS[min(max(stored.wrong - 1, 0), len(WAITS) - 1)])
            if wait > 0:
                raise Refused("too-many", f"Too many wrong PINs. Try again in {spell(wait)}.", wait)
            wait = WAITS[min(stored.wrong, len(WAITS) - 1)]
            tried = Stored(stored.hash, stored.made, stored.wrong + 1, now + wait)
            seq = await self._store.put_if(account, SPACE, "", _encode(tried), document.seq)
            if not seq:
                continue
            if not await self._fits(stored.hash, account, pin):
                raise Refused("wrong-pin", "That is not the PIN.", wait)
            await self._store.put_if(account, SPACE, "", _encode(Stored(stored.hash, stored.made)), seq)
            return
        raise Refused("too-many", "Too many tries at once.", 1.0)

    async def _fits(self, hash: str, account: int, pin: str) -> bool:
        async with self._one:
            try:
                return await asyncio.to_thread(self._hasher.verify, hash, self._peppered(account, pin))
            except VerificationError:
                return False
