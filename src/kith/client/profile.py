"""What people show of themselves: name, about, avatar, by the nodes that other clients look at as well.

The name is a nickname (XEP-0172) and, with the about, in the vCard4 (XEP-0292); the avatar is XEP-0084's.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from slixmpp import JID
from slixmpp.exceptions import IqError

from kith.client.stream import Stream

NICK = "http://jabber.org/protocol/nick"
VCARD = "urn:ietf:params:xml:ns:vcard-4.0"
VCARD_NODE = "urn:xmpp:vcard4"
AVATAR_DATA = "urn:xmpp:avatar:data"
AVATAR_METADATA = "urn:xmpp:avatar:metadata"
_TIMEOUT = 30
_KINDS = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))
#: The largest avatar, in bytes.
MAX_AVATAR = 256 * 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """Empty where somebody says nothing, or not to us. ``avatar``: an image file's bytes."""

    name: str = ""
    about: str = ""
    avatar: bytes = b""


async def read(stream: Stream, jid: str) -> Profile:
    """Somebody's, or one's own."""
    nick = await _item(stream, jid, NICK)
    card = await _item(stream, jid, VCARD_NODE)
    name = (nick.text or "") if nick is not None else ""
    if card is not None:
        name = name or card.findtext(f"{{{VCARD}}}fn/{{{VCARD}}}text") or ""
        about = card.findtext(f"{{{VCARD}}}note/{{{VCARD}}}text") or ""
    else:
        about = ""
    return Profile(name.strip(), about.strip(), await _avatar(stream, jid))


async def nickname(stream: Stream, jid: str) -> str:
    """Only the name, by which somebody wants to be called."""
    nick = await _item(stream, jid, NICK)
    return (nick.text or "").strip() if nick is not None else ""


async def write(stream: Stream, profile: Profile) -> None:
    """One's own. Raises ValueError if the avatar is no image that clients show, or too large."""
    kind = image_type(profile.avatar) if profile.avatar else ""
    nick = Element(f"{{{NICK}}}nick")
    nick.text = profile.name
    card = Element(f"{{{VCARD}}}vcard")
    for field, text in (("fn", profile.name), ("note", profile.about)):
        SubElement(SubElement(card, f"{{{VCARD}}}{field}"), f"{{{VCARD}}}text").text = text
    await _publish(stream, NICK, "current", nick)
    await _publish(stream, VCARD_NODE, "current", card)
    metadata = Element(f"{{{AVATAR_METADATA}}}metadata")
    id = "current"
    if profile.avatar:
        id = hashlib.sha1(profile.avatar).hexdigest()
        data = Element(f"{{{AVATAR_DATA}}}data")
        data.text = b64encode(profile.avatar).decode()
        await _publish(stream, AVATAR_DATA, id, data)
        size = str(len(profile.avatar))
        SubElement(metadata, f"{{{AVATAR_METADATA}}}info", {"id": id, "type": kind, "bytes": size})
    await _publish(stream, AVATAR_METADATA, id, metadata)


def image_type(data: bytes) -> str:
    """The media type of an avatar. Raises ValueError."""
    if len(data) > MAX_AVATAR:
        raise ValueError(f"The picture has more than {MAX_AVATAR // 1024} KiB.")
    for start, kind in _KINDS:
        if data.startswith(start):
            return kind
    raise ValueError("The picture is not PNG, JPEG or WebP.")


async def _publish(stream: Stream, node: str, id: str, payload: Element) -> None:
    pubsub: Any = stream.plugin["xep_0060"]
    await pubsub.publish(JID(stream.boundjid.bare), node, id=id, payload=payload, timeout=_TIMEOUT)


async def _item(stream: Stream, jid: str, node: str, id: str | None = None) -> Element | None:
    """The payload of an item, or of the last; None if there is none for us."""
    pubsub: Any = stream.plugin["xep_0060"]
    try:
        if id is not None:
            answer = await pubsub.get_item(JID(jid), node, id, timeout=_TIMEOUT)
        else:
            answer = await pubsub.get_items(JID(jid), node, max_items=1, timeout=_TIMEOUT)
    except IqError:
        return None
    found: list[Any] = list(answer["pubsub"]["items"])
    payload: Element | None = found[-1]["payload"] if found else None
    return payload


async def _avatar(stream: Stream, jid: str) -> bytes:
    metadata = await _item(stream, jid, AVATAR_METADATA)
    info = metadata.find(f"{{{AVATAR_METADATA}}}info") if metadata is not None else None
    id = info.get("id") if info is not None else None
    data = await _item(stream, jid, AVATAR_DATA, id) if id else None
    try:
        image = b64decode("".join((data.text or "").split()), validate=True) if data is not None else b""
    except ValueError:
        return b""
    return image if hashlib.sha1(image).hexdigest() == id else b""
