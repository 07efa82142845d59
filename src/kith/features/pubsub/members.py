"""Manages affiliations and subscriptions of a node (XEP-0060 §5.6, §5.7, §6.1, §6.2, §8.8 and §8.9)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.features.disco import page
from kith.features.forms import Form, to_boolean
from kith.features.paging import SET
from kith.features.pubsub.access import affiliation, refusal, refused, roster_of, subscribed
from kith.features.pubsub.errors import pubsub_error, unsupported
from kith.features.pubsub.nodes import Node, Record
from kith.features.pubsub.notify import subscription_event
from kith.features.pubsub.request import Request, Service
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid

#: Limits of a node: affiliations, and subscriptions.
MAX_MEMBERS = 1000
#: How many subscriptions to a node an account may have, with those of its clients.
MAX_OWN = 10
#: How many nodes are searched before other work gets its turn.
_BATCH = 500
_PUBSUB = ns.tag(ns.PUBSUB, "pubsub")


def _jid(element: Element) -> JID:
    """Parses the ``jid`` attribute. Raises StanzaError."""
    try:
        return parse_jid(element.get("jid", ""))
    except ValueError:
        raise pubsub_error("bad-request", "invalid-jid") from None


# -- by subscribers --------------------------------------------------------------------------------


async def subscribe(service: Service, request: Request) -> Sequence[Element]:
    """Subscribes an address, which then gets events without ``+notify``. Raises StanzaError."""
    name = request.node()
    jid = _jid(request.command)
    if jid.bare != request.asker:
        raise pubsub_error("bad-request", "invalid-jid")
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        roster = await roster_of(service.accounts, request.owner)
        error = refusal(node, roster, request.owner.bare, request.asker)
        record = node.record
        waits = error is not None and node.config.access_model == "authorize"
        if error is not None and (not waits or request.standing(node) == "outcast"):
            raise error
        new = str(jid) not in (record.pending if waits else record.subscribers)
        if new:
            own = len(_own(record, request.asker))
            if len(record.subscribers) + len(record.pending) >= MAX_MEMBERS or own >= MAX_OWN:
                raise pubsub_error("policy-violation", "too-many-subscriptions", type="wait")
            if waits:
                record = msgspec.structs.replace(record, pending=[*record.pending, str(jid)])
            else:
                record = msgspec.structs.replace(record, subscribers=[*record.subscribers, str(jid)])
            await nodes.save(node, record)
    result = Element(_PUBSUB)
    if waits:
        result.append(_subscription(ns.PUBSUB, node, str(jid), "pending"))
        key = (request.account, node.name, request.asker)
        if new and service.asked.take(key, service.clock.steady()):
            service.notifier.ask_owners(request.owner, node, str(jid))
        return (result,)
    result.append(_subscription(ns.PUBSUB, node, str(jid)))
    if node.config.send_last_published_item != "never":
        items = await service.nodes.items(nodes, node)
        if items:
            id = next(reversed(items))
            service.notifier.last(request.owner, jid, node, id, items[id])
    return (result,)


async def unsubscribe(service: Service, request: Request) -> Sequence[Element]:
    """Ends a subscription. Raises StanzaError."""
    name = request.node()
    jid = _jid(request.command)
    if jid.bare != request.asker:
        raise StanzaError("forbidden")
    async with service.nodes.writing(request.account) as nodes:
        node = nodes[name]
        record = _without(node.record, str(jid))
        if record == node.record:
            raise pubsub_error("unexpected-request", "not-subscribed", type="cancel")
        await nodes.save(node, record)
    return ()


def _without(record: Record, jid: str) -> Record:
    """The record without a subscription, which may be pending."""
    return msgspec.structs.replace(
        record,
        subscribers=[other for other in record.subscribers if other != jid],
        pending=[other for other in record.pending if other != jid],
    )


def _own(record: Record, bare: str) -> list[str]:
    """The subscriptions, including pending ones, of a bare address and its resources."""
    prefix = f"{bare}/"
    everybody = (*record.subscribers, *record.pending)
    return [jid for jid in everybody if jid == bare or jid.startswith(prefix)]


def _states(record: Record) -> dict[str, str]:
    """All subscriptions, including pending ones, with their states."""
    return dict.fromkeys(record.subscribers, "subscribed") | dict.fromkeys(record.pending, "pending")


def _subscription(namespace: str, node: Node, jid: str, state: str = "subscribed") -> Element:
    attrs = {"jid": jid, "subscription": state}
    if namespace == ns.PUBSUB:
        attrs["node"] = node.name
    return Element(ns.tag(namespace, "subscription"), attrs)


async def _chosen(service: Service, request: Request) -> Iterable[Node]:
    """The requested node, or all nodes. Raises StanzaError."""
    name = request.command.get("node")
    if name:
        return [(await service.nodes.load(request.account))[name]]
    if not service.listed.take(request.asker, service.clock.steady()):
        raise StanzaError("policy-violation", "the list of all nodes was asked for too often", type="wait")
    return await service.all(request)


async def _listed(
    service: Service, request: Request, name: str, found: Sequence[Element]
) -> Sequence[Element]:
    """Makes an answer with a page of the elements found (XEP-0059). Raises StanzaError.

    If the owner does not know the asker and nothing was found, the answer is that of an account that does
    not exist.
    """
    owner, node = request.owner, request.command.get("node")
    if not found and owner.local and not await service.inquiries.knows(request.sender.bare, owner):
        raise StanzaError("item-not-found")
    result = Element(_PUBSUB)
    parent = SubElement(result, ns.tag(ns.PUBSUB, name), {"node": node} if node else {})
    for element in page(request.parent, found):
        (result if element.tag == SET else parent).append(element)
    return (result,)


async def own_subscriptions(service: Service, request: Request) -> Sequence[Element]:
    """Answers with the asker's own, at one node or at all nodes. Raises StanzaError."""
    found: list[Element] = []
    for number, node in enumerate(await _chosen(service, request)):
        for subscriber in _own(node.record, request.asker):
            state = "subscribed" if subscriber in node.record.subscribers else "pending"
            found.append(_subscription(ns.PUBSUB, node, subscriber, state))
        if number % _BATCH == _BATCH - 1:
            await asyncio.sleep(0)  # gives others their turn, since a service may have many nodes
    return await _listed(service, request, "subscriptions", found)


async def own_affiliations(service: Service, request: Request) -> Sequence[Element]:
    """Answers with the asker's own, at one node or at all nodes. Raises StanzaError."""
    found: list[Element] = []
    for number, node in enumerate(await _chosen(service, request)):
        standing = affiliation(node, request.owner.bare, request.asker)
        if standing != "none":
            attrs = {"node": node.name, "affiliation": standing}
            found.append(Element(ns.tag(ns.PUBSUB, "affiliation"), attrs))
        if number % _BATCH == _BATCH - 1:
            await asyncio.sleep(0)
    return await _listed(service, request, "affiliations", found)


# -- by the owner ----------------------------------------------------------------------------------


async def affiliations(service: Service, request: Request) -> Sequence[Element]:
    """Answers an owner with the affiliations of a node. Raises StanzaError."""
    node = request.owned(await service.nodes.load(request.account))
    result = Element(ns.tag(ns.PUBSUB_OWNER, "pubsub"))
    parent = SubElement(result, ns.tag(ns.PUBSUB_OWNER, "affiliations"), {"node": node.name})
    itself = {request.owner.bare: "owner"} if request.owner.local else {}
    for jid, standing in {**itself, **node.record.affiliations}.items():
        SubElement(parent, ns.tag(ns.PUBSUB_OWNER, "affiliation"), {"jid": jid, "affiliation": standing})
    return (result,)


async def set_affiliations(service: Service, request: Request) -> Sequence[Element]:
    """Sets affiliations. All changes are made, or none.

    Raises StanzaError.
    """
    async with service.nodes.writing(request.account) as nodes:
        node = request.owned(nodes)
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
            elif standing in ("owner", "publisher", "member", "outcast"):
                members[jid] = standing
            else:
                raise unsupported(f"{standing}-affiliation")
        if not request.owner.local and "owner" not in members.values():
            raise StanzaError("not-acceptable", "a node has an owner")
        if len(members) > MAX_MEMBERS:
            raise StanzaError("resource-constraint", "too many affiliations")
        record = msgspec.structs.replace(node.record, affiliations=members)
        await nodes.save(node, await still_allowed(service, request.owner, node, record))
    return ()


async def subscriptions(service: Service, request: Request) -> Sequence[Element]:
    """Answers an owner with the subscriptions of a node. Raises StanzaError."""
    node = request.owned(await service.nodes.load(request.account))
    result = Element(ns.tag(ns.PUBSUB_OWNER, "pubsub"))
    parent = SubElement(result, ns.tag(ns.PUBSUB_OWNER, "subscriptions"), {"node": node.name})
    for subscriber, state in _states(node.record).items():
        parent.append(_subscription(ns.PUBSUB_OWNER, node, subscriber, state))
    return (result,)


async def set_subscriptions(service: Service, request: Request) -> Sequence[Element]:
    """Lets an owner end and approve subscriptions, but not subscribe somebody else.

    All changes are made, or none. Raises StanzaError.
    """
    async with service.nodes.writing(request.account) as nodes:
        node = request.owned(nodes)
        record, news = node.record, {}
        for element in request.command.findall(ns.tag(ns.PUBSUB_OWNER, "subscription")):
            jid, state = str(_jid(element)), element.get("subscription")
            now = _states(record).get(jid, "none")
            if state is None or state == now:
                continue
            if state not in ("none", "subscribed") or now == "none":
                raise StanzaError("not-acceptable", "subscriptions can only be approved or ended")
            record = _changed(record, jid, state)
            news[jid] = state
        await nodes.save(node, record)
    for jid, state in news.items():
        service.notifier.send(
            request.owner, parse_jid(jid), subscription_event(node, jid, state), node.config
        )
    return ()


def _changed(record: Record, jid: str, state: str) -> Record:
    record = _without(record, jid)
    if state == "subscribed":
        record = msgspec.structs.replace(record, subscribers=[*record.subscribers, jid])
    return record


async def still_allowed(service: Service, owner: JID, node: Node, record: Record) -> Record:
    """The record without the subscriptions of those who may no longer read the node (XEP-0163 §7.1)."""
    roster = await roster_of(service.accounts, owner)

    def allowed(jid: str) -> bool:
        return refused(record, roster, owner.bare, parse_jid(jid).bare, node.ceiling) is None

    return msgspec.structs.replace(record, subscribers=[jid for jid in record.subscribers if allowed(jid)])


async def drop_subscriber(service: Service, owner: JID, account: int, bare: str) -> None:
    """Removes the subscriptions of a bare address to nodes that it may no longer read."""
    async with service.nodes.writing(account) as nodes:
        for node in nodes.nodes.values():
            if subscribed(node, bare):
                await nodes.save(node, await still_allowed(service, owner, node, node.record))


async def authorize(service: Service, owner: JID, account: int, asker: str, form: Form) -> None:
    """Handles an owner's answer to a subscription request (XEP-0060 §8.6). Raises StanzaError."""
    if form.type != "submit":
        return
    jid = form.one("pubsub#subscriber_jid")
    try:
        state = "subscribed" if to_boolean(form.one("pubsub#allow")) else "none"
    except ValueError:
        raise StanzaError("bad-request", "pubsub#allow is missing") from None
    async with service.nodes.writing(account) as nodes:
        node = nodes[form.one("pubsub#node")]
        if affiliation(node, owner.bare, asker) != "owner":
            raise StanzaError("forbidden")
        if jid not in node.record.pending:
            return
        await nodes.save(node, _changed(node.record, jid, state))
    service.notifier.send(owner, parse_jid(jid), subscription_event(node, jid, state), node.config)
