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
from kith.features.privacy import PrivacySettings
from kith.features.pubsub import MAX_PAYLOAD, Item, NodeConfig, Pep
from kith.ports.store import Document, DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

SPACE = "vcard"
_HASH_SPACE = "avatar"
MAX_BYTES = 128 * 1024
DATA_NODE = "urn:xmpp:avatar:data"
METADATA_NODE = "urn:xmpp:avatar:metadata"
_DATA, _METADATA, _INFO = (
    ns.tag(DATA_NODE, "data"),
    ns.tag(METADATA_NODE, "metadata"),
    ns.tag(METADATA_NODE, "info"),
)
_VCARD, _PHOTO, _TYPE, _BINVAL, _EXTVAL = (
    ns.tag(ns.VCARD, name) for name in ("vCard", "PHOTO", "TYPE", "BINVAL", "EXTVAL")
)
_UPDATE, _UPDATE_PHOTO = ns.tag(ns.VCARD_UPDATE, "x"), ns.tag(ns.VCARD_UPDATE, "photo")
#: Marks sessions whose presence has the hash from the server, not from the client.
_STAMPED = object()
#: The access model of an avatar from a vCard: everybody may read both.
_OPEN = NodeConfig(access_model="open")


class Avatar(NamedTuple):
    """An avatar. ``id``: the SHA-1 of the image, in hexadecimal digits (XEP-0084 §4.1)."""

    id: str
    type: str
    data: bytes


class VCard(Feature):
    """vCards and avatars. The state of an account: the hash of its avatar, if it has one."""

    in_memory = (_HASH_SPACE,)

    disco = (ns.VCARD,)
    account_disco = ("urn:xmpp:pep-vcard-conversion:0",)

    def __init__(
        self,
        store: DocumentStore,
        accounts: Accounts,
        presence: Presence,
        pep: Pep,
        settings: PrivacySettings,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._presence = presence
        self._settings = settings

        self._inside = pep.inside
        pep.listeners.append(self._nodes_changed)

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        for document in kept[_HASH_SPACE]:
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
        card = ElementTree.fromstring(documents[0].value) if documents else Element(_VCARD)
        if avatar is not None:
            for old in card.findall(_PHOTO):  # the URL of an older picture
                card.remove(old)
            photo = SubElement(card, _PHOTO)
            SubElement(photo, _TYPE).text = avatar.type
            SubElement(photo, _BINVAL).text = b64encode(avatar.data).decode()
        return (card,)

    @handles_iq("set", ns.VCARD, "vCard", to="account")
    async def set(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Stores the vCard of an account (XEP-0054 §3.2)."""
        if not isinstance(sender, Session) or to.bare != sender.account.jid:
            raise StanzaError("forbidden", "only one's own")
        card = iq.child(_VCARD)
        if card is None:
            raise StanzaError("bad-request")
        photo = card.find(_PHOTO)
        avatar = _photo(photo) if photo is not None else None
        elsewhere = avatar is None and photo is not None and bool(photo.findtext(_EXTVAL))
        for old in card.findall(_PHOTO):
            if not elsewhere or old is not photo:
                card.remove(old)
        data = serialize(card, "")
        if len(data) > MAX_BYTES:
            raise StanzaError("resource-constraint", "the card is too big")
        account = sender.account
        await self._store.put(account.id, SPACE, "", data)
        if avatar is not None and avatar.id != account.state.get(VCard):
            await self._publish(account.address, account.id, avatar)
        elif (photo is None or elsewhere) and VCard in account.state:
            await self._remove(account.address, account.id)
        return ()

    # -- the avatar ------------------------------------------------------------------------------

    async def _avatar(self, owner: JID, account: int, asker: str) -> Avatar | None:
        """The avatar, if the asker may see it (XEP-0398 §6)."""
        for item in reversed(list((await self._inside.items(account, METADATA_NODE)).values())):
            info = _best(item)
            if info is None:
                continue
            found = (await self._inside.items(account, DATA_NODE)).get(info.get("id", ""))
            image = found.element if found is not None else None
            if image is None or not await self._inside.readable(owner, account, DATA_NODE, asker):
                continue
            try:
                data = b64decode(image.text or "")
            except binascii.Error:
                continue
            return Avatar(info.get("id", ""), info.get("type", "image/png"), data)
        return None

    async def _publish(self, owner: JID, account: int, avatar: Avatar) -> None:
        """Publishes the data, then the metadata, which notifies everybody (XEP-0398 §3.2)."""
        data = Element(_DATA)
        data.text = b64encode(avatar.data).decode()
        metadata = Element(_METADATA)
        size = str(len(avatar.data))
        SubElement(metadata, _INFO, {"id": avatar.id, "type": avatar.type, "bytes": size})
        for node, payload in ((DATA_NODE, data), (METADATA_NODE, metadata)):
            await self._inside.publish(owner, account, node, [(avatar.id, serialize(payload, " "))], _OPEN)
        await self._changed(owner, account, avatar.id)

    async def _remove(self, owner: JID, account: int) -> None:
        """Removes the avatar by publishing empty metadata (XEP-0084 §4.4)."""
        empty = serialize(Element(_METADATA), " ")
        await self._inside.publish(owner, account, METADATA_NODE, [("current", empty)], _OPEN)
        await self._changed(owner, account, "")

    async def _nodes_changed(self, owner: JID, account: int, node: str) -> None:
        """Updates the hash if a client has changed its avatar."""
        if node != METADATA_NODE:
            return
        items = list((await self._inside.items(account, METADATA_NODE)).values())
        info = _best(items[-1]) if items else None
        await self._changed(owner, account, info.get("id", "") if info is not None else "")

    async def _changed(self, owner: JID, account: int, hash: str) -> None:
        """Broadcasts presence with the new hash."""
        there = await self._accounts.load(owner.bare)
        if there is None or there.state.get(VCard, "") == hash:
            return
        if hash:
            there.state[VCard] = hash
            await self._store.put(account, _HASH_SPACE, "", hash.encode())
        else:
            there.state.pop(VCard, None)
            await self._store.remove(account, _HASH_SPACE)
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
    text = "".join((element.findtext(_BINVAL) or "").split())
    if not text:
        return None
    try:
        data = b64decode(text, validate=True)
    except binascii.Error:
        raise StanzaError("bad-request", "the photo is not base64") from None
    if len(text) > MAX_PAYLOAD - 200:
        raise StanzaError("resource-constraint", "the photo is too big")
    return Avatar(hashlib.sha1(data).hexdigest(), (element.findtext(_TYPE) or "image/png").strip()[:64], data)
