"""Private contact discovery: clients find out which numbers have an account, without showing their numbers.

It uses a verifiable oblivious pseudorandom function (RFC 9497, VOPRF with ristretto255 and SHA-512). The
client blinds its numbers, the server applies its key without seeing them, and the client removes the
blinding. It then looks for the results, truncated to ten bytes, in a list that the server has published: the
results (tags) of all numbers that have an account. Nobody can compute the function without the server, which
evaluates only as many numbers for an account as an address book needs. That prevents enumeration. A proof
ties each answer to one public key, which clients remember.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from voprf.ristretto import BlindedInput, Evaluator

from kith.accounts.errors import Refused, too_many
from kith.accounts.numbers import is_number
from kith.base.clock import Clock
from kith.base.numbers import canonical
from kith.base.secret import Secret
from kith.ports.store import AccountRecord, Store
from kith.records.moves import Moves

SPACE = "discovery"
#: The length of a tag: long enough that none of 5000 numbers matches one of a million tags by chance.
TAG_BYTES = 10
#: How many numbers the server evaluates for a new account, and how many more per day, up to the first number.
BUDGET = 5000
PER_DAY = 200
#: The maximum number of numbers in one request.
MAX_BATCH = 500
_DAY = 86400.0
#: How many tags are computed in a thread at once.
_CHUNK = 500
#: How long the set of tags is reused, in seconds.
_FRESH = 2.0
#: How often a write is tried when other requests change the same record.
_MAX_WRITES = 5


class Spent(msgspec.Struct, array_like=True):
    """How many more numbers an account could have evaluated at a time (``at``, in seconds since 1970).

    ``generation``: that of the server's secret (`kith.base.secret`). With a new one, devices need the values
    of all their numbers again, so everybody can have as many evaluated as at first.
    """

    left: float
    at: float
    generation: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Spent).decode


@dataclass(frozen=True, slots=True)
class Members:
    """The tags of all numbers that have an account, sorted and concatenated. ``version``: identifies them."""

    tags: bytes
    version: str


class Discovery:
    """Evaluates blinded numbers. It stores only how many more an account can have evaluated."""

    def __init__(self, secret: Secret, clock: Clock, store: Store) -> None:
        self._clock = clock
        self._store = store
        self._evaluator = Evaluator.from_seed(secret.key("discovery"), b"Kith contacts 1")
        self._generation = secret.generation
        self.public_key = self._evaluator.public_key.serialize()
        self._tags: dict[str, bytes] = {}
        self._one = asyncio.Lock()
        self._moves = Moves(store)
        self._members = Members(b"", "")
        self._at = float("-inf")

    async def members(self) -> Members:
        """The set of tags, at most two seconds old. Each tag is computed once while the server runs."""
        async with self._one:
            if self._clock.steady() - self._at < _FRESH:
                return self._members
            moved = await self._moves.all()  # former addresses, which only refer to the new ones
            current = [jid for jid in await self._store.accounts() if jid not in moved]
            numbers = {canonical(local) for jid in current if is_number(local := jid.partition("@")[0])}
            self._tags = {number: tag for number, tag in self._tags.items() if number in numbers}
            new = sorted(numbers - self._tags.keys())
            for start in range(0, len(new), _CHUNK):
                part = new[start : start + _CHUNK]
                self._tags.update(zip(part, await asyncio.to_thread(self._compute, part), strict=True))
            tags = b"".join(sorted(self._tags.values()))
            self._members = Members(tags, hashlib.sha256(tags).hexdigest()[:16])
            self._at = self._clock.steady()
            return self._members

    def _compute(self, numbers: Sequence[str]) -> list[bytes]:
        return [self._evaluator.evaluate_known_input(number.encode())[:TAG_BYTES] for number in numbers]

    async def evaluate(self, record: AccountRecord, elements: Sequence[bytes]) -> bytes:
        """Evaluates blinded numbers. Returns the proof and the elements, serialized. Raises Refused."""
        try:
            blinded = [BlindedInput.deserialize(element) for element in elements]
        except ValueError:
            raise Refused("invalid-element", "An element is not in the group ristretto255.") from None
        await self._spend(record.id, len(blinded))
        output = await asyncio.to_thread(self._evaluator.evaluate_batch, blinded)
        return output.serialize()

    async def _spend(self, account: int, count: int) -> None:
        for _ in range(_MAX_WRITES):
            document = await self._store.document(account, SPACE, "")
            now = self._clock.now()
            spent = _decode(document.value) if document is not None else None
            if spent is None or spent.generation != self._generation:
                spent = Spent(BUDGET, now)
            passed = max(0.0, now - spent.at)  # not negative, if the clock was ahead then
            left = min(BUDGET, spent.left + passed / _DAY * PER_DAY)
            if left < count:
                raise too_many((count - left) / PER_DAY * _DAY)
            value = _encode(Spent(left - count, now, self._generation))
            if await self._store.put_if(account, SPACE, "", value, document.seq if document else 0):
                return
        raise too_many(1.0)
