"""The nodes of an account: stored as documents, and kept in memory while they are used.

Only the server node that owns the account writes them. A change is durable before it is visible in memory,
so a crash can't take back what somebody has read or was notified of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec

from kith.base.clock import Clock
from kith.features.pubsub.config import NodeConfig
from kith.ports.store import DocumentStore
from kith.records import privacy
from kith.wire.errors import StanzaError

#: Limits: nodes of one account, bytes of all items of a node, and bytes of its record.
MAX_NODES = 256
MAX_NODE_BYTES = 2 * 1024 * 1024
MAX_RECORD_BYTES = 128 * 1024
_NODE_BYTES = 1000
_ITEM_BYTES = 300


class Spaces(NamedTuple):
    """The spaces of the documents: of nodes, and (with the name of the node appended) of items."""

    nodes: str
    items: str


PEP_SPACES = Spaces("pep-nodes", "pep:")
#: The nodes that privacy settings apply to (XEP-0084, XEP-0292).
AVATAR_NODES = ("urn:xmpp:avatar:data", "urn:xmpp:avatar:metadata")
ABOUT_NODE = "urn:xmpp:vcard4"


class Item(msgspec.Struct, array_like=True, frozen=True):
    """A published item: its time in seconds since 1970, and the payload, which declares its namespaces.

    ``publisher``: the bare address of the publisher, empty if it is the account itself.
    """

    published: float
    payload: bytes = b""
    publisher: str = ""

    @property
    def element(self) -> Element | None:
        """The payload as an element; None if the item has none."""
        return ElementTree.fromstring(self.payload) if self.payload else None


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """The stored record of a node: affiliations by bare address, and the addresses of subscribers.

    ``pending``: addresses that have requested a subscription that an owner has to approve.
    """

    config: NodeConfig = NodeConfig()
    created: float = 0.0
    affiliations: dict[str, str] = msgspec.field(default_factory=dict)
    subscribers: list[str] = msgspec.field(default_factory=list)
    pending: list[str] = msgspec.field(default_factory=list)


_encode = msgspec.msgpack.Encoder().encode
_decode_item = msgspec.msgpack.Decoder(Item).decode
_decode_record = msgspec.msgpack.Decoder(Record).decode


def _encoded(record: Record) -> bytes:
    data = _encode(record)
    if len(data) > MAX_RECORD_BYTES:
        raise StanzaError("resource-constraint", f"a node is described by at most {MAX_RECORD_BYTES} bytes")
    return data


def _weight(items: Iterable[Item]) -> int:
    return sum(_ITEM_BYTES + len(item.payload) for item in items)


class Node:
    """A node. ``items``: by id, the oldest first; None until they are read from the store.

    ``ceiling``: the most open access model that is allowed. ``weight``: the approximate size in memory, in
    bytes. ``size``: the size of the record, in bytes.
    """

    __slots__ = ("ceiling", "items", "name", "record", "size", "weight")

    def __init__(self, name: str, record: Record, size: int, ceiling: str = "open") -> None:
        self.name = name
        self.ceiling = ceiling
        self.record = record
        self.size = size
        self.hold(None)

    def hold(self, items: dict[str, Item] | None) -> None:
        """Sets the items."""
        self.items = items
        self.weight = _NODE_BYTES + self.size + _weight((items or {}).values())

    def describe(self, record: Record, size: int) -> None:
        """Sets the record."""
        self.record = record
        self.weight += size - self.size
        self.size = size

    @property
    def config(self) -> NodeConfig:
        return self.record.config


class Nodes:
    """The nodes of one account. Changing them requires ``lock`` (see `NodeCache.writing`)."""

    __slots__ = (
        *("_clock", "_items_space", "_nodes_space", "_store"),
        *("account", "ceilings", "counted", "lock", "nodes"),
    )

    def __init__(self, store: DocumentStore, clock: Clock, account: int, spaces: Spaces = PEP_SPACES) -> None:
        self._store = store
        self._clock = clock
        self._nodes_space, self._items_space = spaces
        self.account = account
        self.nodes: dict[str, Node] = {}
        self.ceilings: dict[str, str] = {}
        self.lock = asyncio.Lock()
        self.counted = 0

    @classmethod
    async def load(
        cls, store: DocumentStore, clock: Clock, account: int, spaces: Spaces = PEP_SPACES
    ) -> Nodes:
        loaded = cls(store, clock, account, spaces)
        if spaces is PEP_SPACES:
            loaded.ceilings = ceilings(await privacy.load(store, account))
        for document in await store.documents(account, spaces.nodes):
            record = _decode_record(document.value)
            loaded.nodes[document.key] = Node(
                document.key, record, len(document.value), loaded.ceilings.get(document.key, "open")
            )
        return loaded

    def __getitem__(self, name: str) -> Node:
        """The node with this name. Raises StanzaError if it does not exist."""
        node = self.nodes.get(name)
        if node is None:
            raise StanzaError("item-not-found")
        return node

    @property
    def weight(self) -> int:
        """The approximate size in memory, in bytes."""
        return sum(node.weight for node in self.nodes.values())

    async def items(self, node: Node) -> dict[str, Item]:
        """The items of a node, the oldest first. Expired ones are removed."""
        if node.items is None:
            documents = await self._store.documents(self.account, self._items_space + node.name)
            if node.items is None:
                node.hold({document.key: _decode_item(document.value) for document in documents})
        assert node.items is not None
        if node.config.item_expire:
            before = self._clock.now() - node.config.item_expire
            expired = [id for id, item in node.items.items() if item.published < before]
            if expired:
                await self._drop(node, node.items, expired)
        return node.items

    async def create(self, name: str, config: NodeConfig, owner: str = "") -> Node:
        """Creates a node. Raises StanzaError if there are too many, or its record is too large."""
        if len(self.nodes) >= MAX_NODES:
            raise StanzaError("resource-constraint", f"an account has at most {MAX_NODES} nodes")
        record = Record(config, self._clock.now(), {owner: "owner"} if owner else {})
        data = _encoded(record)
        node = Node(name, record, len(data), self.ceilings.get(name, "open"))
        node.hold({})
        await self._store.put(self.account, self._nodes_space, name, data)
        self.nodes[name] = node
        return node

    async def save(self, node: Node, record: Record) -> None:
        """Stores a changed record. Raises StanzaError if it is too large."""
        data = _encoded(record)
        await self._store.put(self.account, self._nodes_space, node.name, data)
        node.describe(record, len(data))

    async def put(self, node: Node, id: str, item: Item) -> None:
        """Adds or replaces an item, and removes the oldest ones beyond the limit.

        Raises StanzaError if the node is full.
        """
        items = await self.items(node)
        old = [other for other in items if other != id]
        gone = old[: max(0, len(old) + 1 - node.config.max_items)]
        kept = sum(len(items[other].payload) for other in old[len(gone) :])
        if kept + len(item.payload) > MAX_NODE_BYTES:
            raise StanzaError("resource-constraint", f"a node holds at most {MAX_NODE_BYTES} bytes")
        space = self._items_space + node.name
        await asyncio.gather(
            self._store.put(self.account, space, id, _encode(item)),
            *(self._store.remove(self.account, space, other) for other in gone),
        )
        items.pop(id, None)
        items[id] = item
        for other in gone:
            items.pop(other, None)
        node.hold(items)

    async def remove(self, node: Node, ids: Sequence[str]) -> None:
        """Removes items."""
        await self._drop(node, await self.items(node), ids)

    async def _drop(self, node: Node, items: dict[str, Item], ids: Sequence[str]) -> None:
        space = self._items_space + node.name
        await asyncio.gather(*(self._store.remove(self.account, space, id) for id in ids))
        for id in ids:
            items.pop(id, None)
        node.hold(items)

    async def purge(self, node: Node) -> None:
        """Removes all items."""
        await self._store.remove(self.account, self._items_space + node.name)
        node.hold({})

    async def delete(self, node: Node) -> None:
        """Deletes the node with its items."""
        await asyncio.gather(
            self._store.remove(self.account, self._items_space + node.name),
            self._store.remove(self.account, self._nodes_space, node.name),
        )
        self.nodes.pop(node.name, None)
        node.hold({})


def ceilings(settings: privacy.Privacy) -> dict[str, str]:
    """The most open access models that an account's privacy settings allow, by node."""
    models = {"everyone": "open", "contacts": "presence", "nobody": "whitelist"}
    avatar, about = models[settings.avatar], models[settings.about]
    nodes = dict.fromkeys(AVATAR_NODES, avatar) | {ABOUT_NODE: about}
    return {node: model for node, model in nodes.items() if model != "open"}
