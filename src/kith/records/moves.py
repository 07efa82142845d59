"""Accounts whose address has changed (XEP-0283): which new address an old one refers to."""

from __future__ import annotations

import msgspec

from kith.ports.store import DocumentStore
from kith.records.readable import readable

SPACE = "moved"
#: How long an old address refers to the new one, in seconds.
LIFETIME = 90 * 86400.0


class Move(msgspec.Struct):
    """A change of address.

    ``account``: the account's id. ``new``: its current bare address. ``at``: when it moved, in seconds since
    1970. ``done``: everything was updated, and contacts were notified.
    """

    account: int
    new: str
    at: float
    done: bool = False

    def is_over(self, now: float) -> bool:
        """Whether the old address no longer refers to the new one."""
        return now - self.at >= LIFETIME


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Move).decode


class Moves:
    """Reads and writes moves, by the old bare address."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def all(self) -> dict[str, Move]:
        """All moves that can be read, by the old bare address."""
        documents = await self._store.documents(0, SPACE)
        return {one.key: move for one, move in readable(documents, _decode, "change of an address")}

    async def find(self, old: str) -> Move | None:
        """The move away from an address, or None."""
        document = await self._store.document(0, SPACE, old)
        return _decode(document.value) if document is not None else None

    async def put(self, old: str, move: Move) -> None:
        """Stores a move away from an address."""
        await self._store.put(0, SPACE, old, _encode(move))

    async def remove(self, old: str) -> None:
        """Removes a move, so that its address can be used again."""
        await self._store.remove(0, SPACE, old)
