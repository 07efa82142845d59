"""Puts entries into status logs: one message for all of them, keys for each, and a time at which it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kith.base.ids import Ids, to_text
from kith.core.log.own import with_own
from kith.ports.store import Append, LogStore, Retries, Shared, Write
from kith.status.audience import Audience
from kith.status.inboxes import Inboxes
from kith.wire import ns
from kith.wire.serialize import escape_attribute

_START, _END = b"<message", b"</message>"
#: A message with the same origin is a retry, whatever is in it: it may have been encrypted again.
_RETRIES = Retries(lambda stored, new: True, lambda origin, stanza: origin)


class Entry(NamedTuple):
    """An entry to be added.

    ``id``: of the log; ``source``: that of the author. ``author``: the bare address of who it is from.
    ``data``: the message, without an address. ``audience``: the status logs that get it; ``own``: what one
    of them gets alone (`kith.core.log.own`). ``until``: seconds since 1970. ``origin``: by which a retry is
    recognized.
    """

    id: int
    source: int
    author: str
    data: bytes
    audience: Sequence[int]
    own: Mapping[int, bytes]
    until: int
    origin: str
    documents: Sequence[Write] = ()
    rewrites: Sequence[tuple[int, bytes]] = ()


class Fanout:
    """Stores entries, and sends them to sessions that listen."""

    def __init__(self, store: LogStore, ids: Ids, inboxes: Inboxes, audience: Audience, address: str) -> None:
        self._store = store
        self._ids = ids
        self._inboxes = inboxes
        self._audience = audience
        self._address = address

    def next_id(self, slot: int) -> int:
        """The id of an entry. It has to be added at once, so that ids are in the order of commits."""
        return self._ids.next(slot)

    async def add(self, entry: Entry) -> bool:
        """Adds an entry. Returns whether it is new, after the commit. Raises Unavailable."""
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        def committed(existing: int | None, error: BaseException | None) -> None:
            if error is None and existing is None:
                self._deliver(entry)
            if not done.done():
                if error is not None:
                    done.set_exception(error)
                else:
                    done.set_result(existing is None)

        self._store.append(
            Append(
                entry.id,
                entry.data,
                [(entry.source, entry.author, 0)],
                committed,
                entry.author,
                self._address,
                entry.origin.encode(),
                _RETRIES,
                Shared(entry.source, entry.audience, entry.own, entry.until),
                entry.documents,
                entry.rewrites,
            )
        )
        return await done

    async def has(self, author: str, source: int, origin: str) -> bool:
        """Whether there is an entry with this origin."""
        owners = [(source, author, 0)]
        entry = Append(0, b"", owners, _nobody, author, self._address, origin.encode(), _RETRIES)
        return await self._store.stored(entry) is not None

    def _deliver(self, entry: Entry) -> None:
        for log in entry.audience:
            for session in self._inboxes.listeners(log):
                if not self._audience.may_get_now(session.account, entry.author):
                    continue
                data = with_own(entry.data, entry.own.get(log, b""))
                name = escape_attribute(session.bare).encode()
                stanza_id = b"<stanza-id xmlns='%b' id='%b' by='%b'/>" % (
                    *(ns.STANZA_ID.encode(), to_text(entry.id).encode(), name),
                )
                start = b"<message to='%b'" % name
                # not under its id: what the account missed, which is sent first, has nothing of this log
                session.push(start + data[len(_START) : -len(_END)] + stanza_id + _END)


def _nobody(existing: int | None, error: BaseException | None) -> None:
    """Nothing is appended, so nobody is told."""
