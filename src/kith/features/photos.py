"""Cleans the photo of a vCard (XEP-0054) before the server publishes it.

The copy is upright, not too large, and does not say where and by whom the picture was taken. A photo with
nothing to change stays as it is, and so does its hash.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from xml.etree.ElementTree import Element, SubElement

from kith.ports.pictures import PictureError, Pictures, Wanted
from kith.wire import ns
from kith.wire.errors import StanzaError

PHOTO, TYPE, BINVAL = (ns.tag(ns.VCARD, name) for name in ("PHOTO", "TYPE", "BINVAL"))
#: The largest width and height that a photo keeps.
EDGE = 640


async def clean_photo(card: Element, pictures: Pictures | None, owner: str, size: int) -> None:
    """Replaces the photo of a vCard by a clean copy of at most ``size`` bytes. Raises StanzaError.

    ``owner``: the bare address of who publishes it. What is not a picture that the server can read stays as
    it is; ``pictures`` of None changes nothing.
    """
    photo = card.find(PHOTO)
    text = photo.findtext(BINVAL) if photo is not None else None
    if photo is None or not text or pictures is None:
        return
    try:
        data = b64decode("".join(text.split()), validate=True)
    except binascii.Error:
        return  # refused by whoever reads the card
    try:
        picture = await pictures.prepare(data, Wanted(EDGE, size, keep=True), owner)
    except PictureError as error:
        if error.reason == "unreadable":
            return
        raise _refusal(error) from None
    if picture.data == data:
        return
    for name in (TYPE, BINVAL):
        for old in photo.findall(name):
            photo.remove(old)
    SubElement(photo, TYPE).text = picture.type
    SubElement(photo, BINVAL).text = b64encode(picture.data).decode()


def _refusal(error: PictureError) -> StanzaError:
    match error.reason:
        case "busy":
            return StanzaError("resource-constraint", "too many pictures at once, try later", type="wait")
        case "too-large":
            return StanzaError("not-acceptable", "the picture has too many pixels", type="modify")
    return StanzaError("not-acceptable", "the picture could not be prepared", type="modify")
