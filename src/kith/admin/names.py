"""Finds the name that somebody has given themselves, in what is stored of their account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import msgspec

from kith.base.text import one_line
from kith.features.pubsub import Item
from kith.ports.store import Document
from kith.wire import ns

_MAX_NAME = 60
_CARD4, _NICK, _CARD = "pep:urn:xmpp:vcard4", f"pep:{ns.NICK}", "vcard"
#: The spaces of documents that may contain a name, the best one first.
NAME_SPACES = (_CARD4, _NICK, _CARD)
_PATHS = {
    _CARD4: f"{ns.tag(ns.VCARD4, 'fn')}/{ns.tag(ns.VCARD4, 'text')}",
    _CARD: ns.tag(ns.VCARD, "FN"),
}
_decode_item = msgspec.msgpack.Decoder(Item).decode


def name_in(kept: Mapping[str, Sequence[Document]]) -> str:
    """The name, on one line; empty if there is none. ``kept``: documents by space."""
    for space in NAME_SPACES:
        for document in reversed(kept.get(space, ())):
            if (element := _parsed(document.value, space)) is None:
                continue
            text = element.findtext(_PATHS[space]) if space in _PATHS else element.text
            if name := one_line((text or "")[: 4 * _MAX_NAME])[:_MAX_NAME]:
                return name
    return ""


def _parsed(value: bytes, space: str) -> Element | None:
    """The XML of a document; None if there is none, or it is damaged."""
    try:
        return ElementTree.fromstring(value) if space == _CARD else _decode_item(value).element
    except (ElementTree.ParseError, msgspec.DecodeError):
        return None
