"""Announcements of the operators (``kith announce``): everybody gets them, at once or when they come online.

An announcement is a message from the server's address with the element ``<announcement/>``, so that clients
can show it as what it is. Each account gets it once. It is stored in the account's log, so all devices see
it. A cancelled one is withdrawn from those who have it (XEP-0424), and others do not get it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

import structlog

from kith.base.clock import Clock
from kith.base.ids import stamp
from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.core.routing.server_messages import ServerMessages, body
from kith.ports.store import Document, Store
from kith.records.announcements import RECEIVED, Announcement, Announcements
from kith.wire import ns
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

ANNOUNCEMENT = ns.tag(ns.ANNOUNCEMENT, "announcement")
#: What clients that know no retractions show (XEP-0424 §3.1).
_WITHDRAWN_TEXT = "The server has withdrawn an announcement."
#: What an account has of an announcement: its id in the log, or one of these.
_UNDER_WAY, _WITHDRAWN = 0, -1
#: How many accounts are served before others may work.
_BATCH = 50
logger = structlog.get_logger("kith")


class Announcing(Feature):
    """Gives accounts the announcements that they have not got yet."""

    in_memory = (RECEIVED,)

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        store: Store,
        tasks: Tasks,
        accounts: Accounts,
        messages: ServerMessages,
    ) -> None:
        self._clock = clock
        self._store = store
        self._tasks = tasks
        self._accounts = accounts
        self._messages = messages
        self.stored = Announcements(store, clock, randomness)
        self._present: list[Announcement] = []

    async def start(self) -> None:
        self._present = await self.stored.all()

    async def accounts_changed(self) -> None:
        """Another process has written, perhaps an announcement."""
        before = self._present
        self._present = await self.stored.all()
        if self._present != before:
            self._tasks.spawn(self._give_all())

    async def announce(self, text: str) -> int:
        """Stores an announcement and gives it to everybody who is online. Returns how many that are.

        Raises ValueError if the text can't be announced.
        """
        await self.stored.add(text)
        await self.accounts_changed()
        return sum(1 for account in self._accounts.all() if account.available())

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        documents = kept[RECEIVED]
        if not documents:
            return
        known = {announcement.id for announcement in self._present}
        account.state[Announcing] = {
            document.key: int(document.value) for document in documents if document.key in known
        }
        for document in documents:
            if document.key not in known:  # it is over
                await self._store.remove(account.id, RECEIVED, document.key)

    def session_available(self, session: Session) -> None:
        if self._present:
            self._give(session.account)

    async def _give_all(self) -> None:
        for count, account in enumerate(list(self._accounts.all())):
            if account.available():
                self._give(account)
            if count % _BATCH == _BATCH - 1:
                await asyncio.sleep(0)

    def _give(self, account: Account) -> None:
        """Gives an account what it has not got, and withdraws what was cancelled."""
        if account.leaving:
            return
        received: dict[str, int] = account.state.setdefault(Announcing, {})
        now = self._clock.now()
        for announcement in self._present:
            has = received.get(announcement.id)
            if has is None and announcement.is_due(now):
                received[announcement.id] = _UNDER_WAY
                self._send(account, announcement, received)
            elif has is not None and has > 0 and announcement.cancelled:
                received[announcement.id] = _WITHDRAWN
                self._tasks.spawn(self._withdraw(account, announcement, has))

    def _send(self, account: Account, announcement: Announcement, received: dict[str, int]) -> None:
        def done(entry: int) -> None:
            if not entry:  # it is tried again when a session becomes available
                received.pop(announcement.id, None)
                return
            received[announcement.id] = entry
            self._store.put_soon(account.id, RECEIVED, announcement.id, str(entry).encode())
            if announcement.id in {one.id for one in self._present if one.cancelled}:
                self._give(account)

        until = stamp(datetime.fromtimestamp(announcement.expires, UTC))
        children = [
            body(announcement.text),
            Element(ANNOUNCEMENT, {"expires": until}),
            _origin(announcement.id),
        ]
        self._messages.send(account, announcement.id, children, once=True, done=done)

    async def _withdraw(self, account: Account, announcement: Announcement, entry: int) -> None:
        """Replaces an announcement in the archive by a tombstone, and tells the devices."""
        id = f"{announcement.id}-cancelled"
        head = {"from": account.address.domain, "to": account.jid, "id": announcement.id}
        gone = Element(
            ns.tag(ns.RETRACT, "retracted"),
            {"id": id, "stamp": stamp(datetime.fromtimestamp(announcement.cancelled, UTC))},
        )
        tombstone = Stanza(ns.tag(ns.CLIENT, "message"), head, serialize(gone), [gone.tag])
        await self._store.rewrite(entry, tombstone.to_bytes())
        children = [
            Element(ns.tag(ns.RETRACT, "retract"), {"id": announcement.id}),
            Element(ns.tag(ns.FALLBACK, "fallback"), {"for": ns.RETRACT}),
            body(_WITHDRAWN_TEXT),
            _origin(id),
        ]

        def done(entry: int) -> None:
            if entry:
                self._store.put_soon(account.id, RECEIVED, announcement.id, str(_WITHDRAWN).encode())

        self._messages.send(account, id, children, once=True, done=done)


def _origin(id: str) -> Element:
    """The sender's id of a message (XEP-0359 §3.2)."""
    return Element(ns.tag(ns.STANZA_ID, "origin-id"), {"id": id})
