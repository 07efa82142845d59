"""The session request of RFC 3921 §3, which old clients still send. It has no effect."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature, handles_iq
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class SessionEstablishment(Feature):
    """Answers with an empty result."""

    @handles_iq("set", ns.SESSION, "session")
    async def establish(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        return ()
