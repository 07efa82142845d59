"""A vCard (XEP-0054) from a vCard4 (RFC 6351), for servers that keep only the newer one, as Prosody does."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.moving.names import CARD_TAG
from kith.wire import ns

#: Fields with one text: the name in the newer card, its kind of value, and the name in the older card.
_TEXTS = (
    *(
        ("fn", "text", "FN"),
        ("nickname", "text", "NICKNAME"),
        ("url", "uri", "URL"),
        ("bday", "date", "BDAY"),
    ),
    *(("title", "text", "TITLE"), ("role", "text", "ROLE"), ("note", "text", "DESC")),
)
#: The parts of a name.
_PARTS = (
    *(("surname", "FAMILY"), ("given", "GIVEN"), ("additional", "MIDDLE")),
    *(("prefix", "PREFIX"), ("suffix", "SUFFIX")),
)


def older_card(newer: Element) -> Element | None:
    """The card for older clients; None if it would be empty."""
    card = Element(CARD_TAG)
    for name, kind, older in _TEXTS:
        if text := (newer.findtext(f"{_new(name)}/{_new(kind)}") or "").strip():
            SubElement(card, _old(older)).text = text
    parts = newer.find(_new("n"))
    found = [(old, parts.findtext(_new(new)) or "") for new, old in _PARTS] if parts is not None else []
    if any(text for _, text in found):
        name_element = SubElement(card, _old("N"))
        for older, text in found:
            if text:
                SubElement(name_element, _old(older)).text = text
    if text := (newer.findtext(f"{_new('email')}/{_new('text')}") or "").strip():
        SubElement(SubElement(card, _old("EMAIL")), _old("USERID")).text = text
    return card if len(card) else None


def _new(name: str) -> str:
    return ns.tag(ns.VCARD4, name)


def _old(name: str) -> str:
    return ns.tag(ns.VCARD, name)
