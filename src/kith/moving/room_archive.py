"""The archive of a room that becomes a group: its messages, as the group would have stored them."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import datetime
from xml.etree.ElementTree import Element

from kith.base.ids import parse_stamp, to_text
from kith.groups.group import Group
from kith.groups.names import CHANGE, ITEM, OCCUPANT, USER
from kith.moving.arrival import Context
from kith.moving.past import PastIds
from kith.ports.store import LogQuery, Shared
from kith.wire import ns
from kith.wire.limits import Limits
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_FORWARDED, _DELAY = ns.tag(ns.FORWARD, "forwarded"), ns.tag(ns.DELAY, "delay")
_MESSAGE, _STANZA_ID = ns.tag(ns.CLIENT, "message"), ns.tag(ns.STANZA_ID, "stanza-id")
_PAGE = 500
_MAX_STANZA = Limits().stanza_bytes
#: Attributes of notices that are addresses.
_ADDRESSES = ("by", "jid", "moved")
_KIND = "messages of rooms"


class RoomArchive:
    """Takes the messages of one room. ``old``: its address on the old server.

    ``latest``: the time of the import, in milliseconds since 1970; nothing is later.
    """

    def __init__(self, context: Context, group: Group, old: str, latest: int) -> None:
        self._context = context
        self._group = group
        self._old = old
        self._latest = latest
        self._ids = PastIds()
        self._there: set[bytes] = set()  # the messages that the group had before
        # the seconds when members came, and their accounts, in order
        self._came = sorted(
            (one.since // 1000, one.account) for one in group.members if one.belongs and one.account
        )
        self._audiences: dict[int, Sequence[int]] = {}  # by the number of members that had come

    async def load(self) -> None:
        """Reads which messages the group has. Raises `kith.ports.store.Unavailable`."""
        after = 0
        while True:
            page = await self._context.store.page(LogQuery(self._group.id, after=after, limit=_PAGE))
            for entry in page.entries:
                self._there.add(_print(Stanza.from_bytes(entry.stanza).element))
            if page.complete:
                return
            after = page.entries[-1].id

    def take(self, result: Element | None) -> None:
        """Takes an entry of the archive (XEP-0313 §5.1.2); None: it was too large to be read."""
        report, group = self._context.report, self._group
        forwarded = result.find(_FORWARDED) if result is not None else None
        message = forwarded.find(_MESSAGE) if forwarded is not None else None
        delay = forwarded.find(_DELAY) if forwarded is not None else None
        time = time_of(delay.get("stamp"), self._latest) if delay is not None else None
        if message is None or time is None:
            report.leave(_KIND, "too large, without a time, or not a message", group.jid)
            return
        if group.config.expire and time + group.config.expire * 1000 <= self._latest:
            report.leave(_KIND, "it has disappeared", group.jid)
            return
        author = self._adapt(message)
        print_ = _print(message)
        if print_ in self._there:
            report.found(_KIND)
            return
        id = self._ids.next(time, group.id)
        message.append(Element(_STANZA_ID, {"id": to_text(id), "by": group.jid}))
        stanza = Stanza.from_element(message).to_bytes()
        if len(stanza) > _MAX_STANZA:
            report.leave(_KIND, f"larger than {_MAX_STANZA} bytes", group.jid)
            return
        expires = time // 1000 + group.config.expire if group.config.expire else None
        shared = Shared(group.id, self._audience(time // 1000), expires=expires)
        self._context.writes.append(id, stanza, group.id, author, 0, shared)
        report.take(_KIND)

    def _adapt(self, message: Element) -> str:
        """Makes of a message what the group would store. Returns who has written it."""
        group, bare_of = self._group, self._context.names.bare
        nick = message.get("from", "").partition("/")[2]
        author = group.jid
        for child in list(message):
            old = child.tag == _STANZA_ID and child.get("by", "").lower() in (self._old, group.jid)
            if old or child.tag == OCCUPANT:
                message.remove(child)
            elif child.tag == USER:
                item = child.find(ITEM)
                author = (bare_of(item.get("jid", "")) if item is not None else None) or author
                if group.config.anonymous or item is None:
                    message.remove(child)
                elif item.get("jid"):
                    item.set("jid", author)
            elif child.tag == CHANGE:
                for one in child.iter():
                    for name in _ADDRESSES:
                        if one.get(name) and (bare := bare_of(one.get(name, ""))):
                            one.set(name, bare)
        kept: Mapping[str, str] = message.attrib
        attrs = {"from": f"{group.jid}/{nick}" if nick else group.jid, "type": "groupchat"}
        attrs |= {name: kept[name] for name in ("id", ns.tag(ns.XML, "lang")) if name in kept}
        message.attrib.clear()
        message.attrib.update(attrs)
        return author

    def _audience(self, second: int) -> Sequence[int]:
        """The accounts that were members at a time: the same object while nobody comes."""
        count = bisect_right(self._came, second, key=lambda one: one[0])
        if count not in self._audiences:
            self._audiences[count] = tuple(account for _, account in self._came[:count])
        return self._audiences[count]


def time_of(text: str | None, latest: int) -> int | None:
    """A time in milliseconds since 1970, ``latest`` at most; None if the text is none."""
    try:
        moment: datetime = parse_stamp(text or "")
    except (ValueError, OverflowError):
        return None
    return min(max(int(moment.timestamp() * 1000), 1), latest)


def _print(message: Element) -> bytes:
    """A hash of the content of a message, whatever ids archives have given it."""
    hashed = hashlib.blake2b(digest_size=12)
    hashed.update(repr((message.get("from"), message.get("id"))).encode())
    for child in message:
        if child.tag not in (_STANZA_ID, OCCUPANT):
            hashed.update(serialize(child, ""))
    return hashed.digest()
