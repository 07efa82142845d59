"""A cache of limited size for the nodes of accounts."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kith.base.clock import Clock
from kith.features.pubsub.nodes import PEP_SPACES, Item, Node, Nodes, Spaces
from kith.ports.store import DocumentStore
from kith.wire.errors import StanzaError

#: Limits of the cache: accounts, and approximate bytes.
MAX_ACCOUNTS = 20_000
MAX_BYTES = 64 * 1024 * 1024


class NodeCache:
    """The nodes of the accounts that were used most recently."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        accounts: int = MAX_ACCOUNTS,
        size: int = MAX_BYTES,
        spaces: Spaces = PEP_SPACES,
    ) -> None:
        self._store = store
        self._clock = clock
        self._spaces = spaces
        self._max_accounts = accounts
        self._max_bytes = size
        self._bytes = 0
        self._cache: OrderedDict[int, Nodes] = OrderedDict()
        self._loading: dict[int, asyncio.Task[Nodes]] = {}

    async def load(self, account: int) -> Nodes:
        """Returns the nodes of an account for reading."""
        nodes = self._cache.get(account)
        if nodes is not None:
            self._cache.move_to_end(account)
            return nodes
        task = self._loading.get(account)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._load(account))
            self._loading[account] = task
        return await asyncio.shield(task)

    async def _load(self, account: int) -> Nodes:
        loading = self._loading
        try:
            nodes = await Nodes.load(self._store, self._clock, account, self._spaces)
        finally:
            # at once, not when the task is done, since nodes that were dropped meanwhile must not be returned
            del loading[account]
        if loading is not self._loading:
            return await self.load(account)  # what was read may be out of date
        self._cache[account] = nodes
        self.settle(nodes)
        return nodes

    @asynccontextmanager
    async def writing(self, account: int) -> AsyncIterator[Nodes]:
        """Returns the nodes of an account for changes, which are made one after the other."""
        while True:
            nodes = await self.load(account)
            async with nodes.lock:
                if self._cache.get(account) is nodes:
                    try:
                        yield nodes
                    except StanzaError:
                        raise
                    except BaseException:
                        self.drop(account)  # a part of the change may be durable
                        raise
                    finally:
                        self.settle(nodes)
                        self._drop_oversized(nodes)
                    return

    async def items(self, nodes: Nodes, node: Node) -> dict[str, Item]:
        """Returns the items of a node for reading."""
        if node.items is None or node.config.item_expire:
            await nodes.items(node)
            self.settle(nodes)
            if not nodes.lock.locked():
                self._drop_oversized(nodes)
        assert node.items is not None
        return node.items

    def settle(self, nodes: Nodes) -> None:
        """Updates the size of an account, and drops others if the cache is full."""
        if self._cache.get(nodes.account) is not nodes:
            return
        weight = nodes.weight
        self._bytes += weight - nodes.counted
        nodes.counted = weight
        for account, other in list(self._oldest()):
            if len(self._cache) <= self._max_accounts and self._bytes <= self._max_bytes:
                return
            if not other.lock.locked() and other is not nodes:
                self.drop(account)

    def _drop_oversized(self, nodes: Nodes) -> None:
        """Drops an account that is larger than its share, since it would push out the others."""
        if nodes.counted > self._max_bytes // 4 and self._cache.get(nodes.account) is nodes:
            self.drop(nodes.account)

    def _oldest(self) -> list[tuple[int, Nodes]]:
        if len(self._cache) <= self._max_accounts and self._bytes <= self._max_bytes:
            return []
        oldest = iter(self._cache.items())
        return [pair for pair, _ in zip(oldest, range(64), strict=False)]

    def clear(self) -> None:
        """Drops all accounts."""
        self._cache.clear()
        self._bytes = 0
        self._loading = {}

    def drop(self, account: int) -> None:
        """Drops an account."""
        nodes = self._cache.pop(account, None)
        if nodes is not None:
            self._bytes -= nodes.counted
