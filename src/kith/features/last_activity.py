"""XEP-0012: Last Activity. How long the server runs, and how long ago a contact went offline."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.base import clock
from kith.core.actors.account import Account, Session
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import NodeFeature, handles_iq
from kith.core.node import Node
from kith.features.privacy import PrivacySettings
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

SPACE = "last"


class LastActivity(NodeFeature):
    """Who may see an account's presence may ask since when it is gone; others get ``forbidden`` (§8).

    The account's privacy settings may say otherwise.

    The moment is written when the last available session goes; those of one turn share a commit.
    """

    disco = (ns.LAST,)

    def __init__(self, domain: Node) -> None:
        super().__init__(domain)
        self._started = clock.now()
        self._left: dict[int, float] = {}

    async def stop(self) -> None:
        await self._write()

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        if stanza.type == "unavailable" and not session.account.available():
            if not self._left:
                self.domain.tasks.spawn(self._write())
            self._left[session.account.id] = self._gone(session)

    def _gone(self, session: Session) -> float:
        """When a session went: if it had lost its connection before, then."""
        away = self.domain.tasks.now() - session.lost_at if session.absent else 0.0
        return clock.now() - away

    async def _write(self) -> None:
        left, self._left = self._left, {}
        for account, moment in left.items():
            await self.domain.store.put(account, SPACE, "", str(int(moment)).encode())

    @handles_iq("get", ns.LAST, "query")
    async def last(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        if not to.local:
            return (_answer(self._started),)
        account = await self.domain.accounts.load(to.bare)
        if account is None:
            raise StanzaError("service-unavailable")
        settings = self.domain.feature(PrivacySettings)
        if not await settings.may_see(settings.of(to.bare).last_seen, to, sender.bare):
            raise StanzaError("forbidden")
        moment = await self.seen(account)
        if moment is None:
            raise StanzaError("item-not-found", "never seen")
        return (_answer(moment),)

    async def seen(self, account: Account) -> float | None:
        """When the account was last there, in seconds since 1970: now, if it is; None, if it never was."""
        if account.present():
            return clock.now()
        if absent := account.available():
            return max(self._gone(session) for session in absent)
        moment = self._left.get(account.id)
        if moment is None:
            documents = await self.domain.store.documents(account.id, SPACE)
            moment = float(documents[0].value) if documents else None
        return moment


def _answer(moment: float) -> Element:
    return Element(ns.tag(ns.LAST, "query"), {"seconds": str(max(0, int(clock.now() - moment)))})
