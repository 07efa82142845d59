"""XEP-0292: vCard4 over XMPP. The vCard is an item in a PEP node; this feature gives access by iq."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.features.pubsub import MAX_PAYLOAD, NodeConfig, Pep
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

NODE = "urn:xmpp:vcard4"
_CARD = ns.tag(ns.VCARD4, "vcard")
_ID = "current"
#: Everybody who may request a vCard may request all of it (XEP-0292 §4).
_OPEN = NodeConfig(access_model="open")


class VCard4(Feature):
    """Answers with the vCard to those who may read the node. For others there is none."""

    disco = (ns.VCARD4,)

    def __init__(self, accounts: Accounts, pep: Pep) -> None:
        self._accounts = accounts
        self._inside = pep.inside

    @handles_iq("get", ns.VCARD4, "vcard", to="account", hidden_error="item-not-found")
    async def get(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Answers with a vCard (XEP-0292 §4.1, §4.3)."""
        account = await self._accounts.id_of(to)
        if account is None:
            raise StanzaError("service-unavailable")
        items = await self._inside.items(account, NODE)
        if not items or not await self._inside.readable(to.to_bare(), account, NODE, sender.bare):
            if sender.bare == to.bare:
                return (Element(_CARD),)
            raise StanzaError("service-unavailable")  # as if the account did not exist
        card = items[list(items)[-1]].element
        return (card if card is not None else Element(_CARD),)

    @handles_iq("set", ns.VCARD4, "vcard", to="account")
    async def set(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Publishes the vCard to the node, which sends the usual events (XEP-0292 §4.2)."""
        if not isinstance(sender, Session) or to.bare != sender.account.jid:
            raise StanzaError("forbidden", "only one's own")
        card = iq.child(_CARD)
        if card is None:
            raise StanzaError("bad-request")
        card.tail = None
        data = serialize(card, " ")
        if len(data) > MAX_PAYLOAD:
            raise StanzaError("resource-constraint", "the card is too big")
        await self._inside.publish(sender.account.address, sender.account.id, NODE, [(_ID, data)], _OPEN)
        return ()
