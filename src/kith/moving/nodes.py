"""PEP nodes with their settings, members and items (XEP-0227 §4.11)."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.base.clock import Clock
from kith.features import bookmarks
from kith.features.forms import Form, build_form, find_form
from kith.features.pubsub import (
    MAX_ITEMS,
    MAX_NAME,
    MAX_PAYLOAD,
    Item,
    Node,
    NodeConfig,
    Record,
    changed,
    fields,
    remove_excess,
)
from kith.features.pubsub import Nodes as Stored
from kith.moving.arrival import Arrival, Context, Standing
from kith.moving.names import ITEMS_TAG, NODES_TAG, PUBSUB_TAG
from kith.moving.reading import Part
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.serialize import serialize

_CONFIGURE, _AFFILIATIONS, _AFFILIATION, _SUBSCRIPTIONS, _SUBSCRIPTION = (
    ns.tag(ns.PUBSUB_OWNER, name)
    for name in ("configure", "affiliations", "affiliation", "subscriptions", "subscription")
)
_ITEM = ns.tag(ns.PUBSUB, "item")
_KNOWN = ("owner", "publisher", "member", "outcast")
_MAX_MEMBERS = 1000
_ACCESS = "pubsub#access_model"
#: The settings of nodes that came without any, for those that are not for contacts.
_USUAL = {bookmarks.NODE: bookmarks.CONFIG, bookmarks.OLD_NODE: bookmarks.OLD_CONFIG}


class Nodes:
    """Imports the nodes of one account."""

    def __init__(self, context: Context, arrival: Arrival) -> None:
        self._context = context
        self._arrival = arrival
        self._nodes: Stored | None = None
        self._before: set[str] = set()  # the nodes that were there
        self._configured: set[str] = set()
        self._older: list[Element] = []

    async def load(self) -> Stored:
        """The nodes, with those that have been imported so far."""
        if self._nodes is None:
            writes, clock, account = self._context.writes, self._context.clock, self._arrival.id
            if self._arrival.is_new:
                self._nodes = Stored(writes, clock, account)
            else:
                self._nodes = await Stored.load(writes, clock, account)
                self._before = set(self._nodes.nodes)
        return self._nodes

    async def take(self, part: Part) -> bool:
        """Takes an item, settings, or members. Returns False if the part is something else."""
        if part.within == ITEMS_TAG:
            await self._item(part)
        elif part.within == NODES_TAG:
            await self._describe(part)
        elif part.within == PUBSUB_TAG or part.tag in (PUBSUB_TAG, NODES_TAG):
            self._leave("nodes", "an unknown element", part.tag)
        else:
            return False
        return True

    def older_bookmarks(self, storage: Element) -> None:
        """Notes bookmarks in their older form, from private storage."""
        self._older.append(storage)

    async def close(self) -> None:
        """Takes bookmarks that are only in private storage, and sets the size of nodes without settings."""
        nodes = await self.load()
        await self._bookmarks(nodes)
        for node in nodes.nodes.values():
            kept = self._before if self._arrival.standing is Standing.EXISTING else set()
            if node.name not in kept | self._configured:
                usual = _USUAL.get(node.name)
                count = max(1, len(await nodes.items(node)))
                config = usual or msgspec.structs.replace(node.config, max_items=count)
                await nodes.save(node, msgspec.structs.replace(node.record, config=config))

    async def _bookmarks(self, nodes: Stored) -> None:
        if bookmarks.NODE in nodes.nodes:
            return
        for storage in self._older:
            for conference in storage.findall(bookmarks.CONFERENCE):
                room = bookmarks.room_of(conference)
                if room is None:
                    self._leave(
                        "items", "a bookmark without the address of a room", conference.get("jid", "")
                    )
                else:
                    payload = serialize(bookmarks.to_new(conference), " ")
                    await self.put(bookmarks.NODE, self._id(bookmarks.NODE, room), payload, bookmarks.CONFIG)
        if bookmarks.OLD_NODE not in nodes.nodes and bookmarks.NODE in nodes.nodes:
            items = await nodes.items(nodes.nodes[bookmarks.NODE])
            payload = serialize(bookmarks.storage_of(items), " ")
            await self.put(bookmarks.OLD_NODE, bookmarks.CURRENT, payload, bookmarks.OLD_CONFIG)

    async def put(self, name: str, id: str, payload: bytes, config: NodeConfig) -> None:
        """Publishes an item to a node, which has or gets these settings."""
        self._configured.add(name)
        node = await self._node(name, config)
        if node is not None:
            await self._put(node, id, Item(self._context.clock.now(), payload))

    async def _node(self, name: str, config: NodeConfig | None = None) -> Node | None:
        """The node with a name, which is created if there is none. None if nothing is to be put into it."""
        nodes = await self.load()
        node = nodes.nodes.get(name)
        if node is not None:
            return None if name in self._before and self._arrival.standing is Standing.EXISTING else node
        if not name or len(name.encode()) > MAX_NAME:
            self._leave("nodes", "a name that is empty or too long", name[:40])
            return None
        try:
            node = await nodes.create(name, config or NodeConfig(max_items=MAX_ITEMS))
        except StanzaError as error:
            self._leave("nodes", error.text or error.condition, name)
            return None
        self._context.report.take("nodes")
        return node

    async def _item(self, part: Part) -> None:
        element = part.element
        example = f"{part.node} {element.get('id', '') if element is not None else ''}"
        if element is None or element.tag != _ITEM or len(element) > 1:
            self._leave("items", "too large, or not an item", example)
            return
        id = self._id(part.node, element.get("id", ""))
        payload = b""
        if len(element):
            element[0].tail = None
            payload = serialize(element[0], " ")
        if not id or len(id.encode()) > MAX_NAME or len(payload) > MAX_PAYLOAD:
            self._leave("items", f"without an id, or larger than {MAX_PAYLOAD} bytes", example)
            return
        node = await self._node(part.node)
        if node is None:
            if part.node in self._before:
                self._context.report.found("items")
            return
        publisher = ""
        if element.get("publisher"):
            try:
                bare = self._context.names.jid(element.get("publisher", "")).bare
            except ValueError:
                bare = self._arrival.jid
            publisher = bare if bare != self._arrival.jid else ""
        await self._put(node, id, Item(self._context.clock.now(), payload, publisher))

    def _id(self, node: str, id: str) -> str:
        """The id of an item: that of a bookmark is the address of a room, which may have another one here."""
        if node != bookmarks.NODE:
            return id
        try:
            return str(self._context.names.jid(id))
        except ValueError:
            return id

    async def _put(self, node: Node, id: str, item: Item) -> None:
        nodes = await self.load()
        if node.name in self._before and id in await nodes.items(node):
            self._context.report.found("items")
            return
        try:
            await nodes.put(node, id, item)
        except StanzaError as error:
            self._leave("items", error.text or error.condition, f"{node.name} {id}")
        else:
            self._context.report.take("items")

    async def _describe(self, part: Part) -> None:
        element, name = part.element, part.element.get("node", "") if part.element is not None else ""
        if element is None or part.tag not in (_CONFIGURE, _AFFILIATIONS, _SUBSCRIPTIONS):
            self._leave("nodes", "settings that are too large or unknown", f"{name} {part.tag}")
            return
        node = await self._node(name)
        if node is None:
            if name in self._before and part.tag == _CONFIGURE:
                self._context.report.found("nodes")
            return
        nodes = await self.load()
        record = node.record
        if part.tag == _CONFIGURE:
            self._configured.add(name)
            form = find_form(element)
            config = self._config(_USUAL.get(name, NodeConfig()), form, name) if form is not None else None
            record = msgspec.structs.replace(record, config=config or NodeConfig())
        else:
            record = self._members(record, element, name)
        try:
            await nodes.save(node, record)
        except StanzaError as error:
            self._leave("nodes", error.text or error.condition, name)
        else:
            await remove_excess(nodes, node)

    def _config(self, config: NodeConfig, form: Form, name: str) -> NodeConfig:
        """Applies the settings one by one: those that Kith does not have keep their default."""
        for var, values in form.values.items():
            values = [value for value in values if value]
            if not values:
                continue
            try:
                config = changed(config, Form(form.type, {var: values}))
            except ValueError as error:
                if var == _ACCESS:  # nobody may read more than before
                    config = msgspec.structs.replace(config, access_model="whitelist")
                self._context.report.note(f"a setting of a node was not taken: {error}", name)
        return config

    def _members(self, record: Record, element: Element, name: str) -> Record:
        affiliations, subscribers = dict(record.affiliations), list(record.subscribers)
        pending = list(record.pending)
        for child in element:
            try:
                jid = self._context.names.jid(child.get("jid", ""))
            except ValueError:
                self._leave("nodes", "a member that is not an address", f"{name} {child.get('jid', '')}")
                continue
            state = child.get("subscription") or child.get("subscribed", "")  # as Prosody 0.12 names it
            if child.tag == _AFFILIATION:
                if jid.bare != self._arrival.jid and child.get("affiliation") in _KNOWN:
                    affiliations[jid.bare] = child.get("affiliation", "")
            elif child.tag == _SUBSCRIPTION and state in ("subscribed", "pending"):
                (subscribers if state == "subscribed" else pending).append(str(jid))
        subscribers, pending = list(dict.fromkeys(subscribers)), list(dict.fromkeys(pending))
        if len(affiliations) > _MAX_MEMBERS or len(subscribers) + len(pending) > _MAX_MEMBERS:
            self._leave("nodes", f"members beyond {_MAX_MEMBERS}", name)
            return record
        return msgspec.structs.replace(
            record, affiliations=affiliations, subscribers=subscribers, pending=pending
        )

    def _leave(self, kind: str, reason: str, example: str) -> None:
        self._context.report.leave(kind, reason, f"{self._arrival.jid}: {example}")


async def write(store: DocumentStore, clock: Clock, account: int) -> tuple[Element, Element, Stored]:
    """The settings and the items of all nodes, and the nodes themselves."""
    nodes = await Stored.load(store, clock, account)
    settings, contents = Element(NODES_TAG), Element(PUBSUB_TAG)
    for node in nodes.nodes.values():
        configure = SubElement(settings, _CONFIGURE, {"node": node.name})
        configure.append(build_form("submit", ns.PUBSUB_NODE_CONFIG, fields(node.config, fixed=False)))
        record = node.record
        if record.affiliations:
            members = SubElement(settings, _AFFILIATIONS, {"node": node.name})
            for jid, affiliation in record.affiliations.items():
                SubElement(members, _AFFILIATION, {"jid": jid, "affiliation": affiliation})
        if record.subscribers or record.pending:
            subscriptions = SubElement(settings, _SUBSCRIPTIONS, {"node": node.name})
            for state, jids in (("subscribed", record.subscribers), ("pending", record.pending)):
                for jid in jids:
                    SubElement(subscriptions, _SUBSCRIPTION, {"jid": jid, "subscription": state})
        items = SubElement(contents, ITEMS_TAG, {"node": node.name})
        for id, item in (await nodes.items(node)).items():
            element = SubElement(items, _ITEM, {"id": id})
            if item.publisher:
                element.set("publisher", item.publisher)
            if item.payload:
                element.append(ElementTree.fromstring(item.payload))
    return settings, contents, nodes
