"""The PIN of an account.

It is asked for when the number registers again, in case somebody has taken it over.

Since six digits are few, the stored hash (argon2) is of an HMAC with the server's secret, so that a copy of
the database alone can't be searched. Wrong attempts cause growing waits, which survive restarts.
"""

from __future__ import annotations

import asyncio
import hmac

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from kith.accounts.errors import Refused, count, spell
from kith.base.clock import Clock
from kith.base.rates import RateLimit
from kith.base.secret import Secret
from kith.ports.store import DocumentStore

SPACE = "pin"
#: Seconds to wait after each number of wrong attempts; after that, always the last.
WAITS = (0.0, 0.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)
#: Seconds without any device online after which the account can be used without its PIN, and after which the
#: number gets a new account.
FORGOTTEN_AFTER = 7 * 86400.0
ANEW_AFTER = 30 * 86400.0
#: How often an account can set a PIN per hour.
SETS = 20
_RACES = 5


class Stored(msgspec.Struct):
    """A stored PIN.

    ``wrong``: failed attempts since the last correct one. ``until``: no attempt is allowed before.
    """

    hash: str
    made: float
    wrong: int = 0
    until: float = 0.0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


class Pins:
    """Sets PINs and checks them."""

    def __init__(self, secret: Secret, clock: Clock, store: DocumentStore) -> None:
        self._clock = clock
        self._store = store
        self._key = secret.key("pins")
        self._hasher = PasswordHasher()
        self._sets = RateLimit(SETS, 3600.0)
        self._one = asyncio.Lock()  # each takes 64 MiB

    def _peppered(self, account: int, pin: str) -> bytes:
        return hmac.digest(self._key, f"{account}\0{pin}".encode(), "sha256")

    async def made(self, account: int) -> float:
        """When the PIN was set, in seconds since 1970; 0 if there is none."""
        document = await self._store.document(account, SPACE, "")
        return _decode(document.value).made if document is not None else 0.0

    async def version(self, account: int) -> str:
        """A value that changes whenever the PIN is set; empty if there is none."""
        document = await self._store.document(account, SPACE, "")
        return _decode(document.value).hash if document is not None else ""

    async def set(self, account: int, pin: str) -> None:
        """Sets a new PIN. Raises Refused."""
        count(self._sets, account, self._clock.steady())
        async with self._one:
            hash = await asyncio.to_thread(self._hasher.hash, self._peppered(account, pin))
        await self._store.put(account, SPACE, "", _encode(Stored(hash, self._clock.now())))

    async def remove(self, account: int) -> bool:
        """Removes the PIN. Returns False if there was none."""
        return bool(await self._store.remove(account, SPACE))

    async def check(self, account: int, pin: str) -> None:
        """Checks a PIN. Raises Refused. The attempt is counted before it is compared."""
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
