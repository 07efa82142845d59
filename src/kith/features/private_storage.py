"""XEP-0049: Private XML Storage. Older clients store one element for each namespace here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature, handles_iq
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

SPACE = "private"
#: Limits for an account: elements, and their bytes in total.
MAX_ELEMENTS = 200
MAX_BYTES = 1024 * 1024
_QUERY = ns.tag(ns.PRIVATE, "query")


class StandIn(Protocol):
    """A feature that keeps in a newer place what older clients store here."""

    async def read(self, session: Session, stored: Element | None) -> Element:
        """Returns the element for older clients. ``stored``: the part of it that is kept here."""

    async def write(self, session: Session, element: Element) -> Element:
        """Takes an element. Returns the part that is to be kept here. Raises StanzaError."""


class PrivateStorage(Feature):
    """Stores elements as documents, by their name in Clark notation. ``stand_ins``: by the same names."""

    disco = (ns.PRIVATE,)

    def __init__(self, store: DocumentStore) -> None:
        self._store = store
        self.stand_ins: dict[str, StandIn] = {}

    @handles_iq("get", ns.PRIVATE, "query", to="own")
    async def get(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        child = self._only_child(iq)
        stored: Element | None = None
        for document in await self._store.documents(session.account.id, SPACE):
            if document.key == child.tag:
                stored = ElementTree.fromstring(document.value)
        if (stand_in := self.stand_ins.get(child.tag)) is not None:
            stored = await stand_in.read(session, stored)
        result = Element(_QUERY)
        result.append(stored if stored is not None else Element(child.tag))
        return (result,)

    @handles_iq("set", ns.PRIVATE, "query", to="own")
    async def put(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        child = self._only_child(iq)
        if (stand_in := self.stand_ins.get(child.tag)) is not None:
            child = await stand_in.write(session, child)
        store, account = self._store, session.account.id
        value = serialize(child, "")
        others = [d for d in await store.documents(account, SPACE) if d.key != child.tag]
        if len(others) >= MAX_ELEMENTS or len(value) + sum(len(d.value) for d in others) > MAX_BYTES:
            raise StanzaError("resource-constraint", "the private storage is full")
        await store.put(account, SPACE, child.tag, value)
        return ()

    def _only_child(self, iq: Stanza) -> Element:
        """The single child element, in a namespace of its own (XEP-0049 §4). Raises StanzaError."""
        query = iq.child(_QUERY)
        if query is None or len(query) != 1:
            raise StanzaError("bad-request", "one element at a time")
        child = query[0]
        namespace = child.tag[1:].partition("}")[0] if child.tag.startswith("{") else ""
        if namespace in ("", ns.CLIENT, ns.PRIVATE):
            raise StanzaError("not-acceptable", "the element needs a namespace of its own")
        return child
