"""XEP-0199: XMPP Ping. The server answers for itself, and for accounts to those who may know of them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import NodeFeature, handles_iq
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Ping(NodeFeature):
    """An empty result says that one is there."""

    disco = (ns.PING,)

    @handles_iq("get", ns.PING, "ping")
    async def ping(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        if to.local and not await self.domain.inquiries.knows(sender.bare, to):
            raise StanzaError("service-unavailable")
        if isinstance(sender, Session) and sender.sink is not None:
            sender.sink.note_sign_of_life()
        return ()
