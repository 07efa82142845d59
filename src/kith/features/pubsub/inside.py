"""Access to the nodes of an account for other features, without requests and access checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kith.features.pubsub.access import refusal
from kith.features.pubsub.config import NodeConfig
from kith.features.pubsub.nodes import Item, Node
from kith.features.pubsub.notify import delete_event, items_event, retract_event
from kith.features.pubsub.request import Service
from kith.wire.jid import JID


class Inside:
    """Reads, publishes and retracts on behalf of an account."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def items(self, account: int, node: str) -> Mapping[str, Item]:
        """The items of a node, the oldest first; empty if the node does not exist."""
        nodes = await self._service.nodes.load(account)
        found = nodes.nodes.get(node)
        return await self._service.nodes.items(nodes, found) if found is not None else {}

    async def readable(self, owner: JID, account: int, node: str, asker: str) -> bool:
        """Whether ``asker``, a bare address, may read the node."""
        nodes = await self._service.nodes.load(account)
        found = nodes.nodes.get(node)
        if found is None:
            return False
        roster = await self._service.accounts.roster(owner.bare)
        return refusal(found, roster, owner.bare, asker) is None

    async def publish(
        self, owner: JID, account: int, node: str, items: Sequence[tuple[str, bytes]], config: NodeConfig
    ) -> None:
        """Publishes payloads, given by item id. Raises StanzaError.

        ``config``: the configuration if the node has to be created.
        """
        done: list[tuple[Node, str, Item]] = []
        async with self._service.nodes.writing(account) as nodes:
            found = nodes.nodes.get(node) or await nodes.create(node, config)
            for id, payload in items:
                item = Item(self._service.clock.now(), payload)
                await nodes.put(found, id, item)
                done.append((found, id, item))
        for found, id, item in done:
            await self._service.notifier.publish(owner, found, items_event(found, id, item))

    async def retract(self, owner: JID, account: int, node: str, ids: Sequence[str]) -> None:
        """Removes items; ids that do not exist are ignored."""
        async with self._service.nodes.writing(account) as nodes:
            found = nodes.nodes.get(node)
            gone = [id for id in ids if found is not None and id in await nodes.items(found)]
            if found is not None and gone:
                await nodes.remove(found, gone)
        for id in gone:
            assert found is not None
            await self._service.notifier.publish(owner, found, retract_event(found, id))

    async def delete(self, owner: JID, account: int, node: str) -> None:
        """Deletes a node, if it exists."""
        async with self._service.nodes.writing(account) as nodes:
            found = nodes.nodes.get(node)
            if found is not None:
                await nodes.delete(found)
        if found is not None and found.config.notify_delete:
            await self._service.notifier.publish(owner, found, delete_event(found))
