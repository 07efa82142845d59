"""The vCard of a group, whose photo is the group's picture (XEP-0054, XEP-0153, XEP-0486)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.features.vcard import MAX_BYTES, without_avatar
from kith.groups.config import MEMBERS
from kith.groups.group import Group
from kith.groups.members import Affiliation
from kith.groups.service import GroupService
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.canonical import parse_children
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_CARD = ns.tag(ns.VCARD, "vCard")
#: The space of the card among a group's documents.
SPACE = "card"


class RoomCard(Feature):
    """Answers with the card of a group, and changes it for those who may change the group."""

    service = "groups"

    def __init__(self, store: DocumentStore, groups: GroupService) -> None:
        self._store = store
        self._groups = groups

    @handles_iq("get", ns.VCARD, "vCard", to="place")
    async def get(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        group = await self._groups.load(to, sender)
        document = await self._store.document(group.id, SPACE, "")
        return (parse_children(document.value)[0] if document is not None else Element(_CARD),)

    @handles_iq("set", ns.VCARD, "vCard", to="place")
    async def set(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Replaces the card. An empty one removes the picture."""
        card = iq.child(_CARD)
        assert card is not None
        await self._groups.in_turn(to, lambda group: self._set(group, sender, card), sender)
        return ()

    async def _set(self, group: Group, sender: Sender, card: Element) -> None:
        affiliation = group.members.rights(sender.bare)
        may = affiliation >= Affiliation.ADMIN or group.config.change == MEMBERS
        if affiliation < Affiliation.MEMBER or not may:
            raise StanzaError("forbidden", "you may not change this group")
        self._groups.rates.take("change", group.jid, sender.bare)
        data = serialize(card, "")
        if len(data) > MAX_BYTES:
            raise StanzaError("resource-constraint", "the card is too big", type="modify")
        _, avatar, _ = without_avatar(card)
        await self._groups.changes.card(
            group, sender.bare, SPACE, data if len(card) or avatar else None, avatar.id if avatar else ""
        )
