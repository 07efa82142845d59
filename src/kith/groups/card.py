"""The vCard of a group, whose photo is the group's picture (XEP-0054, XEP-0153, XEP-0486)."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.features.photos import clean_photo
from kith.features.vcard import MAX_BYTES, without_avatar
from kith.groups.config import MEMBERS
from kith.groups.group import Group
from kith.groups.members import Affiliation
from kith.groups.service import GroupService
from kith.ports.pictures import Pictures
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.canonical import parse_children
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

_CARD = ns.tag(ns.VCARD, "vCard")
#: The space of the card among a group's documents.
SPACE = "card"
#: The largest picture, in bytes: a card has room for it in base64.
PICTURE_BYTES = 90 * 1024


class RoomCard(Feature):
    """Answers with the card of a group, and changes it for those who may change the group."""

    service = "groups"

    def __init__(self, store: DocumentStore, groups: GroupService, pictures: Pictures | None) -> None:
        self._store = store
        self._groups = groups
        self._pictures = pictures

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
        _check_may_change(await self._groups.load(to, sender), sender)
        await clean_photo(card, self._pictures, sender.bare, PICTURE_BYTES)
        await self._groups.in_turn(to, lambda group: self._set(group, sender, card), sender)
        return ()

    async def _set(self, group: Group, sender: Sender, card: Element) -> None:
        _check_may_change(group, sender)
        self._groups.rates.take("change", group.jid, sender.bare)
        data = serialize(card, "")
        if len(data) > MAX_BYTES:
            raise StanzaError("resource-constraint", "the card is too big", type="modify")
        _, avatar, _ = without_avatar(card)
        await self._groups.changes.card(
            group, sender.bare, SPACE, data if len(card) or avatar else None, avatar.id if avatar else ""
        )

    async def picture(self, local: str) -> bytes:
        """The picture of a group, given the local part of its address; empty if it has none."""
        group = await self._groups.groups.load(parse_jid(f"{local}@{self._groups.address}").bare)
        if group is None or not group.state.avatar:
            return b""
        document = await self._store.document(group.id, SPACE, "")
        avatar = without_avatar(parse_children(document.value)[0])[1] if document is not None else None
        return avatar.data if avatar is not None else b""


def _check_may_change(group: Group, sender: Sender) -> None:
    """Raises StanzaError if somebody may not change the group."""
    affiliation = group.members.rights(sender.bare)
    may = affiliation >= Affiliation.ADMIN or group.config.change == MEMBERS
    if affiliation < Affiliation.MEMBER or not may:
        raise StanzaError("forbidden", "you may not change this group")
