"""The store as the import sees it: writes are queued, and waited for together."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from kith.ports.store import Append, Document, Shared, Store, Unavailable

#: How much may be queued before the import waits for it: operations, and bytes of messages.
_MOST_WAITING = 4000
_MOST_BYTES = 16 * 1024 * 1024
#: How many ids are tried for a message whose id is in use, and how far apart they are: a millisecond.
_TRIES = 50
_MILLISECOND = 1 << 20


class Writes:
    """A `kith.ports.store.DocumentStore` whose writes are not durable before `settle`.

    ``real``: False for a trial, in which nothing is written.
    """

    def __init__(self, store: Store, real: bool) -> None:
        self._store = store
        self.real = real
        self._waiting: list[asyncio.Task[Any]] = []
        self._refused: list[tuple[Append, BaseException]] = []

    async def settle(self) -> None:
        """Waits until all is durable. Raises what went wrong."""
        waiting, self._waiting = self._waiting, []
        try:
            await asyncio.gather(*waiting)
        except BaseException:
            await asyncio.gather(*waiting, return_exceptions=True)
            raise
        if not self.real:
            return
        moved: list[Append] = []
        for _ in range(_TRIES):
            await self._store.flush()
            refused, self._refused = self._refused, []
            moved += [append for append, _ in refused]
            for append, error in refused:
                if isinstance(error, Unavailable):
                    raise error
                # its id is that of another message
                append.id += _MILLISECOND
                self._store.append(append)
            if not refused:
                break
        else:
            raise Unavailable("no ids are left for the messages of some second")
        for append in moved:
            self._store.mark_delivered(append.owners[0][0], append.id)
        if moved:
            await self._store.flush()

    async def relieve(self) -> None:
        """Waits if much is queued."""
        if len(self._waiting) > _MOST_WAITING or self._store.waiting_bytes > _MOST_BYTES:
            await self.settle()

    def append(
        self, id: int, stanza: bytes, account: int, peer: str, flags: int, shared: Shared | None = None
    ) -> None:
        """Adds a message to a log; ``shared``: that of a group, and to those of accounts."""
        if not self.real:
            return
        owners = [(account, peer, flags)]
        entry = Append(id, stanza, owners, lambda _, error: self._done(entry, error), shared=shared)
        self._store.append(entry)

    def _done(self, entry: Append, error: BaseException | None) -> None:
        if error is not None:
            self._refused.append((entry, error))

    def _queue(self, write: Coroutine[Any, Any, Any]) -> None:
        if self.real:
            self._waiting.append(asyncio.create_task(write))
        else:
            write.close()

    # -- DocumentStore --------------------------------------------------------------------------------

    async def documents(self, account: int, space: str) -> list[Document]:
        return await self._store.documents(account, space)

    async def documents_of(self, account: int, spaces: Sequence[str]) -> dict[str, list[Document]]:
        return await self._store.documents_of(account, spaces)

    async def document(self, account: int, space: str, key: str) -> Document | None:
        return await self._store.document(account, space, key)

    async def put(self, account: int, space: str, key: str, value: bytes) -> int:
        """Queues a document. Its ``seq`` is not known yet."""
        self._queue(self._store.put(account, space, key, value))
        return 0

    def put_soon(self, account: int, space: str, key: str, value: bytes) -> None:
        self._queue(self._store.put(account, space, key, value))

    async def put_if(self, account: int, space: str, key: str, value: bytes, seq: int) -> int:
        return await self._store.put_if(account, space, key, value, seq) if self.real else seq + 1

    async def remove(self, account: int, space: str, key: str | None = None) -> int:
        """Queues a removal."""
        self._queue(self._store.remove(account, space, key))
        return 0

    async def take(self, space: str, slot: int | None) -> list[tuple[str, Document]]:
        return await self._store.take(space, slot) if self.real else []

    async def spaces(self, account: int, prefix: str) -> list[str]:
        return await self._store.spaces(account, prefix)
