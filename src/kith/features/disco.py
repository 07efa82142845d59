"""XEP-0030: Service Discovery, for the domain and for the accounts on it.

What there is to find, the other features say: their disco features (`kith.core.hooks.feature.Feature`) and,
where they have more to tell, methods by the names of the protocols below.
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
#: What the domain and an account are (XEP-0030 §3.1).
_SERVER = ("server", "im", "Kith")
_ACCOUNT = ("account", "registered", "")
#: Items in one answer.
MAX_ITEMS = 1000
#: What is answered at each address.
_EVERYWHERE = (ns.DISCO_INFO, ns.DISCO_ITEMS, ns.PING)


class Identity(NamedTuple):
    """Category and type by the registry of XEP-0030, and a name for people."""

    category: str
    type: str
    name: str = ""


@runtime_checkable
class HasIdentities(Protocol):
    """A feature that makes the domain or its accounts more than they are by themselves."""

    def disco_identities(self, account: bool) -> Sequence[Identity]: ...


@runtime_checkable
class HasService(Protocol):
    """A feature that is a service (`Feature.service`)."""

    def service_disco(self) -> tuple[Sequence[Identity], Sequence[str]]:
        """Its identities and features."""


@runtime_checkable
class HasForms(Protocol):
    """A feature with more information about the domain (XEP-0128)."""

    def disco_forms(self) -> Sequence[Element]: ...


@runtime_checkable
class HasItems(Protocol):
    """A feature with services of its own, each an ``<item/>`` (see `item`)."""

    def disco_items(self, to: JID) -> Sequence[Element]: ...


@runtime_checkable
class HasNodes(Protocol):
    """A feature with nodes of the domain or of accounts. None says that a node is not its own."""

    async def node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """The children of the query: identities, features, forms. May raise StanzaError."""

    async def node_items(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """The items of a node, or, for the empty name, the nodes. May raise StanzaError."""


def item(jid: str, node: str = "", name: str = "") -> Element:
    """``<item/>`` as disco#items lists it."""
    return Element(
        _ITEM, {key: value for key, value in (("jid", jid), ("node", node), ("name", name)) if value}
    )


class Items(Sequence[Element]):
    """A long list of items of one address, of which only those are made that are looked at."""

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
    """``<identity/>`` as disco#info lists it."""
    element = Element(_IDENTITY, {"category": value.category, "type": value.type})
    if value.name:
        element.set("name", value.name)
    return element


def feature(var: str) -> Element:
    """``<feature/>`` as disco#info lists it."""
    return Element(_FEATURE, {"var": var})


def page(query: Element | None, items: Sequence[Element]) -> Sequence[Element]:
    """Of many items a page (XEP-0059 §3); its ids are the places of items. Raises StanzaError."""
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
    """The answer for an account that has none, or is none (XEP-0030 §8). Raises StanzaError."""
    query = iq.child(ITEMS)
    node = query.get("node", "") if query is not None else ""
    return _answer(ITEMS, node, page(query, ()))


def _answer(tag: str, node: str, children: Sequence[Element]) -> Sequence[Element]:
    query = Element(tag, {"node": node} if node else {})
    query.extend(children)
    return (query,)


class Disco(Feature):
    """An account answers its owner and those who get its presence; to others it has nothing (§8)."""

    disco = (ns.DISCO_INFO, ns.DISCO_ITEMS, ns.RSM)
    server_disco = ("msgoffline",)  # messages wait for who is away (XEP-0160 §3, `kith.core.log.replay`)

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
        """What the domain, or an account on it, is: identities, features and forms."""
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
                return [*map(identity, identities), *(feature(var) for var in sorted(found))]
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
            raise StanzaError("item-not-found")  # to others it looks as if there were nothing (§8)
        return _answer(ITEMS, node, page(iq.child(ITEMS), found))

    def _features(self, to: JID) -> Sequence[Feature]:
        """Those that have something to say of an address: of a service, only the one that it is."""
        service = self._iqs.services.get(to.domain)
        if service is None:
            return self._iqs.features
        return [other for other in self._iqs.features if other.service == service]

    def _node(self, iq: Stanza, tag: str) -> str:
        query = iq.child(tag)
        return query.get("node", "") if query is not None else ""
