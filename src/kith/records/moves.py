"""Accounts that have another address now (XEP-0283): what an older address leads to."""

from __future__ import annotations

import msgspec

from kith.ports.store import Store
from kith.records.readable import readable

SPACE = "moved"
#: How long an older address leads to the newer one, in seconds.
LIFETIME = 90 * 86400.0


class Move(msgspec.Struct):
    """``new``: the bare address that account ``account`` has now; ``done``: contacts were told."""

    account: int
    new: str
    at: float
    done: bool = False

    def is_over(self, now: float) -> bool:
        """Whether the older address does not lead anywhere any more."""
        return now - self.at >= LIFETIME


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Move).decode


class Moves:
    """Reads and writes them, by the older bare address."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def all(self) -> dict[str, Move]:
        """Those that there are."""
        documents = await self._store.documents(0, SPACE)
        return {one.key: move for one, move in readable(documents, _decode, "change of an address")}

    async def find(self, old: str) -> Move | None:
        """Where an address leads, or None."""
        document = await self._store.document(0, SPACE, old)
        return _decode(document.value) if document is not None else None

    async def put(self, old: str, move: Move) -> None:
        await self._store.put(0, SPACE, old, _encode(move))

    async def remove(self, old: str) -> None:
        """The address is free."""
        await self._store.remove(0, SPACE, old)
