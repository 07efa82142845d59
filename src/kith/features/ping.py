"""XEP-0199: XMPP Ping. The server answers pings to itself and to accounts."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.inquiries import Inquiries
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Ping(Feature):
    """Answers with an empty result. For accounts, only to those who may know that they exist."""

    disco = (ns.PING,)

    def __init__(self, inquiries: Inquiries) -> None:
        self._inquiries = inquiries

    @handles_iq("get", ns.PING, "ping")
    async def ping(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        if to.local and not await self._inquiries.knows(sender.bare, to):
            raise StanzaError("service-unavailable")
        if isinstance(sender, Session) and sender.sink is not None:
            sender.sink.note_sign_of_life()
        return ()
