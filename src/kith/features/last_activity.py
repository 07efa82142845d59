"""XEP-0012: Last Activity. How long the server is running, and how long ago a contact went offline."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.features.privacy import PrivacySettings
from kith.ports.store import DocumentStore, Unavailable
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

SPACE = "last"


class LastActivity(Feature):
    """Tells those who may see an account's presence when it was last online; others get ``forbidden``
    (XEP-0012 §8).

    The account's privacy settings may restrict this further. The time is stored when the last available
    session ends; those that end in the same turn of the loop share a commit.
    """

    disco = (ns.LAST,)

    def __init__(
        self, clock: Clock, tasks: Tasks, store: DocumentStore, accounts: Accounts, settings: PrivacySettings
    ) -> None:
        self._clock = clock
        self._tasks = tasks
        self._store = store
        self._accounts = accounts
        self._settings = settings
        self._started = self._clock.now()
        self._left: dict[int, float] = {}

    async def stop(self) -> None:
        await self._write()

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        if stanza.type == "unavailable" and not session.account.available():
            if not self._left:
                self._tasks.spawn(self._write())
            self._left[session.account.id] = self._gone(session)

    def _gone(self, session: Session) -> float:
        """When a session went offline; if it had lost its connection, the time of the loss."""
        away = self._clock.steady() - session.lost_at if session.appears_offline else 0.0
        return self._clock.now() - away

    async def _write(self) -> None:
        left, self._left = self._left, {}
        for account, moment in left.items():
            with contextlib.suppress(Unavailable):  # another node may own the account now; the others go on
                await self._store.put(account, SPACE, "", str(int(moment)).encode())

    @handles_iq("get", ns.LAST, "query")
    async def last(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        if not to.local:
            return (self._answer(self._started),)
        account = await self._accounts.load(to.bare)
        if account is None:
            raise StanzaError("service-unavailable")
        settings = self._settings
        if not await settings.may_see(settings.of(account).last_seen, to, sender.bare):
            raise StanzaError("forbidden")
        moment = await self.seen(account)
        if moment is None:
            raise StanzaError("item-not-found", "never seen")
        return (self._answer(moment),)

    async def seen(self, account: Account) -> float | None:
        """When the account was last online (now if it is), as seconds since 1970. None if it never was."""
        if account.present():
            return self._clock.now()
        if sessions := account.available():
            return max(self._gone(session) for session in sessions)
        moment = self._left.get(account.id)
        if moment is None:
            documents = await self._store.documents(account.id, SPACE)
            moment = float(documents[0].value) if documents else None
        return moment

    def _answer(self, moment: float) -> Element:
        return Element(ns.tag(ns.LAST, "query"), {"seconds": str(max(0, int(self._clock.now() - moment)))})
