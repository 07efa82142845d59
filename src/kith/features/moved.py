"""XEP-0283: Moved. The earlier address of an account refers to the new one."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.core.actors.account import Account
from kith.core.hooks.feature import Feature
from kith.features.pubsub import NodeConfig, Pep
from kith.ports.store import DocumentStore
from kith.records.moves import Moves
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_CONFIG = NodeConfig(access_model="open")


class Moved(Feature):
    """Answers messages and subscription requests with the new address, which the account has published
    with PEP.
    """

    def __init__(self, store: DocumentStore, pep: Pep) -> None:
        self._store = store
        self._inside = pep.inside
        self._moved: dict[str, str] = {}

    async def start(self) -> None:
        self._moved = {old: move.new for old, move in (await Moves(self._store).all()).items()}

    async def account_moved(self, account: Account, left: Account) -> None:
        self._moved[left.jid] = account.jid
        moved = Element(ns.tag(ns.MOVED, "moved"))
        SubElement(moved, ns.tag(ns.MOVED, "new-jid")).text = account.jid
        await self._inside.publish(left.address, left.id, ns.MOVED, [("current", serialize(moved))], _CONFIG)

    async def address_freed(self, address: JID) -> None:
        self._moved.pop(address.bare, None)

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Refuses stanzas with ``gone``, which contains the new address (RFC 6120 §8.3.3.5)."""
        new = self._moved.get(to.bare) if self._moved else None
        if new is None or stanza.kind == "iq" or stanza.type == "error":
            return True
        raise StanzaError("gone", address=f"xmpp:{new}")
