"""Reads and publishes profiles: name, about text and avatar, in the nodes that other clients read as well.

The name is published as a nickname (XEP-0172) and, with the about text, as a vCard4 (XEP-0292). The avatar
is that of XEP-0084.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement

from kith.client.errors import InvalidProfile

if TYPE_CHECKING:  # it takes long to import
    from kith.client.stream import Stream

NICK = "http://jabber.org/protocol/nick"
VCARD = "urn:ietf:params:xml:ns:vcard-4.0"
VCARD_NODE = "urn:xmpp:vcard4"
AVATAR_DATA = "urn:xmpp:avatar:data"
AVATAR_METADATA = "urn:xmpp:avatar:metadata"
_KINDS = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"RIFF", "image/webp"))
#: The largest avatar, in bytes.
MAX_AVATAR = 256 * 1024


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile. A field is empty if the person does not publish it, or not to us.

    ``avatar``: the bytes of a PNG, JPEG or WebP file.
    """

    name: str = ""
    about: str = ""
    avatar: bytes = b""


async def read(stream: Stream, jid: str) -> Profile:
    """The profile of an account. Raises IqTimeout."""
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
    """Only the nickname of an account; empty if there is none. Raises IqTimeout."""
    nick = await _item(stream, jid, NICK)
    return (nick.text or "").strip() if nick is not None else ""


async def write(stream: Stream, profile: Profile) -> None:
    """Publishes our own profile. Raises InvalidProfile if the avatar is too large, or of another kind.

    Raises IqError, IqTimeout if the server does not store it.
    """
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
    """The media type of an avatar, by its first bytes.

    Raises InvalidProfile if it is not supported or too large.
    """
    if len(data) > MAX_AVATAR:
        raise InvalidProfile(f"The picture has more than {MAX_AVATAR // 1024} KiB.")
    for start, kind in _KINDS:
        if data.startswith(start):
            return kind
    raise InvalidProfile("The picture is not PNG, JPEG or WebP.")


async def _publish(stream: Stream, node: str, id: str, payload: Element) -> None:
    pubsub: Any = stream.plugin["xep_0060"]
    await pubsub.publish(stream.boundjid.bare, node, id=id, payload=payload, timeout=stream.timeout)


async def _item(stream: Stream, jid: str, node: str, id: str | None = None) -> Element | None:
    """The payload of an item of a node, or of its last item. None if there is none that we may see."""
    from slixmpp.exceptions import IqError

    pubsub: Any = stream.plugin["xep_0060"]
    try:
        if id is not None:
            answer = await pubsub.get_item(jid, node, id, timeout=stream.timeout)
        else:
            answer = await pubsub.get_items(jid, node, max_items=1, timeout=stream.timeout)
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
