"""XEP-0283: Moved. What an address says whose account has another one now."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.core.hooks.feature import NodeFeature
from kith.core.node import Node
from kith.features.pep import Pep
from kith.features.pubsub_config import NodeConfig
from kith.records.moves import Moves
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_CONFIG = NodeConfig(access_model="open")


class Moved(NodeFeature):
    """The statement is a personal node; messages and subscriptions come back with the new address."""

    def __init__(self, domain: Node) -> None:
        super().__init__(domain)
        self._moved: dict[str, str] = {}

    async def start(self) -> None:
        self._moved = {old: move.new for old, move in (await Moves(self.domain.store).all()).items()}

    async def account_moved(self, old: JID, id: int, new: JID) -> None:
        self._moved[old.bare] = new.bare
        moved = Element(ns.tag(ns.MOVED, "moved"))
        SubElement(moved, ns.tag(ns.MOVED, "new-jid")).text = new.bare
        inside = self.domain.feature(Pep).inside
        await inside.publish(old, id, ns.MOVED, [("current", serialize(moved))], _CONFIG)

    async def address_freed(self, address: JID) -> None:
        self._moved.pop(address.bare, None)

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """RFC 6120 §8.3.3.5: the condition says where the account is."""
        new = self._moved.get(to.bare) if self._moved else None
        if new is None or stanza.kind == "iq" or stanza.type == "error":
            return True
        raise StanzaError("gone", address=f"xmpp:{new}")
