"""Who has received and read the messages of a group.

The devices of members say up to which message they have received and shown everything. The group sums
that up, and tells the devices of the authors alone, at most once in a few seconds, so that a thousand
members flood nobody. Nothing of this is an entry in a log.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import unescape
from weakref import WeakKeyDictionary
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.base.clock import Clock
from kith.base.ids import from_text, stamp_of, to_text
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Accounts
from kith.features.privacy import PrivacySettings
from kith.groups.group import Group
from kith.groups.names import GROUPS
from kith.groups.receiving import receives
from kith.ports.store import LogQuery, Store
from kith.wire import ns
from kith.wire.stanza import Stanza

MARKS = ns.tag(GROUPS, "marks")
DISPLAYED = ns.tag(ns.MARKERS, "displayed")
_RECEIPTS, _MESSAGE, _RECEIPT = (ns.tag(GROUPS, name) for name in ("receipts", "message", "receipt"))
_SPACE = "receipts"
#: How long authors wait for news at most, in seconds; and after how many of these times the marks are stored.
_EVERY, _STORED_EVERY = 3.0, 4
#: For how many of the last messages of a group authors are told.
_RECENT = 50
#: How many steps of each member are kept, so that the time of each is known: in small groups, in large ones.
_STEPS, _FEW_STEPS, _LARGE = 16, 3, 64


class Progress(msgspec.Struct):
    """How far a member is: pairs of message id and the time at which it was reached, both ids of the log."""

    delivered: list[tuple[int, int]] = []
    read: list[tuple[int, int]] = []


class _Known:
    """What is known of one group. ``recent``: ids and authors of its last messages."""

    __slots__ = ("dirty", "members", "planned", "recent", "told", "unsaved")

    def __init__(self, members: dict[str, Progress]) -> None:
        self.members = members
        self.recent: deque[tuple[int, str]] = deque(maxlen=_RECENT)
        self.told: dict[int, tuple[int, int, int]] = {}
        self.planned = False
        self.dirty = False
        self.unsaved = 0


#: Whom a group names as the author of a message; it does so at the end.
_AUTHOR = re.compile(rb"<x xmlns='http://jabber.org/protocol/muc#user'><item\b[^>]*?\bjid='([^']*)'")

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(dict[str, Progress]).decode


class Receipts:
    """Takes the marks of members, and tells authors about them."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        accounts: Accounts,
        tasks: Tasks,
        privacy: PrivacySettings | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._accounts = accounts
        self._tasks = tasks
        self._privacy = privacy
        self._known: WeakKeyDictionary[Group, _Known] = WeakKeyDictionary()
        #: Called with the bare address of a member, that of the group, and up to which id it has read.
        self.readers: list[Callable[[str, str, int], None]] = []

    def posted(self, group: Group, id: int, author: str) -> None:
        """A message was put in the order of its group."""
        known = self._known.get(group)
        if known is not None:
            known.recent.append((id, author))

    async def load(self, group: Group) -> None:
        """Reads what is stored of a group. To be called before `note`."""
        if group not in self._known:
            await self._store.flush()
            document = await self._store.document(group.id, _SPACE, "")
            known = _Known(_decode(document.value) if document is not None else {})
            page = await self._store.page(LogQuery(group.id, limit=_RECENT, backwards=True))
            for entry in page.entries:
                if (authors := _AUTHOR.findall(entry.stanza)) and authors[-1] != b"":
                    known.recent.append((entry.id, unescape(authors[-1].decode())))
            self._known[group] = known

    def is_busy(self, group: Group) -> bool:
        """Whether a group has marks that are not stored yet, and has to stay in memory."""
        known = self._known.get(group)
        return known is not None and known.planned

    def is_loaded(self, group: Group) -> bool:
        return group in self._known

    def note(self, group: Group, bare: str, stanza: Stanza) -> None:
        """Notes the marks of a member; what is no mark of this group is ignored."""
        known = self._known[group]
        marks = stanza.child(MARKS)
        displayed = stanza.child(DISPLAYED)
        texts = dict(marks.attrib) if marks is not None else {}
        if displayed is not None:
            texts.setdefault("read", displayed.get("id", ""))
        now = _from(int(self._clock.now() * 1000))
        read = self._id(texts.get("read", ""), now)
        delivered = max(self._id(texts.get("delivered", ""), now), read)
        for reader in self.readers if read else ():
            reader(bare, group.jid, read)
        if not self._shows_reading(bare):
            read = 0
        progress = known.members.setdefault(bare, Progress())
        steps = _STEPS if len(group.members.recipients) <= _LARGE else _FEW_STEPS
        changed = _step(progress.delivered, delivered, now, steps)
        changed = _step(progress.read, read, now, steps) or changed
        if changed and not known.planned:
            known.planned = True
            self._tasks.later(_EVERY, lambda: self._tell(group, known))

    def _id(self, text: str, now: int) -> int:
        """The id of a message in a mark; 0 if it is none, or one of the future."""
        try:
            id = from_text(text) if text else 0
        except ValueError:
            return 0
        return id if id <= now + (60_000 << 20) else 0

    def _shows_reading(self, bare: str) -> bool:
        account = self._accounts.get(bare)
        return self._privacy is None or account is None or self._privacy.of(account).read_receipts

    # -- telling ----------------------------------------------------------------------------------------

    def _tell(self, group: Group, known: _Known) -> None:
        """Tells authors of recent messages how many have them, if that has changed; stores the marks."""
        known.planned = False
        if group.state.destroyed:
            return
        news: dict[str, list[tuple[int, tuple[int, int, int]]]] = {}
        counts = _counts(group, known.members, [id for id, _ in known.recent])
        for (id, author), count in zip(known.recent, counts, strict=True):
            of = count[2] - (author in group.members.recipients)
            own = known.members.get(author, Progress())
            sums = (count[0] - _has(own.delivered, id), count[1] - _has(own.read, id), of)
            if known.told.get(id) != sums:
                known.told[id] = sums
                news.setdefault(author, []).append((id, sums))
        known.told = {id: known.told[id] for id, _ in known.recent if id in known.told}
        for author, sums_of in news.items():
            self._tell_author(group, author, sums_of)
        known.unsaved += 1
        if known.unsaved >= _STORED_EVERY or not news:
            known.unsaved = 0
            for bare in known.members.keys() - {member.jid for member in group.members.belonging()}:
                del known.members[bare]  # who has left
            self._store.put_soon(group.id, _SPACE, "", _encode(known.members))
        else:  # stored soon, also if nobody says anything more
            known.planned = True
            self._tasks.later(_EVERY, lambda: self._tell(group, known))

    def _tell_author(
        self, group: Group, author: str, news: Sequence[tuple[int, tuple[int, int, int]]]
    ) -> None:
        account = self._accounts.get(author) if author in group.members.recipients else None
        if account is None:
            return
        element = Element(_RECEIPTS)
        for id, (delivered, read, of) in news:
            attrs = {"id": to_text(id), "delivered": str(delivered), "read": str(read), "of": str(of)}
            SubElement(element, _MESSAGE, attrs)
        stanza = Stanza.build(
            "message", {"from": group.jid, "to": author, "type": "headline"}, element
        ).to_bytes()
        for session in account.sessions.values():
            if receives(session):
                session.push(stanza)

    # -- asking -----------------------------------------------------------------------------------------

    async def of(self, group: Group, author: str, text: str) -> Element:
        """Who has a message, and since when. Raises ValueError if ``author`` has not written it."""
        id = from_text(text)
        if not (await self._store.page(LogQuery(group.id, author, ids=[id]))).entries:
            raise ValueError("somebody else's")
        await self.load(group)
        known = self._known[group]
        result = Element(_RECEIPTS, {"id": text})
        for member in group.members.belonging():
            if _from(member.since) > id:
                continue
            progress = known.members.get(member.jid, Progress())
            receipt = SubElement(result, _RECEIPT, {"jid": member.jid})
            for name, steps in (("delivered", progress.delivered), ("read", progress.read)):
                at = next((at for upto, at in steps if upto >= id), None)
                if at is not None:
                    receipt.set(name, stamp_of(at))
        return result


def _step(steps: list[tuple[int, int]], id: int, now: int, most: int) -> bool:
    """Notes that a member has reached a message. Returns whether that is news."""
    if not id or (steps and steps[-1][0] >= id):
        return False
    steps.append((id, now))
    if len(steps) > most:
        del steps[: len(steps) - most]
    return True


def _has(steps: Sequence[tuple[int, int]], id: int) -> bool:
    return bool(steps) and steps[-1][0] >= id


def _from(milliseconds: int) -> int:
    """The first id of a time in milliseconds since 1970."""
    return milliseconds << 20


def _counts(group: Group, members: Mapping[str, Progress], ids: Iterable[int]) -> list[tuple[int, int, int]]:
    """For each message, how many members have received it, have read it, and were members then."""
    belonging = group.members.belonging()
    ends: tuple[list[int], list[int]] = ([], [])
    since: list[int] = []
    for member in belonging:
        progress = members.get(member.jid)
        since.append(_from(member.since))
        if progress is not None:
            for end, steps in zip(ends, (progress.delivered, progress.read), strict=True):
                if steps:
                    end.append(steps[-1][0])
    for numbers in (*ends, since):
        numbers.sort()
    return [
        (
            len(ends[0]) - bisect_left(ends[0], id),
            len(ends[1]) - bisect_left(ends[1], id),
            bisect_left(since, id + 1),
        )
        for id in ids
    ]
