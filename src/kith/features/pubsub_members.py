"""Affiliations and subscriptions of a node (XEP-0060 §5.6, §5.7, §6.1, §6.2, §8.8 and §8.9)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.features.pubsub_access import affiliation
from kith.features.pubsub_errors import pubsub_error, unsupported
from kith.features.pubsub_nodes import Node
from kith.features.pubsub_notify import subscription_event
from kith.features.pubsub_request import Request, Service
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid

#: Affiliations, and subscriptions, that one node has.
MAX_MEMBERS = 1000
_PUBSUB = ns.tag(ns.PUBSUB, "pubsub")


def _jid(element: Element) -> JID:
    """The ``jid`` attribute. Raises StanzaError."""
    try:
        return parse_jid(element.get("jid", ""))
    except ValueError:
        raise pubsub_error("bad-request", "invalid-jid") from None


# -- by subscribers --------------------------------------------------------------------------------


async def subscribe(service: Service, request: Request) -> Sequence[Element]:
    """Who subscribes so gets events without ``+notify``. Raises StanzaError."""
    name = request.node()
    jid = _jid(request.command)
    if jid.bare != request.asker:
        raise pubsub_error("bad-request", "invalid-jid")
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        await request.must_read(service, node)
        subscribers = node.record.subscribers
        if str(jid) not in subscribers:
            if len(subscribers) >= MAX_MEMBERS:
                raise pubsub_error("policy-violation", "too-many-subscriptions", type="wait")
            await nodes.save(node, msgspec.structs.replace(node.record, subscribers=[*subscribers, str(jid)]))
    result = Element(_PUBSUB)
    result.append(_subscription(ns.PUBSUB, node, str(jid)))
    if node.config.send_last_published_item != "never":
        items = await service.nodes.items(nodes, node)
        if items:
            id = next(reversed(items))
            service.notifier.last(request.owner, jid, node, id, items[id])
    return (result,)


async def unsubscribe(service: Service, request: Request) -> Sequence[Element]:
    """Raises StanzaError."""
    name = request.node()
    jid = _jid(request.command)
    if jid.bare != request.asker:
        raise StanzaError("forbidden")
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        left = [subscriber for subscriber in node.record.subscribers if subscriber != str(jid)]
        if len(left) == len(node.record.subscribers):
            raise pubsub_error("unexpected-request", "not-subscribed", type="cancel")
        await nodes.save(node, msgspec.structs.replace(node.record, subscribers=left))
    return ()


def _subscription(namespace: str, node: Node, jid: str, state: str = "subscribed") -> Element:
    attrs = {"jid": jid, "subscription": state}
    if namespace == ns.PUBSUB:
        attrs["node"] = node.name
    return Element(ns.tag(namespace, "subscription"), attrs)


async def own_subscriptions(service: Service, request: Request) -> Sequence[Element]:
    """The asker's own, at one node or at all. Raises StanzaError."""
    nodes = await service.nodes.load(request.account)
    name = request.command.get("node")
    chosen = [nodes[name]] if name else list(nodes.nodes.values())
    result = Element(_PUBSUB)
    parent = SubElement(result, ns.tag(ns.PUBSUB, "subscriptions"), {"node": name} if name else {})
    for node in chosen:
        for subscriber in node.record.subscribers:
            if parse_jid(subscriber).bare == request.asker:
                parent.append(_subscription(ns.PUBSUB, node, subscriber))
    return (result,)


async def own_affiliations(service: Service, request: Request) -> Sequence[Element]:
    """The asker's own, at one node or at all. Raises StanzaError."""
    nodes = await service.nodes.load(request.account)
    name = request.command.get("node")
    chosen = [nodes[name]] if name else list(nodes.nodes.values())
    result = Element(_PUBSUB)
    parent = SubElement(result, ns.tag(ns.PUBSUB, "affiliations"), {"node": name} if name else {})
    for node in chosen:
        standing = affiliation(node, request.owner.bare, request.asker)
        if standing != "none":
            attrs = {"node": node.name, "affiliation": standing}
            SubElement(parent, ns.tag(ns.PUBSUB, "affiliation"), attrs)
    return (result,)


# -- by the owner ----------------------------------------------------------------------------------


async def affiliations(service: Service, request: Request) -> Sequence[Element]:
    """All of a node. Raises StanzaError."""
    request.must_own()
    node = (await service.nodes.load(request.account))[request.node()]
    result = Element(ns.tag(ns.PUBSUB_OWNER, "pubsub"))
    parent = SubElement(result, ns.tag(ns.PUBSUB_OWNER, "affiliations"), {"node": node.name})
    for jid, standing in {request.owner.bare: "owner", **node.record.affiliations}.items():
        SubElement(parent, ns.tag(ns.PUBSUB_OWNER, "affiliation"), {"jid": jid, "affiliation": standing})
    return (result,)


async def set_affiliations(service: Service, request: Request) -> Sequence[Element]:
    """Members may read a whitelisted node, outcasts none. All or nothing. Raises StanzaError."""
    request.must_own()
    name = request.node()
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        members = dict(node.record.affiliations)
        for element in request.command.findall(ns.tag(ns.PUBSUB_OWNER, "affiliation")):
            jid, standing = _jid(element).bare, element.get("affiliation")
            if standing is None:
                continue
            if jid == request.owner.bare:
                if standing != "owner":
                    raise StanzaError("not-acceptable", "the owner stays the owner")
            elif standing == "none":
                members.pop(jid, None)
            elif standing in ("member", "outcast"):
                members[jid] = standing
            else:
                raise unsupported(f"{standing}-affiliation")
        if len(members) > MAX_MEMBERS:
            raise StanzaError("resource-constraint", "too many affiliations")
        await nodes.save(node, msgspec.structs.replace(node.record, affiliations=members))
    return ()


async def subscriptions(service: Service, request: Request) -> Sequence[Element]:
    """All of a node. Raises StanzaError."""
    request.must_own()
    node = (await service.nodes.load(request.account))[request.node()]
    result = Element(ns.tag(ns.PUBSUB_OWNER, "pubsub"))
    parent = SubElement(result, ns.tag(ns.PUBSUB_OWNER, "subscriptions"), {"node": node.name})
    for subscriber in node.record.subscribers:
        parent.append(_subscription(ns.PUBSUB_OWNER, node, subscriber))
    return (result,)


async def set_subscriptions(service: Service, request: Request) -> Sequence[Element]:
    """An owner ends subscriptions; nobody is subscribed by somebody else. Raises StanzaError."""
    request.must_own()
    name = request.node()
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        left = list(node.record.subscribers)
        for element in request.command.findall(ns.tag(ns.PUBSUB_OWNER, "subscription")):
            jid, state = str(_jid(element)), element.get("subscription")
            if state == "none" and jid in left:
                left.remove(jid)
            elif state is not None and state != ("subscribed" if jid in left else "none"):
                raise StanzaError("not-acceptable", "subscriptions can only be ended")
        gone = [jid for jid in node.record.subscribers if jid not in left]
        await nodes.save(node, msgspec.structs.replace(node.record, subscribers=left))
    for jid in gone:
        event = subscription_event(node, jid, "none")
        service.notifier.send(request.owner, parse_jid(jid), event, node.config)
    return ()
