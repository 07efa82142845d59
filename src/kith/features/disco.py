"""XEP-0030: Service Discovery, for the domain and its accounts.

The results come from the other features: their disco features (`kith.core.hooks.feature.Feature`) and, for
more than these, the methods of the protocols below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, overload, runtime_checkable
from xml.etree.ElementTree import Element

from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.inquiries import Inquiries
from kith.core.routing.iqs import Iqs
from kith.features.paging import SET, page_element, read_page
from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

INFO = ns.tag(ns.DISCO_INFO, "query")
ITEMS = ns.tag(ns.DISCO_ITEMS, "query")
_IDENTITY = ns.tag(ns.DISCO_INFO, "identity")
_FEATURE = ns.tag(ns.DISCO_INFO, "feature")
_ITEM = ns.tag(ns.DISCO_ITEMS, "item")
#: The identities of the domain and of an account (XEP-0030 §3.1).
_SERVER = ("server", "im", "Kith")
_ACCOUNT = ("account", "registered", "")
#: How many items one answer has at most.
MAX_ITEMS = 1000
#: The features that every address has.
_EVERYWHERE = (ns.DISCO_INFO, ns.DISCO_ITEMS, ns.PING)


class Identity(NamedTuple):
    """An identity: category and type from the registry of XEP-0030, and a name for people."""

    category: str
    type: str
    name: str = ""


@runtime_checkable
class HasIdentities(Protocol):
    """A feature that adds identities to the domain or to accounts."""

    def disco_identities(self, account: bool) -> Sequence[Identity]: ...


@runtime_checkable
class HasService(Protocol):
    """A feature that is a service with its own domain (`Feature.service`)."""

    def service_disco(self) -> tuple[Sequence[Identity], Sequence[str]]:
        """The identities and features of the service."""


@runtime_checkable
class HasServiceForms(Protocol):
    """A service that adds forms to the information about itself (XEP-0128)."""

    def service_forms(self) -> Sequence[Element]: ...


@runtime_checkable
class HasForms(Protocol):
    """A feature that adds forms to the information about the domain (XEP-0128)."""

    def disco_forms(self) -> Sequence[Element]: ...


@runtime_checkable
class HasItems(Protocol):
    """A feature that adds items to the domain, such as services (see `item`)."""

    def disco_items(self, to: JID) -> Sequence[Element]: ...


@runtime_checkable
class HasNodes(Protocol):
    """A feature that has nodes of the domain or of accounts. Its methods return None for nodes of others."""

    async def node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """The children of a disco#info result: identities, features, forms. May raise StanzaError."""

    async def node_items(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """The items of a node; for an empty name, the nodes. May raise StanzaError."""


def item(jid: str, node: str = "", name: str = "") -> Element:
    """Makes an ``<item/>`` of disco#items."""
    return Element(
        _ITEM, {key: value for key, value in (("jid", jid), ("node", node), ("name", name)) if value}
    )


class Items(Sequence[Element]):
    """A long list of items of one address, whose elements are made only when they are used."""

    def __init__(self, jid: str, nodes: Sequence[str]) -> None:
        self._jid = jid
        self._nodes = nodes

    def __len__(self) -> int:
        return len(self._nodes)

    @overload
    def __getitem__(self, index: int) -> Element: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Element]: ...
    def __getitem__(self, index: int | slice) -> Element | Sequence[Element]:
        if isinstance(index, slice):
            return [item(self._jid, node) for node in self._nodes[index]]
        return item(self._jid, self._nodes[index])


def identity(value: Identity) -> Element:
    """Makes an ``<identity/>`` of disco#info."""
    element = Element(_IDENTITY, {"category": value.category, "type": value.type})
    if value.name:
        element.set("name", value.name)
    return element


def feature(var: str) -> Element:
    """Makes a ``<feature/>`` of disco#info."""
    return Element(_FEATURE, {"var": var})


def page(query: Element | None, items: Sequence[Element]) -> Sequence[Element]:
    """Returns the requested page of the items (XEP-0059 §3). Ids are indexes. Raises StanzaError."""
    asked = query is not None and query.find(SET) is not None
    if query is None or not (asked or len(items) > MAX_ITEMS):
        return items
    request = read_page(query, MAX_ITEMS, MAX_ITEMS)
    start, end = 0, len(items)
    try:
        if request.after is not None:
            start = natural(request.after) + 1
        if request.before is not None:
            end = natural(request.before)
    except ValueError:
        raise StanzaError("item-not-found") from None
    if not (0 <= start <= len(items) and 0 <= end <= len(items)):
        raise StanzaError("item-not-found")
    if request.backwards:
        start = max(start, end - request.limit)
    chosen = items[start : min(end, start + request.limit)]
    first, last = (str(start), str(start + len(chosen) - 1)) if chosen else (None, None)
    return [*chosen, page_element(first, last, len(items))]


def no_items(iq: Stanza) -> Sequence[Element]:
    """The answer for an account that has no items or does not exist (XEP-0030 §8). Raises StanzaError."""
    query = iq.child(ITEMS)
    node = query.get("node", "") if query is not None else ""
    return _answer(ITEMS, node, page(query, ()))


def _answer(tag: str, node: str, children: Sequence[Element]) -> Sequence[Element]:
    query = Element(tag, {"node": node} if node else {})
    query.extend(children)
    return (query,)


class Disco(Feature):
    """Answers disco requests. An account shows items only to its owner and to contacts (XEP-0030 §8)."""

    # msgoffline: messages wait for offline recipients (XEP-0160 §3, `kith.core.log.replay`)
    disco = (ns.DISCO_INFO, ns.DISCO_ITEMS, ns.RSM, "msgoffline")

    def __init__(self, iqs: Iqs, inquiries: Inquiries) -> None:
        self._iqs = iqs
        self._inquiries = inquiries

    @handles_iq("get", ns.DISCO_INFO, "query")
    async def info(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        node = self._node(iq, INFO)
        if to.local and not await self._inquiries.knows(sender.bare, to):
            found = await self._node_info(sender, to, node) if node else None
            if found is None:
                raise StanzaError("service-unavailable")
            return _answer(INFO, node, found)
        service = self._iqs.services.get(to.domain)
        if service is not None and not node:
            return _answer(INFO, "", self._describe_service(service))
        if not node:
            return _answer(INFO, "", self.describe(bool(to.local)))
        found = await self._node_info(sender, to, node)
        if found is None:
            raise StanzaError("item-not-found")
        return _answer(INFO, node, found)

    def describe(self, account: bool) -> list[Element]:
        """The disco#info of the domain or of an account: identities, features and forms."""
        identities = [Identity(*(_ACCOUNT if account else _SERVER))]
        for other in self._iqs.features:
            if isinstance(other, HasIdentities):
                identities.extend(other.disco_identities(account))
        children = [identity(value) for value in identities]
        children.extend(feature(var) for var in self._iqs.announced(account))
        if not account:
            for other in self._iqs.features:
                if isinstance(other, HasForms):
                    children.extend(other.disco_forms())
        return children

    def _describe_service(self, service: str) -> list[Element]:
        for other in self._iqs.features:
            if other.service == service and isinstance(other, HasService):
                identities, features = other.service_disco()
                found = {*features, *_EVERYWHERE}
                forms = other.service_forms() if isinstance(other, HasServiceForms) else ()
                return [*map(identity, identities), *(feature(var) for var in sorted(found)), *forms]
        raise StanzaError("item-not-found")

    async def _node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        for other in self._features(to):
            if isinstance(other, HasNodes):
                found = await other.node_info(sender, to, node)
                if found is not None:
                    return found
        return None

    @handles_iq("get", ns.DISCO_ITEMS, "query", answer_for_missing=no_items)
    async def items(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        node = self._node(iq, ITEMS)
        found: Sequence[Element] = []
        known = not node
        for other in self._features(to):
            if not node and isinstance(other, HasItems):
                found = [*found, *other.disco_items(to)]
            if isinstance(other, HasNodes):
                items = await other.node_items(sender, to, node)
                known = known or items is not None
                if items:
                    found = [*found, *items] if found else items
        if not known and (not to.local or await self._inquiries.knows(sender.bare, to)):
            raise StanzaError("item-not-found")  # for others it looks as if there were none (§8)
        return _answer(ITEMS, node, page(iq.child(ITEMS), found))

    def _features(self, to: JID) -> Sequence[Feature]:
        """The features to ask about an address; for a service, only the feature that it is."""
        service = self._iqs.services.get(to.domain)
        if service is None:
            return self._iqs.features
        return [other for other in self._iqs.features if other.service == service]

    def _node(self, iq: Stanza, tag: str) -> str:
        query = iq.child(tag)
        return query.get("node", "") if query is not None else ""
