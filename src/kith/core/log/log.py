"""The log's rules: what is kept of a message, under which id, and what follows the commit.

Promises 1 to 3: nothing is acknowledged or delivered before it is committed, and a sender's retry
is found by its origin id (XEP-0359 §3) and its content (`kith.core.log.retries`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import TYPE_CHECKING

from kith.base.ids import Ids, to_text
from kith.core.actors.refused import stanza_refused
from kith.core.log.retries import distinct_origin, is_retry
from kith.ports.store import INCOMING, UNARCHIVED, Append, Retries, Store, Unavailable
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.actors.account import Account
    from kith.core.actors.sender import Sender
    from kith.core.actors.session import Session

_ORIGIN_ID = ns.tag(ns.STANZA_ID, "origin-id")
_STANZA_ID = ns.tag(ns.STANZA_ID, "stanza-id")
_ORIGIN = re.compile(rb"<origin-id\b[^<>]*?\bid=(?:'([^'<>]*)'|\"([^\"<>]*)\")")
_END = b"</message>"
#: Bytes of an origin id; a retry under a longer one is not known.
_LONGEST_ORIGIN = 1024
_RETRIES = Retries(is_retry, distinct_origin)
#: While so much waits for the disk, in bytes, no more is taken.
MOST_WAITING = 64 * 1024 * 1024


class Keep(IntEnum):
    """What a child says about keeping its message; the greatest of all children decides."""

    NOTHING = 0  # of no use later (typing)
    QUEUE = 1  # until delivered: what the server does not know
    ARCHIVE = 2
    QUEUE_ONLY = 3  # until delivered, whatever else is in the message
    FORBIDDEN = 4  # never, whatever else is in the message


_CORE_KEEPS = {
    ns.tag(ns.CLIENT, "body"): Keep.ARCHIVE,
    ns.tag(ns.CLIENT, "subject"): Keep.ARCHIVE,
    ns.tag(ns.CLIENT, "thread"): Keep.NOTHING,
    _ORIGIN_ID: Keep.NOTHING,
    _STANZA_ID: Keep.NOTHING,
    ns.tag(ns.DELAY, "delay"): Keep.NOTHING,
}


class Envelope:
    """A message on its way: from the commit queue to the sessions, and to the hooks.

    ``id`` is 0 for what is not logged. ``data`` is the stanza as stored, ``stanza_id`` goes in for
    each reader's account: see `for_owner`.
    """

    __slots__ = (
        "_owner",
        "_owner_data",
        "data",
        "delivered_to",
        "id",
        "recipient",
        "sender",
        "stanza",
        "to",
    )

    def __init__(self, id: int, data: bytes, stanza: Stanza, to: JID, sender: Sender | None) -> None:
        self.id = id
        self.data = data
        self.stanza = stanza
        self.to = to
        self.sender = sender
        self.delivered_to: list[Session] = []
        self._owner = ""
        self._owner_data = b""

    def for_owner(self, bare: str) -> bytes:
        """The message as the account ``bare`` reads it, with its stanza id (XEP-0359 §3.1)."""
        if not self.id:
            return self.data
        if self._owner != bare:
            self._owner = bare
            self._owner_data = self.data[: -len(_END)] + stanza_id(self.id, bare) + _END
        return self._owner_data

    def committed(self, existing: int | None, error: BaseException | None) -> None:
        """The store's answer: the message is durable, was known already, or could not be kept."""
        sender = self.sender
        assert sender is not None
        if error is not None:
            sender.domain.tasks.failed("message not stored", error)
            condition = error.condition if isinstance(error, Unavailable) else "internal-server-error"
            refusal = StanzaError(condition, type="wait")
            stanza_refused(sender.domain.figures, self.stanza, refusal)
            sender.refuse(self.stanza, refusal)
        elif existing is None:
            sender.domain.post.deliver(self)
        sender.committed()


def stanza_id(id: int, by: str) -> bytes:
    """``<stanza-id/>`` of the log of ``by``."""
    return f"<stanza-id xmlns='{ns.STANZA_ID}' id='{to_text(id)}' by='{escape_attribute(by)}'/>".encode()


class Log:
    """Appends messages to the logs of those who sent and receive them.

    ``keeps``: what features say of children, by Clark name. ``wanted``: whether an account wants
    messages with a peer in its archive (XEP-0313 §6, preferences).
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        keeps: Iterable[Mapping[str, Keep]],
        wanted: Sequence[Callable[[Account, str], bool]],
    ) -> None:
        self._store = store
        self._ids = ids
        self._keeps = dict(_CORE_KEEPS)
        for table in keeps:
            self._keeps.update(table)
        self._wanted = wanted

    def verdict(self, stanza: Stanza) -> Keep:
        """What is to be kept of a message that an account receives."""
        verdict = Keep.NOTHING
        keeps = self._keeps
        for child in stanza.children:
            keep = keeps.get(child, Keep.QUEUE)
            if keep > verdict:
                verdict = keep
        return Keep.NOTHING if verdict is Keep.FORBIDDEN else verdict

    def append(self, sender: Sender, stanza: Stanza, to: JID, recipient: Account | None, keep: Keep) -> None:
        """Queues the message; `Envelope.committed` goes on from there.

        Its sender or its ``recipient`` may be of another domain, not both.
        """
        mine = sender.account
        id = self._ids.next()
        data = stanza.to_bytes()
        envelope = Envelope(id, data, stanza, to, sender)
        archived = keep is Keep.ARCHIVE
        owners: list[tuple[int, str, int]] = []
        if mine is not None and mine is not recipient and archived and self.wants(mine, to.bare):
            owners.append((mine.id, to.bare, 0))
        if recipient is not None:
            flags = INCOMING
            if not (archived and self.wants(recipient, sender.bare)):
                flags |= UNARCHIVED
            owners.append((recipient.id, sender.bare, flags))
        origin = self._origin(stanza, sender, to.bare) if _ORIGIN_ID in stanza.children else None
        self._store.append(
            Append(id, data, owners, envelope.committed, mine.id if mine is not None else 0, origin, _RETRIES)
        )

    def wants(self, account: Account, peer: str) -> bool:
        """Whether the account keeps messages with the bare address ``peer``."""
        for wanted in self._wanted:
            if not wanted(account, peer):
                return False
        return True

    def _origin(self, stanza: Stanza, sender: Sender, recipient: str) -> bytes | None:
        """The key that a retry has in common with the first try."""
        inner = stanza.inner
        if inner.count(b"<origin-id") == 1 and (match := _ORIGIN.search(inner)) and b"&" not in match.group():
            value = match.group(1) or match.group(2) or b""
        else:
            child = stanza.child(_ORIGIN_ID)
            value = (child.get("id") or "" if child is not None else "").encode()
        if not value or len(value) > _LONGEST_ORIGIN:
            return None
        scope = recipient if sender.account is not None else f"{sender.bare}\0{recipient}"
        return hashlib.blake2b(scope.encode() + b"\0" + value, digest_size=16).digest()
