"""Messages: those that wait for a device, and archives (XEP-0227 §4.5 and §4.12).

A message in an archive keeps its time (`kith.moving.past`). Messages that wait are usually in the archive as
well, and are then the same message.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement

from kith.base.ids import parse_stamp, stamp_of, to_text
from kith.core.log.own import with_all
from kith.moving.arrival import Arrival, Context, Standing
from kith.moving.names import ARCHIVE_TAG, MESSAGE_TAG, NAMESPACES, OFFLINE_TAG
from kith.moving.past import SHIFT, PastIds, is_past
from kith.moving.reading import Part
from kith.ports.store import INCOMING, UNARCHIVED, UNDELIVERED, Entry, LogQuery, LogStore
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.limits import Limits
from kith.wire.stanza import Stanza

_RESULT, _FORWARDED, _DELAY = (
    ns.tag(ns.MAM, "result"),
    ns.tag(ns.FORWARD, "forwarded"),
    ns.tag(ns.DELAY, "delay"),
)
_STANZA_ID = ns.tag(ns.STANZA_ID, "stanza-id")
#: Elements that the old server added for itself (ejabberd).
_INTERNAL = frozenset((ns.tag("urn:xmpp:mam:tmp", "archived"), "{jabber:x:delay}x"))
_PAGE = 500
_MAX_STANZA = Limits().stanza_bytes
#: Limits for messages that wait, which are kept in memory until the account is complete.
_MAX_WAITING = 20_000
_MAX_WAITING_BYTES = 64 * 1024 * 1024
#: How many of the last messages of an archive are compared with those that wait.
_COMPARED = 50_000


class Messages:
    """Imports the messages of one account."""

    def __init__(self, context: Context, arrival: Arrival) -> None:
        self._context = context
        self._arrival = arrival
        self._latest = int(context.clock.now() * 1000)  # nothing is from the future
        self._ids = PastIds()
        self._mark = 0
        self._flagged: list[int] = []  # archived messages that wait
        self._waiting: list[tuple[int, bytes, JID]] = []
        self._waiting_bytes = 0
        self._recent: dict[bytes, int] = {}  # ids of archived messages, by their content
        self._there: dict[tuple[int, bytes], list[int]] | None = None  # ids in the log
        self._old: set[int] = set()  # those of `_recent` that an existing account had already

    async def take(self, part: Part) -> bool:
        """Takes a message. Returns False if the part is something else."""
        if part.within == ARCHIVE_TAG:
            await self._load()
            self._archived(part.element)
        elif part.within == OFFLINE_TAG:
            self._wait(part.element)
        else:
            return False
        await self._context.writes.relieve()
        return True

    async def mark(self) -> None:
        """Marks what was taken as delivered or not. Called when it is durable: marks overtake messages."""
        if self._mark and self._context.writes.real:
            account, store = self._arrival.id, self._context.store
            undelivered = self._flagged if self._arrival.is_new else self._flagged + await self._undelivered()
            store.mark_undelivered(account, undelivered)
            store.mark_delivered(account, self._mark)
            self._mark, self._flagged = 0, []

    async def _undelivered(self) -> list[int]:
        """Ids of messages that wait in the store, other than those that came from an archive."""
        found, after, imported = [], 0, self._imported
        while entries := await self._context.store.undelivered(self._arrival.id, after, _PAGE):
            after = entries[-1].id
            found += [e.id for e in entries if not imported(e)]
        return found

    def _imported(self, entry: Entry) -> bool:
        return is_past(entry.id, self._arrival.id) and not entry.flags & UNDELIVERED

    async def close(self) -> None:
        """Stores the messages that wait, in the order of their times."""
        if not self._waiting:
            return
        await self._load()
        for milliseconds, stanza, peer in sorted(self._waiting, key=lambda waiting: waiting[0]):
            print_ = _fingerprint(stanza)
            known = self._recent.get(print_)
            if known is not None and known not in self._old:
                self._mark = max(self._mark, known)
                self._flagged.append(known)
            elif known is not None or self._find(milliseconds, print_):
                self._context.report.found("waiting messages")
                continue
            else:
                id = self._ids.next(milliseconds, self._arrival.id)
                self._mark = max(self._mark, id)  # what is flagged has to be below the mark
                flags = INCOMING | UNDELIVERED
                self._context.writes.append(id, stanza, self._arrival.id, peer.bare, flags)
            self._context.report.take("waiting messages")
        self._waiting = []

    # -- one message ------------------------------------------------------------------------------------

    def _archived(self, result: Element | None) -> None:
        kind = "archived messages"
        forwarded = result.find(_FORWARDED) if result is not None and result.tag == _RESULT else None
        if forwarded is None:
            self._leave(kind, "too large, or not of an archive", result.tag if result is not None else "")
            return
        message = next((child for child in forwarded if child.tag.endswith("}message")), None)
        milliseconds = self._time(forwarded.find(_DELAY))
        read = self._message(message, kind) if milliseconds is not None else None
        if milliseconds is None:
            self._leave(kind, "without a time", result.get("id", "") if result is not None else "")
        elif read is not None:
            stanza, sender, recipient = read
            incoming = sender.bare != self._arrival.jid or recipient.bare == self._arrival.jid
            peer = sender if incoming else recipient
            print_ = _fingerprint(stanza)
            id = self._ids.next(milliseconds, self._arrival.id)
            there = self._find(milliseconds, print_)
            if there is None:
                flags = INCOMING if incoming else 0
                self._context.writes.append(id, stanza, self._arrival.id, peer.bare, flags)
            elif self._arrival.standing is Standing.EXISTING:
                self._old.add(there)
            if there is None or self._arrival.standing is Standing.INTERRUPTED:
                self._mark = max(self._mark, there or id)
            if incoming:
                self._recent[print_] = there or id
                if len(self._recent) > _COMPARED:
                    self._old.discard(self._recent.pop(next(iter(self._recent))))
            (self._context.report.take if there is None else self._context.report.found)(kind)

    def _wait(self, message: Element | None) -> None:
        kind = "waiting messages"
        stamp = self._delay(message) if message is not None else None
        milliseconds = self._time(stamp) or self._old_time(message) or self._latest
        read = self._message(message, kind)
        if read is None:
            return
        stanza, sender, _ = read
        self._waiting_bytes += len(stanza)
        if len(self._waiting) >= _MAX_WAITING or self._waiting_bytes > _MAX_WAITING_BYTES:
            self._leave(kind, f"more than {_MAX_WAITING}, or {_MAX_WAITING_BYTES} bytes", sender.bare)
        else:
            self._waiting.append((milliseconds, stanza, sender))

    def _message(self, element: Element | None, kind: str) -> tuple[bytes, JID, JID] | None:
        """The message as it is stored, its sender and its recipient. None if it can't be taken."""
        owner = self._arrival.jid
        if element is None or not element.tag.endswith("}message"):
            self._leave(kind, "too large, or not a message", element.tag if element is not None else "")
            return None
        _as_client(element)
        try:
            sender = self._context.names.jid(element.get("from") or owner)
            recipient = self._context.names.jid(element.get("to") or owner)
        except ValueError:
            self._leave(kind, "not an address", f"{element.get('from')} to {element.get('to')}")
            return None
        if owner not in (sender.bare, recipient.bare) and element.get("type") != "groupchat":
            self._leave(kind, "a message of others", f"{sender.bare} to {recipient.bare}")
            return None
        element.set("from", str(sender))
        element.set("to", str(recipient))
        delay = self._delay(element) if kind == "waiting messages" else None
        for child in list(element):
            own = child.tag == _STANZA_ID and child.get("by", "").partition("@")[0] == self._local
            if child.tag in _INTERNAL or own or child is delay:
                element.remove(child)
        stanza = Stanza.from_element(element).to_bytes()
        if len(stanza) > _MAX_STANZA:
            self._leave(kind, f"larger than {_MAX_STANZA} bytes", sender.bare)
            return None
        return stanza, sender, recipient

    def _delay(self, message: Element) -> Element | None:
        """The delay that the old server added: its own, or the last one."""
        delays = message.findall(_DELAY)
        own = [delay for delay in delays if delay.get("from") == self._arrival.host]
        found = own or delays
        return found[-1] if found else None

    @property
    def _local(self) -> str:
        return self._arrival.address.local

    def _time(self, delay: Element | None) -> int | None:
        """The time of a delay in milliseconds since 1970."""
        try:
            return self._milliseconds(parse_stamp(delay.get("stamp", ""))) if delay is not None else None
        except (ValueError, OverflowError):
            return None

    def _old_time(self, message: Element | None) -> int | None:
        """The time in the format of XEP-0091, which servers of long ago wrote."""
        old = message.find("{jabber:x:delay}x") if message is not None else None
        try:
            stamp = old.get("stamp", "") if old is not None else ""
            return self._milliseconds(datetime.strptime(f"{stamp}+0000", "%Y%m%dT%H:%M:%S%z"))
        except (ValueError, OverflowError):
            return None

    def _milliseconds(self, moment: datetime) -> int:
        return min(max(int(moment.timestamp() * 1000), 1), self._latest)

    # -- what is there already --------------------------------------------------------------------------

    async def _load(self) -> None:
        """Reads which messages the log has, unless the account is new. It takes some 100 bytes for each."""
        if self._there is not None:
            return
        self._there = {}
        if self._arrival.is_new:
            return
        store, account, after = self._context.store, self._arrival.id, 0
        while True:
            page = await store.page(LogQuery(account, after=after, limit=_PAGE))
            for entry in page.entries:
                self._there.setdefault(_key(entry), []).append(entry.id)
            if page.complete:
                break
            after = page.entries[-1].id
        after = 0
        while entries := await store.undelivered(account, after, _PAGE):
            after = entries[-1].id
            for entry in entries:
                if entry.flags & UNARCHIVED:
                    self._there.setdefault(_key(entry), []).append(entry.id)

    def _find(self, milliseconds: int, fingerprint: bytes) -> int | None:
        """The id of such a message of this second that was in the log, and was not found before."""
        for second in (milliseconds // 1000, milliseconds // 1000 + 1) if self._there else ():  # see `_id`
            ids = self._there.get((second, fingerprint)) if self._there else None
            if ids:
                return ids.pop(0)
        return None

    def _leave(self, kind: str, reason: str, example: str) -> None:
        self._context.report.leave(kind, reason, f"{self._arrival.jid}: {example}")


def _key(entry: Entry) -> tuple[int, bytes]:
    """What tells whether a message is there: its second, and its content."""
    return (entry.id >> SHIFT) // 1000, _fingerprint(entry.stanza)


def _fingerprint(stanza: bytes) -> bytes:
    """A hash of the message that does not depend on delays, nor on the order of attributes.

    Servers add delays when they keep a message, and Prosody writes attributes in any order.
    """
    message = Stanza.from_bytes(stanza).element
    for delay in message.findall(_DELAY):
        message.remove(delay)
    hashed = hashlib.blake2b(digest_size=12)
    for element in message.iter():
        parts = element.tag, sorted(element.attrib.items()), element.text or "", len(element)
        hashed.update(repr(parts).encode())
    return hashed.digest()


def _as_client(element: Element) -> None:
    """Puts elements into ``jabber:client`` that are in the namespace of the file around them."""
    for child in element.iter():
        namespace, _, name = child.tag[1:].rpartition("}") if child.tag[0] == "{" else ("", "", child.tag)
        if namespace in (*NAMESPACES, ns.SERVER, ""):
            child.tag = ns.tag(ns.CLIENT, name)


async def archive(store: LogStore, log: int, group: bool = False) -> AsyncIterator[Element]:
    """The messages of an archive, the oldest first, each as ``<result/>``.

    ``group``: it is that of a group, whose messages have the parts of all members.
    """
    after = 0
    while True:
        page = await store.page(LogQuery(log, after=after, limit=_PAGE))
        own = await store.owned([entry.id for entry in page.entries]) if group else {}
        for entry in page.entries:
            result = Element(_RESULT, {"id": to_text(entry.id)})
            forwarded = SubElement(result, _FORWARDED)
            SubElement(forwarded, _DELAY, {"stamp": stamp_of(entry.id)})
            forwarded.append(Stanza.from_bytes(with_all(entry.stanza, own.get(entry.id, ()))).element)
            yield result
        if page.complete or not page.entries:
            return
        after = page.entries[-1].id


async def waiting(store: LogStore, account: int, domain: str) -> AsyncIterator[Element]:
    """The messages that wait for a device, the oldest first."""
    after = 0
    while entries := await store.undelivered(account, after, _PAGE):
        for entry in entries:
            message = Stanza.from_bytes(entry.stanza).element
            assert message.tag == MESSAGE_TAG
            SubElement(message, _DELAY, {"from": domain, "stamp": stamp_of(entry.id)})
            yield message
        after = entries[-1].id
