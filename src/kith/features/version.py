"""XEP-0092: Software Version. The operating system is not disclosed."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith import __version__
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Version(Feature):
    """Answers with the name and version of Kith."""

    server_disco = (ns.VERSION,)

    @handles_iq("get", ns.VERSION, "query", to="server")
    async def version(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        answer = Element(ns.tag(ns.VERSION, "query"))
        SubElement(answer, ns.tag(ns.VERSION, "name")).text = "Kith"
        SubElement(answer, ns.tag(ns.VERSION, "version")).text = __version__
        return (answer,)
