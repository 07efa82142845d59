"""XEP-0054: vcard-temp, with the avatar of XEP-0084 as its photo and in presence (XEP-0153, XEP-0398).

An account has one avatar, which is stored in its PEP nodes. The vCard contains it as its photo, and a photo
in a new vCard is published as the avatar. If a photo is only the URL of a picture (``EXTVAL``), it stays in
the vCard, and the account has no avatar.
"""

from __future__ import annotations

import binascii
import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.presence import Presence
from kith.features.photos import BINVAL, PHOTO, TYPE, clean_photo
from kith.features.privacy import PrivacySettings
from kith.features.pubsub import MAX_PAYLOAD, Item, NodeConfig, Pep
from kith.ports.pictures import Pictures
from kith.ports.store import Document, DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

SPACE = "vcard"
HASH_SPACE = "avatar"
MAX_BYTES = 128 * 1024
DATA_NODE = "urn:xmpp:avatar:data"
METADATA_NODE = "urn:xmpp:avatar:metadata"
_DATA, _METADATA, _INFO = (
    ns.tag(DATA_NODE, "data"),
    ns.tag(METADATA_NODE, "metadata"),
    ns.tag(METADATA_NODE, "info"),
)
_VCARD, _EXTVAL = ns.tag(ns.VCARD, "vCard"), ns.tag(ns.VCARD, "EXTVAL")
_UPDATE, _UPDATE_PHOTO = ns.tag(ns.VCARD_UPDATE, "x"), ns.tag(ns.VCARD_UPDATE, "photo")
#: The largest photo, in bytes: its base64 fits into an item of a node.
PHOTO_BYTES = (MAX_PAYLOAD - 200) // 4 * 3
#: Marks sessions whose presence has the hash from the server, not from the client.
_STAMPED = object()
#: The access model of an avatar from a vCard: everybody may read both.
OPEN = NodeConfig(access_model="open")


class Avatar(NamedTuple):
    """An avatar. ``id``: the SHA-1 of the image, in hexadecimal digits (XEP-0084 §4.1)."""

    id: str
    type: str
    data: bytes


class VCard(Feature):
    """vCards and avatars. The state of an account: the hash of its avatar, if it has one."""

    in_memory = (HASH_SPACE,)

    disco = (ns.VCARD,)
    account_disco = ("urn:xmpp:pep-vcard-conversion:0",)

    def __init__(
        self,
        store: DocumentStore,
        accounts: Accounts,
        presence: Presence,
        pep: Pep,
        settings: PrivacySettings,
        pictures: Pictures | None,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._presence = presence
        self._settings = settings
        self._pictures = pictures

        self._inside = pep.inside
        pep.listeners.append(self._nodes_changed)

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        for document in kept[HASH_SPACE]:
            account.state[VCard] = document.value.decode()

    # -- the card --------------------------------------------------------------------------------

    @handles_iq("get", ns.VCARD, "vCard", to="account", hidden_error="item-not-found")
    async def get(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Answers with a vCard. Anybody may request it (XEP-0054 §3.1, §3.3)."""
        owner = await self._accounts.load(to.bare)
        if owner is None:
            raise StanzaError("service-unavailable")
        account = owner.id
        documents = await self._store.documents(account, SPACE)
        settings = self._settings
        if not await settings.may_see(settings.of(owner).about, to, sender.bare):
            documents = []
        avatar = await self._avatar(to, account, sender.bare)
        if not documents and avatar is None:
            if sender.bare == to.bare:
                return (Element(_VCARD),)
            raise StanzaError("service-unavailable")  # XEP-0054 §3.3: as if the account did not exist
        return (with_avatar(documents[0].value if documents else None, avatar),)

    @handles_iq("set", ns.VCARD, "vCard", to="account")
    async def set(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Stores the vCard of an account (XEP-0054 §3.2)."""
        if not isinstance(sender, Session) or to.bare != sender.account.jid:
            raise StanzaError("forbidden", "only one's own")
        card = iq.child(_VCARD)
        if card is None:
            raise StanzaError("bad-request")
        had_photo = card.find(PHOTO) is not None
        await clean_photo(card, self._pictures, to.bare, PHOTO_BYTES)
        data, avatar, elsewhere = without_avatar(card)
        account = sender.account
        await self._store.put(account.id, SPACE, "", data)
        if avatar is not None and avatar.id != account.state.get(VCard):
            await self._publish(account.address, account.id, avatar)
        elif (not had_photo or elsewhere) and VCard in account.state:
            await self._remove(account.address, account.id)
        return ()

    # -- the avatar ------------------------------------------------------------------------------

    async def public_avatar(self, owner: JID) -> Avatar | None:
        """The avatar of an account, if everybody may see it."""
        account = await self._accounts.id_of(owner)
        return await self._avatar(owner, account, "") if account is not None else None

    async def _avatar(self, owner: JID, account: int, asker: str) -> Avatar | None:
        """The avatar, if the asker may see it (XEP-0398 §6)."""
        metadata = await self._inside.items(account, METADATA_NODE)
        if not metadata or not await self._inside.readable(owner, account, DATA_NODE, asker):
            return None
        return find_avatar(metadata, await self._inside.items(account, DATA_NODE))

    async def _publish(self, owner: JID, account: int, avatar: Avatar) -> None:
        """Publishes the data, then the metadata, which notifies everybody (XEP-0398 §3.2)."""
        for node, payload in avatar_payloads(avatar):
            await self._inside.publish(owner, account, node, [(avatar.id, payload)], OPEN)
        await self._changed(owner, account, avatar.id)

    async def _remove(self, owner: JID, account: int) -> None:
        """Removes the avatar by publishing empty metadata (XEP-0084 §4.4)."""
        empty = serialize(Element(_METADATA), " ")
        await self._inside.publish(owner, account, METADATA_NODE, [("current", empty)], OPEN)
        await self._changed(owner, account, "")

    async def _nodes_changed(self, owner: JID, account: int, node: str) -> None:
        """Updates the hash if a client has changed its avatar."""
        if node != METADATA_NODE:
            return
        await self._changed(owner, account, avatar_hash(await self._inside.items(account, METADATA_NODE)))

    async def _changed(self, owner: JID, account: int, hash: str) -> None:
        """Broadcasts presence with the new hash."""
        there = await self._accounts.load(owner.bare)
        if there is None or there.state.get(VCard, "") == hash:
            return
        if hash:
            there.state[VCard] = hash
            await self._store.put(account, HASH_SPACE, "", hash.encode())
        else:
            there.state.pop(VCard, None)
            await self._store.remove(account, HASH_SPACE)
        for session in list(there.sessions.values()):
            if session.presence is not None and self._stamp(session, session.presence, hash):
                self._presence.rebroadcast(session)

    def session_saved(self, session: Session) -> object:
        return True if VCard in session.state else None

    def session_restored(self, session: Session, saved: Any) -> None:
        session.state[VCard] = _STAMPED

    # -- presence --------------------------------------------------------------------------------

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        """Adds the hash to all available presence (XEP-0398 §4)."""
        if stanza.kind == "presence" and not stanza.type:
            hash: str | None = session.account.state.get(VCard)
            if hash is not None:
                session.state.pop(VCard, None)
                self._stamp(session, stanza, hash)

    def _stamp(self, session: Session, stanza: Stanza, hash: str) -> bool:
        """Adds the hash. Returns False if the client does not want it (an empty ``<photo/>``)."""
        old = stanza.child(_UPDATE)
        if old is not None:
            photo = old.find(_UPDATE_PHOTO)
            if photo is not None and not photo.text and session.state.get(VCard) is not _STAMPED:
                return False
        tree = stanza.element
        for element in tree.findall(_UPDATE):
            tree.remove(element)
        SubElement(SubElement(tree, _UPDATE), _UPDATE_PHOTO).text = hash
        stanza.replace_children(tree)
        session.state[VCard] = _STAMPED
        return True


def without_avatar(card: Element) -> tuple[bytes, Avatar | None, bool]:
    """A card as it is stored, the avatar that its photo is, and whether the photo is only a URL.

    Changes the card. Raises StanzaError.
    """
    photo = card.find(PHOTO)
    avatar = _photo(photo) if photo is not None else None
    elsewhere = avatar is None and photo is not None and bool(photo.findtext(_EXTVAL))
    for old in card.findall(PHOTO):
        if not elsewhere or old is not photo:
            card.remove(old)
    data = serialize(card, "")
    if len(data) > MAX_BYTES:
        raise StanzaError("resource-constraint", "the card is too big")
    return data, avatar, elsewhere


def with_avatar(stored: bytes | None, avatar: Avatar | None) -> Element:
    """A stored card, or an empty one, with the avatar as its photo."""
    card = ElementTree.fromstring(stored) if stored is not None else Element(_VCARD)
    if avatar is not None:
        for old in card.findall(PHOTO):  # the URL of an older picture
            card.remove(old)
        photo = SubElement(card, PHOTO)
        SubElement(photo, TYPE).text = avatar.type
        SubElement(photo, BINVAL).text = b64encode(avatar.data).decode()
    return card


def avatar_payloads(avatar: Avatar) -> Sequence[tuple[str, bytes]]:
    """The payloads to publish for an avatar, by node: first the data, then the metadata."""
    data = Element(_DATA)
    data.text = b64encode(avatar.data).decode()
    metadata = Element(_METADATA)
    size = str(len(avatar.data))
    SubElement(metadata, _INFO, {"id": avatar.id, "type": avatar.type, "bytes": size})
    return (DATA_NODE, serialize(data, " ")), (METADATA_NODE, serialize(metadata, " "))


def avatar_hash(metadata: Mapping[str, Item]) -> str:
    """The hash that presence has, given the items of the metadata node; empty if there is no avatar."""
    items = list(metadata.values())
    info = _best(items[-1]) if items else None
    return info.get("id", "") if info is not None else ""


def find_avatar(metadata: Mapping[str, Item], data: Mapping[str, Item]) -> Avatar | None:
    """The newest avatar whose image is there, given the items of both nodes."""
    for item in reversed(list(metadata.values())):
        info = _best(item)
        found = data.get(info.get("id", "")) if info is not None else None
        image = found.element if found is not None else None
        if info is None or image is None:
            continue
        try:
            content = b64decode(image.text or "")
        except binascii.Error:
            continue
        return Avatar(info.get("id", ""), info.get("type", "image/png"), content)
    return None


def _best(item: Item) -> Element | None:
    """The format of an avatar that is in the data node; PNG is preferred."""
    metadata = item.element
    found = metadata.findall(_INFO) if metadata is not None else ()
    infos = [info for info in found if info.get("id") and not info.get("url")]
    infos.sort(key=lambda info: info.get("type") != "image/png")
    return infos[0] if infos else None


def _photo(element: Element) -> Avatar | None:
    """The photo of a vCard; None if it has no photo that can be an avatar.

    Raises StanzaError if the photo is invalid.
    """
    text = "".join((element.findtext(BINVAL) or "").split())
    if not text:
        return None
    try:
        data = b64decode(text, validate=True)
    except binascii.Error:
        raise StanzaError("bad-request", "the photo is not base64") from None
    if len(text) > MAX_PAYLOAD - 200:
        raise StanzaError("resource-constraint", "the photo is too big")
    return Avatar(hashlib.sha1(data).hexdigest(), (element.findtext(TYPE) or "image/png").strip()[:64], data)
