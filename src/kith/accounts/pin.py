"""The PIN of an account: a second factor, for the case that somebody else has got the phone number.

A registration with the number of an existing account needs its PIN as well as a code.

Six digits could be guessed from a hash. So what is hashed (argon2) is an HMAC of the PIN with the server's
secret: a copy of the database alone does not suffice to guess it. Wrong attempts cause growing waits, which
survive restarts.
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
#: Seconds to wait after the first wrong attempt, the second, and so on. Further ones cause the last wait.
WAITS = (0.0, 0.0, 60.0, 300.0, 1800.0, 7200.0, 43200.0, 86400.0)
#: After so many seconds without any device online, a registration takes over the account without its PIN.
FORGOTTEN_AFTER = 7 * 86400.0
#: After so many seconds without any device online, a registration replaces the account by a new one.
ANEW_AFTER = 30 * 86400.0
#: How often an account can set a PIN per hour.
SETS = 20
#: How often a write is tried when other requests change the same record.
_MAX_WRITES = 5


class Stored(msgspec.Struct):
    """A stored PIN. All times are in seconds since 1970.

    ``hash``: argon2, in its text format. ``made``: when the PIN was set. ``wrong``: how many attempts have
    failed since the last correct one. ``until``: when the next attempt is allowed. ``generation``: that of
    the server's secret (`kith.base.secret`). ``first``: the first hash of this PIN, if the secret has changed
    since it was set.
    """

    hash: str
    made: float
    wrong: int = 0
    until: float = 0.0
    generation: int = 0
    first: str = ""

    @property
    def version(self) -> str:
        """What is different each time a PIN is set."""
        return self.first or self.hash


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Stored).decode


class Pins:
    """Sets PINs and checks them."""

    def __init__(self, secret: Secret, clock: Clock, store: DocumentStore) -> None:
        self._clock = clock
        self._store = store
        self._keys = secret.keys("pins")
        self._generation = secret.generation
        self._hasher = PasswordHasher()
        self._sets = RateLimit(SETS, 3600.0)
        self._hashing = asyncio.Lock()  # one at a time, since each hash takes 64 MiB

    def _peppered(self, account: int, pin: str, generation: int) -> bytes:
        # a key that is lost fits no PIN
        key = self._keys.get(generation) or self._keys[self._generation]
        return hmac.digest(key, f"{account}\0{pin}".encode(), "sha256")

    async def made(self, account: int) -> float:
        """When the PIN was set, in seconds since 1970; 0 if the account has no PIN."""
        document = await self._store.document(account, SPACE, "")
        return _decode(document.value).made if document is not None else 0.0

    async def version(self, account: int) -> str:
        """A text that is different each time the PIN is set; empty if the account has no PIN."""
        document = await self._store.document(account, SPACE, "")
        return _decode(document.value).version if document is not None else ""

    async def set(self, account: int, pin: str) -> None:
        """Sets or replaces the PIN. Raises Refused after too many changes."""
        count(self._sets, account, self._clock.steady())
        stored = Stored(await self._hash(account, pin), self._clock.now(), generation=self._generation)
        await self._store.put(account, SPACE, "", _encode(stored))

    async def _hash(self, account: int, pin: str) -> str:
        """The hash of a PIN, with the present secret."""
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, self._peppered(account, pin, self._generation))

    async def remove(self, account: int) -> bool:
        """Removes the PIN. Returns False if there was none."""
        return bool(await self._store.remove(account, SPACE))

    async def check(self, account: int, pin: str) -> None:
        """Checks a PIN. Raises Refused if it is wrong, or attempts are not allowed yet.

        Returns without an error if the account has no PIN. The attempt is counted before the hashes are
        compared, so parallel requests get no additional attempts.
        """
        for _ in range(_MAX_WRITES):
            document = await self._store.document(account, SPACE, "")
            if document is None:
                return
            stored, now = _decode(document.value), self._clock.now()
            # `until` is too late if the clock was wrong then: the wait is never longer than `WAITS` says
            wait = min(stored.until - now, WAITS[min(max(stored.wrong - 1, 0), len(WAITS) - 1)])
            if wait > 0:
                raise Refused("too-many", f"Too many wrong PINs. Try again in {spell(wait)}.", wait)
            wait = WAITS[min(stored.wrong, len(WAITS) - 1)]
            tried = msgspec.structs.replace(stored, wrong=stored.wrong + 1, until=now + wait)
            seq = await self._store.put_if(account, SPACE, "", _encode(tried), document.seq)
            if not seq:
                continue
            if not await self._fits(stored, account, pin):
                raise Refused("wrong-pin", "The PIN is wrong.", wait)
            correct = msgspec.structs.replace(stored, wrong=0, until=0.0)
            if stored.generation != self._generation:
                correct.first, correct.hash = stored.version, await self._hash(account, pin)
                correct.generation = self._generation
            await self._store.put_if(account, SPACE, "", _encode(correct), seq)
            return
        raise Refused("too-many", "Too many attempts at the same time.", 1.0)

    async def _fits(self, stored: Stored, account: int, pin: str) -> bool:
        peppered = self._peppered(account, pin, stored.generation)
        async with self._hashing:
            try:
                return await asyncio.to_thread(self._hasher.verify, stored.hash, peppered)
            except VerificationError:
                return False
