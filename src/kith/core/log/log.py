"""The rules of the log: whether a message is stored, under which id, and what follows the commit.

Nothing is acknowledged or delivered before it is committed. A sender's retry is recognized by its origin id
(XEP-0359 §3) and its content (`kith.core.log.retries`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum

from kith.base.ids import Ids
from kith.core.actors.account import Account
from kith.core.actors.sender import Sender
from kith.core.log.envelope import After, Envelope
from kith.core.log.retries import ORIGIN, distinct_origin, is_retry
from kith.ports.store import INCOMING, OUTGOING, UNARCHIVED, Append, LogStore, Retries
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_ORIGIN_ID = ns.tag(ns.STANZA_ID, "origin-id")
_STANZA_ID = ns.tag(ns.STANZA_ID, "stanza-id")
#: The maximum size of an origin id, in bytes. Retries with longer ones are not recognized.
_LONGEST_ORIGIN = 1024
RETRIES = Retries(is_retry, distinct_origin)
#: While this many bytes wait for the disk, further messages are refused.
MAX_WAITING = 64 * 1024 * 1024


class Keep(IntEnum):
    """What a child element says about storing its message. The greatest value of all children decides."""

    NOTHING = 0  # not stored, since it is of no use later (typing)
    QUEUE = 1  # until it is delivered; for elements that the server does not know
    ARCHIVE = 2
    QUEUE_ONLY = 3  # until it is delivered, whatever else the message contains
    FORBIDDEN = 4  # not stored, whatever else the message contains


_CORE_KEEPS = {
    ns.tag(ns.CLIENT, "body"): Keep.ARCHIVE,
    ns.tag(ns.CLIENT, "subject"): Keep.ARCHIVE,
    ns.tag(ns.CLIENT, "thread"): Keep.NOTHING,
    _ORIGIN_ID: Keep.NOTHING,
    _STANZA_ID: Keep.NOTHING,
    ns.tag(ns.DELAY, "delay"): Keep.NOTHING,
}


class Log:
    """Appends messages to the logs of their senders and recipients.

    ``wanted``: whether an account wants messages with a peer in its archive (XEP-0313 §6, preferences).
    ``after`` handles messages after their commit.
    """

    def __init__(
        self,
        store: LogStore,
        ids: Ids,
        wanted: Sequence[Callable[[Account, str], bool]],
        after: After,
    ) -> None:
        self._store = store
        self._ids = ids
        self._keeps = dict(_CORE_KEEPS)
        self._wanted = wanted
        self._after = after

    def fill(self, keeps: Iterable[Mapping[str, Keep]]) -> None:
        """Sets what child elements say, by Clark name. Called once."""
        for table in keeps:
            self._keeps.update(table)

    def verdict(self, stanza: Stanza) -> Keep:
        """Whether and for how long a message is stored."""
        verdict = Keep.NOTHING
        keeps = self._keeps
        for child in stanza.children:
            keep = keeps.get(child, Keep.QUEUE)
            if keep > verdict:
                verdict = keep
        return Keep.NOTHING if verdict is Keep.FORBIDDEN else verdict

    def append(
        self,
        sender: Sender,
        stanza: Stanza,
        to: JID,
        recipient: Account | None,
        keep: Keep,
        outgoing: After | None = None,
    ) -> None:
        """Queues a message for the store; `Envelope.committed` is called afterwards.

        Either ``sender`` or ``recipient`` may be None, if it is on another server or node. ``outgoing``:
        another node owns the recipient. The message then goes into the sender's outbox, and this object
        handles it after the commit.
        """
        mine = sender.account
        first = mine or recipient
        assert first is not None
        id = self._ids.next(first.slot, (recipient or first).slot)
        envelope = Envelope(id, stanza.to_bytes(), stanza, to, sender, outgoing or self._after)
        archived = keep is Keep.ARCHIVE
        owners: list[tuple[int, str, int]] = []
        if mine is not None and mine is not recipient:
            if archived and self.wants(mine, to.bare):
                owners.append((mine.id, to.bare, OUTGOING if outgoing else 0))
            elif outgoing:
                owners.append((mine.id, to.bare, OUTGOING | UNARCHIVED))
        if recipient is not None:
            flags = INCOMING
            if not (archived and self.wants(recipient, sender.bare)):
                flags |= UNARCHIVED
            owners.append((recipient.id, sender.bare, flags))
        origin = origin_of(stanza)
        self.put(envelope, owners, origin or sender.key)

    def append_sent(self, sender: Sender, stanza: Stanza, to: JID, after: After) -> bool:
        """Queues a message for its sender's log alone: the recipient does not get it, and the sender is not
        to notice.

        Returns False if there is nothing to store. ``after`` handles it after the commit.
        """
        mine = sender.account
        if mine is None or mine.jid == to.bare or not self.wants(mine, to.bare):
            return False
        envelope = Envelope(
            self._ids.next(mine.slot, mine.slot), stanza.to_bytes(), stanza, to, sender, after
        )
        self.put(envelope, [(mine.id, to.bare, 0)], origin_of(stanza) or sender.key)
        return True

    def put(self, envelope: Envelope, owners: Sequence[tuple[int, str, int]], origin: bytes | None) -> None:
        """Queues a message for the logs of ``owners`` (`kith.ports.store.Append`), all of which this
        node owns.

        ``origin``: the sender's id for the message, by which retries are recognized, or None.
        """
        sender = envelope.sender
        assert sender is not None
        self._store.append(
            Append(
                envelope.id,
                envelope.data,
                owners,
                envelope.committed,
                sender.bare,
                envelope.to.bare,
                origin,
                RETRIES,
            )
        )

    def wants(self, account: Account, peer: str) -> bool:
        """Whether an account wants messages with the bare address ``peer`` in its archive."""
        for wanted in self._wanted:
            if not wanted(account, peer):
                return False
        return True


def origin_of(stanza: Stanza) -> bytes | None:
    """The id that the sender gives to the message and its retries; None if there is none."""
    if _ORIGIN_ID not in stanza.children:
        return None
    inner = stanza.inner
    if inner.count(b"<origin-id") == 1 and (match := ORIGIN.search(inner)) and b"&" not in match.group():
        value = match.group(1) or match.group(2) or b""
    else:
        child = stanza.child(_ORIGIN_ID)
        value = (child.get("id") or "" if child is not None else "").encode()
    return value if 0 < len(value) <= _LONGEST_ORIGIN else None
