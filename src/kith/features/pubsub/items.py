"""Publishes, retracts and retrieves items (XEP-0060 §6.5, §7.1 and §7.2)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.features.forms import find_form
from kith.features.paging import SET, PageRequest, page_element, read_page
from kith.features.pubsub.config import MAX_ITEMS, MAX_PAYLOAD, NodeConfig, changed
from kith.features.pubsub.errors import pubsub_error, unsupported
from kith.features.pubsub.nodes import Item, Node, Nodes
from kith.features.pubsub.notify import items_event, retract_event
from kith.features.pubsub.request import MAX_NAME, Request, Service
from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.serialize import serialize

_PUBSUB = ns.tag(ns.PUBSUB, "pubsub")
_ITEMS = ns.tag(ns.PUBSUB, "items")
_ITEM = ns.tag(ns.PUBSUB, "item")
_PUBLISH = ns.tag(ns.PUBSUB, "publish")
_OPTIONS = ns.tag(ns.PUBSUB, "publish-options")
#: An unused namespace as the context, so that serialized payloads declare their own.
_ANYWHERE = " "
#: Maximum bytes of payloads in one answer, which always has at least one item.
MAX_ANSWER = 512 * 1024


async def publish(service: Service, request: Request) -> Sequence[Element]:
    """Publishes an item.

    Creates the node if it does not exist and is the account's own. Raises StanzaError.
    """
    name = request.node()
    items = request.command.findall(_ITEM)
    if len(items) > 1:
        raise pubsub_error("bad-request", "invalid-payload")
    async with service.nodes.writing(request.account) as nodes:
        node = nodes.nodes.get(name)
        if node is not None:
            request.must_publish(node)
        elif service.auto_create:
            service.must_create(request)
        else:
            raise StanzaError("item-not-found")
        config = _preconditions(request, node, service.defaults_for(name))
        publisher = request.asker if request.asker != request.owner.bare else ""
        id, item = _item(service, items[0] if items else None, config, publisher)
        if node is not None and id is not None:
            await _must_be_replaceable(request, nodes, node, id)
        if node is None:
            node = await nodes.create(name, config)
        if id is not None and item is not None and config.persist_items:
            await nodes.put(node, id, item)
    await service.notifier.publish(request.owner, node, items_event(node, id, item))
    await service.changed(request, name)
    result = Element(_PUBSUB)
    published = SubElement(result, _PUBLISH, {"node": name})
    if id is not None:
        SubElement(published, _ITEM, {"id": id})
    return (result,)


async def _must_be_replaceable(request: Request, nodes: Nodes, node: Node, id: str) -> None:
    """Checks that the asker owns the node or has published the item to be replaced. Raises StanzaError."""
    if request.standing(node) == "owner":
        return
    old = (await nodes.items(node)).get(id)
    if old is not None and old.publisher != request.asker:
        raise StanzaError("forbidden", "the item is somebody else's")


def _preconditions(request: Request, node: Node | None, defaults: NodeConfig) -> NodeConfig:
    """The configuration of the node, or the one to create it with (XEP-0060 §7.1.5)."""
    config = node.config if node is not None else defaults
    form = find_form(request.parent.find(_OPTIONS))
    if form is None:
        return config
    if form.form_type and form.form_type != ns.PUBSUB_PUBLISH_OPTIONS:
        raise StanzaError("bad-request", "not a form with publish options")
    try:
        wanted = changed(config, form, strict=True)
    except ValueError as error:
        failed = pubsub_error("conflict", "precondition-not-met")
        failed.text = str(error)
        raise failed from None
    if node is not None and wanted != config:
        raise pubsub_error("conflict", "precondition-not-met")
    return wanted


def _item(
    service: Service, element: Element | None, config: NodeConfig, publisher: str
) -> tuple[str | None, Item | None]:
    """The id and the item of a publish request, checked against the node's configuration (XEP-0060
    §7.1.3.6).
    """
    if element is None:
        if config.persist_items:
            raise pubsub_error("bad-request", "item-required")
        if config.deliver_payloads:
            raise pubsub_error("bad-request", "payload-required")
        return None, None
    if not config.persist_items and not config.deliver_payloads:
        raise pubsub_error("bad-request", "item-forbidden")
    if len(element) > 1:
        raise pubsub_error("bad-request", "invalid-payload")
    if not len(element) and config.deliver_payloads:
        raise pubsub_error("bad-request", "payload-required")
    id = element.get("id") or service.randomness.hex(10)
    if len(id.encode()) > MAX_NAME:
        raise StanzaError("not-acceptable", "the id of the item is too long")
    payload = serialize(_without_tail(element[0]), _ANYWHERE) if len(element) else b""
    if len(payload) > MAX_PAYLOAD:
        raise pubsub_error("not-acceptable", "payload-too-big")
    return id, Item(service.clock.now(), payload, publisher)


def _without_tail(element: Element) -> Element:
    element.tail = None
    return element


async def retract(service: Service, request: Request) -> Sequence[Element]:
    """Retracts an item: owners any, others their own. Raises StanzaError."""
    items = request.command.findall(_ITEM)
    id = items[0].get("id", "") if len(items) == 1 else ""
    notify = request.command.get("notify") in ("1", "true")
    async with service.nodes.writing(request.account) as nodes:
        name = request.node()
        found = await nodes.items(nodes.nodes[name]) if name in nodes.nodes else {}
        mine = id in found and found[id].publisher == request.asker
        node = nodes[name] if mine else request.owned(nodes)
        if not id:
            raise pubsub_error("bad-request", "item-required")
        if not node.config.persist_items:
            raise unsupported("persistent-items")
        if id not in found:
            raise StanzaError("item-not-found")
        await nodes.remove(node, [id])
    if notify or node.config.notify_retract:
        await service.notifier.publish(request.owner, node, retract_event(node, id))
    await service.changed(request, name)
    return ()


async def retrieve(service: Service, request: Request) -> Sequence[Element]:
    """Answers with all items, the most recent (``max_items``), a page (XEP-0059), or those of given ids.

    Raises StanzaError.
    """
    name = request.node()
    nodes = await service.nodes.load(request.account)
    node = nodes[name]
    await request.must_read(service, node)
    if not node.config.persist_items:
        raise unsupported("persistent-items")
    items = await service.nodes.items(nodes, node)
    result = Element(_PUBSUB)
    parent = SubElement(result, _ITEMS, {"node": name})
    asked = request.command.findall(_ITEM)
    if asked:
        wanted = dict.fromkeys(element.get("id", "") for element in asked)
        ids = [id for id in wanted if id in items]
        page = PageRequest(len(ids))
    else:
        ids = list(items)
        page = _page(request)
    chosen = _choose(ids, page, items)
    for id in chosen:
        element = SubElement(parent, _ITEM, {"id": id})
        if items[id].publisher:
            element.set("publisher", items[id].publisher)
        if (payload := items[id].element) is not None:
            element.append(payload)
    if request.parent.find(SET) is not None or len(chosen) < min(len(ids), page.limit):
        first, last = (chosen[0], chosen[-1]) if chosen else (None, None)
        result.append(page_element(first, last, len(ids)))
    return (result,)


def _page(request: Request) -> PageRequest:
    """The requested page. Without ``<set/>`` it has the most recent items (XEP-0060 §6.5.7)."""
    if request.parent.find(SET) is not None:
        return read_page(request.parent, MAX_ITEMS, MAX_ITEMS)
    text = request.command.get("max_items", str(MAX_ITEMS))
    try:
        return PageRequest(natural(text), backwards=True)
    except ValueError:
        raise StanzaError("bad-request", "max_items is a number") from None


def _choose(ids: list[str], page: PageRequest, items: dict[str, Item]) -> list[str]:
    """The ids on the page, the oldest first; as many as fit one answer (XEP-0060 §6.5.4)."""
    start, end = 0, len(ids)
    try:
        if page.after is not None:
            start = ids.index(page.after) + 1
        if page.before is not None:
            end = ids.index(page.before)
    except ValueError:
        raise StanzaError("item-not-found", "the page starts at an item that is gone") from None
    ids = ids[start:end]
    if page.backwards:
        ids.reverse()
    chosen: list[str] = []
    size = 0
    for id in ids[: page.limit]:
        size += len(items[id].payload)
        if chosen and size > MAX_ANSWER:
            break
        chosen.append(id)
    if page.backwards:
        chosen.reverse()
    return chosen


async def remove_excess(nodes: Nodes, node: Node) -> None:
    """Removes items that exceed the limit of a changed configuration."""
    if not node.config.persist_items:
        await nodes.purge(node)
        return
    items = list(await nodes.items(node))
    await nodes.remove(node, items[: max(0, len(items) - node.config.max_items)])
