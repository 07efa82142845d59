"""What became of messages: for operators who are told "my message did not arrive".

The facts come from the logs of both accounts, which say what was stored, what a device of the recipient has
acknowledged, and what still waits for another server; from the sessions of a running server, which know what
they have sent that was not acknowledged; from the notes about messages that came back; and, for an account
that is traced, from what its sessions did (`kith.core.sessions.tracing`). Nothing has the content of a
message.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from kith.base.ids import to_text, when
from kith.core.log.marks import Marks
from kith.core.sessions.tracing import InTransit, TraceEvent, Tracing
from kith.ports.store import (
    INCOMING,
    OUTGOING,
    SHARED,
    UNDELIVERED,
    AccountRecord,
    Entry,
    Logged,
    LogQuery,
    LogStore,
    Store,
)
from kith.records.bounced import SPACE as BOUNCED
from kith.records.bounced import stored as bounced_in
from kith.records.devices import Devices
from kith.wire import ns
from kith.wire.stanza import Stanza

_NEWEST = 1 << 62
_PAGE = 200
#: How many entries of a log are searched for a message with an id.
MAX_SEARCHED = 5000
_BODY = ns.tag(ns.CLIENT, "body")
_ENCRYPTED = (
    ns.tag(ns.OMEMO, "encrypted"),
    ns.tag(ns.OMEMO_2, "encrypted"),
    ns.tag(ns.ENCRYPTION, "encryption"),
    "{jabber:x:encrypted}x",
    "{urn:xmpp:openpgp:0}openpgp",
)

#: ``delivered``: a device has acknowledged it. ``handed``: it was sent to a device that has not acknowledged
#: it yet. ``waiting``: it is stored, and no device was there. ``outgoing``: it waits for another server.
#: ``sent``: the other server has it. ``gone``: the recipient's log does not have it any more, since it was
#: delivered, or deleted. ``bounced``: it came back. ``group``: it is in the archive of a group (``peer``),
#: from which the account's devices read it.
State = Literal["delivered", "handed", "waiting", "outgoing", "sent", "gone", "bounced", "group"]
What = Literal["text", "encrypted", "receipt", "marker", "error", "other"]


class LiveTrace(msgspec.Struct):
    """What only a running server knows. ``until`` and ``events``: by the addresses of traced accounts."""

    until: dict[str, float] = {}
    events: dict[str, list[TraceEvent]] = {}
    in_transit: list[InTransit] = []


class LiveTraces:
    """Says what a running server knows."""

    def __init__(self, store: LogStore, marks: Marks, tracing: Tracing) -> None:
        self._store = store
        self._marks = marks
        self._tracing = tracing

    async def ask(self, accounts: Sequence[str], ids: Sequence[int]) -> LiveTrace:
        """What is known of some accounts (bare addresses), and of messages of theirs (ids in the log).

        What was acknowledged before the call is in the store when it returns.
        """
        self._marks.flush()
        await self._store.flush()
        tracing = self._tracing
        traced = {bare: until for bare in accounts if (until := tracing.until(bare))}
        events = {bare: list(tracing.events(bare)) for bare in traced}
        return LiveTrace(traced, events, tracing.in_transit(set(accounts), set(ids)))


#: Asks a running server about accounts and ids of messages.
AskLive = Callable[[Sequence[str], Sequence[int]], Awaitable[LiveTrace]]


@dataclass(slots=True)
class Receiver:
    """A device that was sent a message. ``state``: ``handed`` or ``acknowledged``."""

    account: str
    resource: str
    device: str
    name: str
    state: str


@dataclass(slots=True)
class TracedMessage:
    """A message. ``id``: that in the log; empty if it is in no log any more. ``message``: the sender's own.

    ``at``: when it was accepted and stored, in seconds since 1970. ``size``: in bytes.
    """

    id: str
    message: str
    at: float
    peer: str
    incoming: bool
    type: str
    what: What
    size: int
    state: State
    devices: list[Receiver] = field(default_factory=list)
    error: str = ""


@dataclass(slots=True)
class TraceResult:
    """``until``: when the tracing of the account ends; 0 if it is not traced. The newest message is first."""

    messages: list[TracedMessage]
    events: Sequence[TraceEvent]
    until: float


class Traces:
    """Looks messages up."""

    def __init__(self, store: Store, devices: Devices) -> None:
        self._store = store
        self._devices = devices

    async def of(
        self, record: AccountRecord, ask: AskLive, peer: str = "", id: str = "", limit: int = 20
    ) -> TraceResult:
        """The last messages to and from an account.

        ``peer``: only those with this bare address. ``id``: only the one with this id, which is the sender's
        or that of the archive.
        """
        await ask((), ())  # so that the store has what was acknowledged
        rows = await self._rows(record, peer, id, limit)
        accounts = list(dict.fromkeys((record.jid, *(row.peer for row in rows if row.peer_mark is not None))))
        shared = await self._shared(record, peer, id, limit)
        ids = [row.id for row in rows] + [entry.id for entry in shared]
        live = await ask(accounts, ids)
        names = await self._names(accounts)
        messages = [_message(row, live, names, record.jid) for row in rows]
        messages += [_group_message(entry, live, names, record.jid) for entry in shared]
        if not id or not messages:
            messages += await self._bounced(record, peer, id)
        messages.sort(key=lambda message: -message.at)
        return TraceResult(messages[:limit], live.events.get(record.jid, ()), live.until.get(record.jid, 0.0))

    async def _rows(self, record: AccountRecord, peer: str, id: str, limit: int) -> list[Logged]:
        if not id:
            return await self._store.logged(record.id, _NEWEST, limit, peer)
        before, searched = _NEWEST, 0
        while searched < MAX_SEARCHED:
            page = await self._store.logged(record.id, before, _PAGE, peer)
            found = [row for row in page if id in (to_text(row.id), Stanza.from_bytes(row.stanza).id)]
            if found or not page:
                return found
            before, searched = page[-1].id, searched + len(page)
        return []

    async def _shared(self, record: AccountRecord, peer: str, id: str, limit: int) -> list[Entry]:
        """The last messages that groups have shared with an account."""
        query = LogQuery(record.id, peer or None, limit=_PAGE if id else limit, backwards=True, shared=True)
        entries = (await self._store.page(query)).entries
        return [
            entry
            for entry in entries
            if entry.flags & SHARED and id in ("", to_text(entry.id), Stanza.from_bytes(entry.stanza).id)
        ]

    async def _names(self, accounts: Sequence[str]) -> dict[tuple[str, str], str]:
        """The names of devices, by account and id."""
        found = {}
        for bare in accounts:
            record = await self._store.account(bare)
            for device in (await self._devices.all(record.id)).values() if record is not None else ():
                found[bare, device.id] = device.title
        return found

    async def _bounced(self, record: AccountRecord, peer: str, id: str) -> list[TracedMessage]:
        documents = await self._store.documents(record.id, BOUNCED)
        return [
            TracedMessage(
                "",
                one.message,
                when(one.id).timestamp(),
                one.peer,
                False,
                "",
                "other",
                0,
                "bounced",
                error=one.error,
            )
            for one in bounced_in(documents)
            if peer in ("", one.peer) and id in ("", one.message)
        ]


def _message(row: Logged, live: LiveTrace, names: dict[tuple[str, str], str], own: str) -> TracedMessage:
    stanza = Stanza.from_bytes(row.stanza)
    incoming = bool(row.flags & INCOMING)
    receiver = own if incoming else row.peer
    devices = _devices(row.id, receiver, live, names)
    state = _state(row, incoming, any(one.state == "handed" for one in devices))
    return TracedMessage(
        to_text(row.id),
        stanza.id or "",
        when(row.id).timestamp(),
        row.peer,
        incoming,
        stanza.type or "normal",
        _what(stanza),
        len(row.stanza),
        state,
        devices,
    )


def _group_message(
    entry: Entry, live: LiveTrace, names: dict[tuple[str, str], str], own: str
) -> TracedMessage:
    stanza = Stanza.from_bytes(entry.stanza)
    return TracedMessage(
        to_text(entry.id),
        stanza.id or "",
        when(entry.id).timestamp(),
        stanza.attrs.get("from", "").partition("/")[0],
        True,
        stanza.type or "normal",
        _what(stanza),
        len(entry.stanza),
        "group",
        _devices(entry.id, own, live, names),
    )


def _state(row: Logged, incoming: bool, handed: bool) -> State:
    if row.flags & OUTGOING:
        return "outgoing"
    flags, mark = (row.flags, row.mark) if incoming else (row.peer_flags, row.peer_mark)
    if mark is None:
        return "sent"
    if flags is None:
        return "gone"
    if row.id > mark or flags & UNDELIVERED:
        return "handed" if handed else "waiting"
    return "delivered"


def _devices(id: int, receiver: str, live: LiveTrace, names: dict[tuple[str, str], str]) -> list[Receiver]:
    """Which devices of the receiver were sent a message, as far as is known."""
    found: dict[tuple[str, str], Receiver] = {}
    for event in live.events.get(receiver, ()):
        if event.id == id and event.what in ("handed", "acknowledged"):
            name = names.get((receiver, event.device), "")
            found[event.resource, event.device] = Receiver(
                receiver, event.resource, event.device, name, event.what
            )
    for one in live.in_transit:
        if one.id == id and one.account == receiver:
            name = names.get((receiver, one.device), "")
            found[one.resource, one.device] = Receiver(receiver, one.resource, one.device, name, "handed")
    return list(found.values())


def _what(stanza: Stanza) -> What:
    """What kind of content a message has, judging by the names of its children."""
    if stanza.type == "error":
        return "error"
    if any(child in _ENCRYPTED for child in stanza.children):
        return "encrypted"
    if _BODY in stanza.children:
        return "text"
    for child in stanza.children:
        if child.startswith(f"{{{ns.RECEIPTS}}}"):
            return "receipt"
        if child.startswith(f"{{{ns.MARKERS}}}"):
            return "marker"
    return "other"
