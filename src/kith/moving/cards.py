"""vCards, with the avatar as their photo (XEP-0054, XEP-0398; XEP-0227 §4.7)."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from kith.features import vcard
from kith.features.photos import PHOTO, clean_photo
from kith.features.pubsub import Item
from kith.features.pubsub import Nodes as Stored
from kith.features.vcard4 import NODE
from kith.moving.arrival import Arrival, Context
from kith.moving.names import CARD_TAG
from kith.moving.nodes import Nodes
from kith.moving.reading import Part
from kith.moving.vcard4 import older_card
from kith.ports.store import DocumentStore
from kith.wire.errors import StanzaError


class Cards:
    """Imports the card of one account. Its photo becomes the avatar, unless there is one in the nodes."""

    def __init__(self, context: Context, arrival: Arrival, nodes: Nodes) -> None:
        self._context = context
        self._arrival = arrival
        self._nodes = nodes
        self._card: Element | None = None

    async def take(self, part: Part) -> bool:
        """Takes a card. Returns False if the part is something else."""
        if part.within or part.tag != CARD_TAG:
            return False
        if part.element is None or self._card is not None:
            self._leave("too large, or the second one", "")
        else:
            self._card = part.element
        return True

    async def close(self) -> None:
        """Stores the card, and the avatar's hash for presence."""
        writes, account = self._context.writes, self._arrival.id
        nodes = await self._nodes.load()
        if self._card is None:
            newer = [item.element for item in (await _items(nodes, NODE)).values()]
            self._card = older_card(newer[-1]) if newer and newer[-1] is not None else None
        avatar = await self._store(self._card) if self._card is not None else None
        metadata = await _items(nodes, vcard.METADATA_NODE)
        if avatar is not None and not metadata:
            for node, payload in vcard.avatar_payloads(avatar):
                await self._nodes.put(node, avatar.id, payload, vcard.OPEN)
            metadata = await _items(nodes, vcard.METADATA_NODE)
        if hash := vcard.avatar_hash(metadata):
            await writes.put(account, vcard.HASH_SPACE, "", hash.encode())

    async def _store(self, card: Element) -> vcard.Avatar | None:
        writes, account = self._context.writes, self._arrival.id
        if not self._arrival.is_new and await writes.document(account, vcard.SPACE, "") is not None:
            self._context.report.found("cards")
            return None
        try:
            await clean_photo(card, self._context.pictures, self._arrival.jid, vcard.PHOTO_BYTES)
            data, avatar, _ = vcard.without_avatar(card)
        except StanzaError as error:
            if (photo := card.find(PHOTO)) is None:
                self._leave(error.text or error.condition, "")
                return None
            self._context.report.note(f"a photo was left out: {error.text}", self._arrival.jid)
            card.remove(photo)
            return await self._store(card)
        await writes.put(account, vcard.SPACE, "", data)
        self._context.report.take("cards")
        return avatar

    def _leave(self, reason: str, example: str) -> None:
        self._context.report.leave("cards", reason, f"{self._arrival.jid} {example}".strip())


async def _items(nodes: Stored, name: str) -> Mapping[str, Item]:
    node = nodes.nodes.get(name)
    return await nodes.items(node) if node is not None else {}


async def write(store: DocumentStore, account: int, nodes: Stored) -> Element | None:
    """The card with the avatar as its photo; None if there is neither."""
    document = await store.document(account, vcard.SPACE, "")
    avatar = vcard.find_avatar(await _items(nodes, vcard.METADATA_NODE), await _items(nodes, vcard.DATA_NODE))
    if document is None and avatar is None:
        return None
    return vcard.with_avatar(document.value if document is not None else None, avatar)
