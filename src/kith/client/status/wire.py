"""The elements of status (docs/status.md): what they mean, and how requests are built."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Literal
from xml.etree.ElementTree import Element, SubElement

from kith.client import stanzas
from kith.client.stanzas import leaf
from kith.client.status.values import Audience

STATUS = "urn:kith:status:0"
SETTINGS = "urn:kith:status:settings:0"
#: The item of the node of settings that has the audience.
AUDIENCE = "audience"
#: How many people, and how many keys, one message has at most: a key has about 300 bytes.
MOST_PEOPLE, MOST_KEYS = 1000, 1200
_MOST_ID = 100
_MODES: dict[str, Literal["contacts", "except", "only"]] = {
    "contacts": "contacts",
    "except": "except",
    "only": "only",
}


def tag(name: str) -> str:
    """The name of an element in the namespace of status."""
    return f"{{{STATUS}}}{name}"


def entry(message: Element) -> tuple[str, Element] | None:
    """The name and the element of an entry: ``status``, ``retract`` or ``seen``; None if it is none."""
    for name in ("status", "retract", "seen"):
        found = message.find(tag(name))
        if found is not None and 0 < len(found.get("id", "")) <= _MOST_ID:
            return name, found
    return None


def post(people: Iterable[str], seconds: int) -> Element:
    """What says for whom a status is."""
    element = leaf(STATUS, "post", seconds=str(seconds))
    for jid in people:
        SubElement(element, tag("to"), jid=jid)
    return element


def about(name: str, **attributes: str) -> list[Element]:
    """The children of a message about a status: ``retract`` or ``seen``."""
    return [leaf(STATUS, name, **attributes), leaf(stanzas.SID, "origin-id", id=str(uuid.uuid4()))]


def audience_element(audience: Audience, at: int) -> Element:
    """The payload of the item with our audience."""
    element = leaf(STATUS, "audience", mode=audience.mode, set=str(at))
    for jid in sorted(audience.people):
        SubElement(element, tag("person"), jid=jid)
    return element


def audience_of(element: Element) -> tuple[Audience, int] | None:
    """The audience of an item, and when it was set; None if it is none."""
    mode, at = _MODES.get(element.get("mode", "")), element.get("set", "")
    if element.tag != tag("audience") or mode is None:
        return None
    if not (at.isascii() and at.isdecimal() and len(at) < 16):
        return None
    people = frozenset(one.get("jid", "") for one in element.iterfind(tag("person"))) - {""}
    return Audience(mode, people), int(at)
