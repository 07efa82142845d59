"""Rosters, with the rules of subscription states (RFC 6121 §2 and §3, appendix A)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.ports.store import DocumentStore, Unavailable
from kith.records.readable import readable
from kith.wire import ns
from kith.wire.jid import parse_jid

SPACE = "roster"
#: The maximum number of contacts in a roster, not counting removed ones.
MAX_ITEMS = 5000
#: How many removed contacts are remembered, so that clients can learn of them (RFC 6121 §2.6).
MAX_GONE = 500
#: The maximum number of waiting requests. Beyond it, one of the domain with the most is dropped.
MAX_REQUESTS = 50
ITEM = ns.tag(ns.ROSTER, "item")
QUERY = ns.tag(ns.ROSTER, "query")
_GROUP = ns.tag(ns.ROSTER, "group")


class Item(msgspec.Struct, omit_defaults=True):
    """A contact.

    ``to``: the owner sees the contact's presence. ``from_``: the contact sees the owner's. ``ask``: the
    owner has requested a subscription. ``request``: the stanza with which the contact has requested one.
    ``approved``: such a request was approved in advance. ``listed``: it is a contact, and not only a
    request.
    """

    jid: str
    name: str = ""
    groups: list[str] = []  # msgspec copies it
    to: bool = False
    from_: bool = False
    ask: bool = False
    approved: bool = False
    request: bytes | None = None
    listed: bool = False
    seq: int = 0

    @property
    def subscription(self) -> str:
        return {(0, 0): "none", (1, 0): "to", (0, 1): "from", (1, 1): "both"}[(self.to, self.from_)]

    def element(self) -> Element:
        """The ``<item/>`` for a result or a push (RFC 6121 §2.1.2)."""
        element = Element(ITEM, {"jid": self.jid})
        if not self.listed:
            element.set("subscription", "remove")
            return element
        if self.name:
            element.set("name", self.name)
        element.set("subscription", self.subscription)
        if self.ask:
            element.set("ask", "subscribe")
        if self.approved:
            element.set("approved", "true")
        for group in self.groups:
            SubElement(element, _GROUP).text = group
        return element

    # The effects of presence stanzas. Each method returns whether the item has changed.

    def send_subscribe(self) -> bool:
        """The owner requests a subscription (RFC 6121 §3.1.2, appendix A.2.1)."""
        if self.to or (self.ask and self.listed):
            return False
        self.ask = self.listed = True
        return True

    def send_unsubscribe(self) -> bool:
        """The owner unsubscribes (RFC 6121 §3.3.2, appendix A.2.2)."""
        changed = self.to or self.ask
        self.to = self.ask = False
        return changed

    def send_subscribed(self) -> bool:
        """The owner approves a subscription, perhaps in advance (RFC 6121 §3.1.5 and §3.4)."""
        if self.from_:
            return False
        if self.request is not None:
            self.from_, self.request, self.listed = True, None, True
            return True
        changed = not self.approved
        self.approved = self.listed = True
        return changed

    def send_unsubscribed(self) -> bool:
        """The owner cancels the contact's subscription (RFC 6121 §3.2.2, appendix A.2.4)."""
        changed = self.from_ or self.approved or self.request is not None
        self.from_ = self.approved = False
        self.request = None
        return changed

    def receive_subscribe(self, stanza: bytes) -> str:
        """The contact requests a subscription (RFC 6121 §3.1.3).

        Returns ``reply`` if it is approved at once, ``ask`` if the owner has to be asked, or an empty text.
        """
        if self.from_:
            return "reply"
        if self.approved:
            self.from_, self.approved, self.listed = True, False, True
            return "approve"
        first = self.request is None
        self.request = stanza
        return "ask" if first else ""

    def receive_subscribed(self) -> bool:
        """The contact has approved a subscription (RFC 6121 §3.1.6, appendix A.3.3)."""
        if not self.ask:
            return False
        self.ask, self.to = False, True
        return True

    def receive_unsubscribe(self) -> bool:
        """The contact has unsubscribed (RFC 6121 §3.3.3, appendix A.3.2)."""
        changed = self.from_ or self.request is not None
        self.from_ = False
        self.request = None
        return changed

    def receive_unsubscribed(self) -> bool:
        """The contact has cancelled the owner's subscription (RFC 6121 §3.2.3, appendix A.3.4)."""
        changed = self.to or self.ask
        self.to = self.ask = False
        return changed


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Item).decode


def _read(value: bytes) -> Item | None:
    """Decodes a stored item and checks its address. None for another document. Raises ValueError."""
    if value.isdigit():
        return None
    item = _decode(value)
    if str(parse_jid(item.jid)) != item.jid:
        raise ValueError("not a prepared address")
    return item


class Roster:
    """The contacts of an account by bare address, including removed ones.

    ``version`` is increased by each change.
    """

    __slots__ = ("_items", "account", "known_from", "version")

    def __init__(self, account: int) -> None:
        self.account = account
        self._items: dict[str, Item] = {}
        self.version = 0
        self.known_from = 0  # not all changes before this version are remembered

    @classmethod
    async def load(cls, store: DocumentStore, account: int) -> Roster:
        roster = cls(account)
        await roster._reload(store)
        return roster

    async def _reload(self, store: DocumentStore) -> None:
        """Takes what the store has, in place of what is in memory."""
        documents = await store.documents(self.account, SPACE)
        self._items, self.version, self.known_from = {}, 0, 0
        for document, item in readable(documents, _read, "contact"):
            if item is None:
                self.known_from = int(document.value)
                continue
            item.seq = document.seq
            self._items[item.jid] = item
            self.version = max(self.version, document.seq)

    def __getitem__(self, jid: str) -> Item:
        """The item of a contact, or a new one that is not in the roster yet."""
        return self._items.get(jid) or Item(jid)

    def __iter__(self) -> Iterator[Item]:
        """The contacts, without removed ones and mere requests."""
        return (item for item in self._items.values() if item.listed)

    def __len__(self) -> int:
        return sum(item.listed for item in self._items.values())

    def changes(self, version: int) -> list[Item] | None:
        """The items that changed after a version, the oldest change first; None if that is not known."""
        if version < self.known_from or version > self.version:
            return None
        changed = [item for item in self._items.values() if item.seq > version]
        return sorted(changed, key=lambda item: item.seq)

    def requests(self) -> list[bytes]:
        """The subscription requests that wait for an answer (RFC 6121 §3.1.3)."""
        return [item.request for item in self._items.values() if item.request is not None]

    def excess_request(self) -> Item | None:
        """The request to drop if there are too many: one of the domain with the most."""
        waiting = [item for item in self._items.values() if item.request is not None]
        if len(waiting) <= MAX_REQUESTS:
            return None
        domains = Counter(item.jid.rpartition("@")[2] for item in waiting)
        return min(waiting, key=lambda item: (-domains[item.jid.rpartition("@")[2]], item.seq))

    async def save(self, store: DocumentStore, item: Item) -> None:
        """Stores a changed item. An item that is no longer listed stays, so that clients can learn of it.

        If that fails, the roster is read again: a client that repeats its request must not find that nothing
        is left to be stored.
        """
        try:
            await self._save(store, item)
        except Unavailable:
            with suppress(Unavailable):
                await self._reload(store)
            raise

    async def _save(self, store: DocumentStore, item: Item) -> None:
        self._items[item.jid] = item
        item.seq = max(item.seq, 0)
        item.seq = await store.put(self.account, SPACE, item.jid, _encode(item))
        self.version = max(self.version, item.seq)
        gone = [i for i in self._items.values() if not i.listed and i.request is None]
        if len(gone) > MAX_GONE:
            gone.sort(key=lambda i: i.seq)
            for old in gone[: MAX_GONE // 2]:
                self.known_from = max(self.known_from, old.seq)
                await store.remove(self.account, SPACE, old.jid)
                self._items.pop(old.jid, None)
            await store.put(self.account, SPACE, "", str(self.known_from).encode())

    def subscription_from(self, jid: str) -> bool:
        """Whether a contact sees the owner's presence."""
        item = self._items.get(jid)
        return item is not None and item.from_

    def subscription_to(self, jid: str) -> bool:
        """Whether the owner sees a contact's presence."""
        item = self._items.get(jid)
        return item is not None and item.to

    def groups(self, jid: str) -> set[str]:
        item = self._items.get(jid)
        return set(item.groups) if item is not None else set()

    def contacts_from(self) -> list[str]:
        """The contacts who see the owner's presence."""
        return [item.jid for item in self._items.values() if item.from_]

    def contacts_to(self) -> list[str]:
        """The contacts whose presence the owner sees."""
        return [item.jid for item in self._items.values() if item.to]
