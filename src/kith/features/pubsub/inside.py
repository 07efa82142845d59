"""Nodes of an account as the server's own features see them: no requests, no access checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kith.features.pubsub.access import refusal
from kith.features.pubsub.config import NodeConfig
from kith.features.pubsub.nodes import Item, Node
from kith.features.pubsub.notify import delete_event, items_event, retract_event
from kith.features.pubsub.request import Service
from kith.wire.jid import JID


class Inside:
    """Reads, publishes and retracts in the name of an account."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def items(self, account: int, node: str) -> Mapping[str, Item]:
        """The items of a node, the oldest first; nothing if there is no such node."""
        nodes = await self._service.nodes.load(account)
        found = nodes.nodes.get(node)
        return await self._service.nodes.items(nodes, found) if found is not None else {}

    async def readable(self, owner: JID, account: int, node: str, asker: str) -> bool:
        """Whether a bare address may read the node."""
        nodes = await self._service.nodes.load(account)
        found = nodes.nodes.get(node)
        if found is None:
            return False
        roster = await self._service.accounts.roster(owner.bare)
        return refusal(found, roster, owner.bare, asker) is None

    async def publish(
        self, owner: JID, account: int, node: str, items: Sequence[tuple[str, bytes]], config: NodeConfig
    ) -> None:
        """Publishes payloads by id; ``config`` is for a node that is made for them. Raises StanzaError."""
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
        """Removes items, those that there are."""
        async with self._service.nodes.writing(account) as nodes:
            found = nodes.nodes.get(node)
            gone = [id for id in ids if found is not None and id in await nodes.items(found)]
            if found is not None and gone:
                await nodes.remove(found, gone)
        for id in gone:
            assert found is not None
            await self._service.notifier.publish(owner, found, retract_event(found, id))

    async def delete(self, owner: JID, account: int, node: str) -> None:
        """Removes a node, if there is one."""
        async with self._service.nodes.writing(account) as nodes:
            found = nodes.nodes.get(node)
            if found is not None:
                await nodes.delete(found)
        if found is not None and found.config.notify_delete:
            await self._service.notifier.publish(owner, found, delete_event(found))
