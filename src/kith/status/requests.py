"""What people send to the service of status: parsed, and checked as far as that needs nobody else.

A status may have keys for thousands of devices. They are not parsed as XML: the elements are cut out of the
canonical form in which the stanza is passed on (`kith.wire.canonical`).
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from xml.etree.ElementTree import Element

from kith.base.ids import parse_stamp
from kith.status.names import (
    DAY,
    DELAY,
    ENCRYPTED,
    LEAST_SECONDS,
    MAX_BODY,
    MAX_ORIGIN,
    MAX_PEOPLE,
    RETRACT,
    SEALED,
    SEEN,
    STATUS,
    TO,
)
from kith.wire import ns
from kith.wire.canonical import parse_children
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.ns import tag
from kith.wire.serialize import serialize_children
from kith.wire.stanza import Stanza


class PostRequest(NamedTuple):
    """A status to be posted. ``people``: bare addresses. ``encrypted``, ``sealed``: serialized elements."""

    id: str
    seconds: int
    people: tuple[str, ...]
    encrypted: bytes
    sealed: bytes


class SeenRequest(NamedTuple):
    """That somebody has seen a status. ``author``: a bare address."""

    author: JID
    id: str


def post_of(stanza: Stanza, domain: str) -> PostRequest:
    """Parses a message that posts a status. ``domain``: that of the people. Raises StanzaError."""
    if ENCRYPTED not in stanza.children or SEALED not in stanza.children:
        raise StanzaError("bad-request", "a status is encrypted")
    inner = _normal(stanza)
    post = parse_children(_cut(stanza, inner, "post", STATUS))[0]
    origin = parse_children(_cut(stanza, inner, "origin-id", ns.STANZA_ID))[0]
    encrypted = _cut(stanza, inner, "encrypted", ns.OMEMO)
    sealed = _cut(stanza, inner, "sealed", ns.SEALED)
    if encrypted.count(b"<payload>") != 1:
        raise StanzaError("bad-request", "a status has a payload")
    keys = encrypted.find(b"</header>") - encrypted.find(b"<header")
    if len(sealed) + len(encrypted) - max(keys, 0) > MAX_BODY:
        raise StanzaError("policy-violation", f"at most {MAX_BODY} bytes without the keys", type="modify")
    return PostRequest(
        _checked_id(origin.get("id", "")), _seconds(post), _people(post, domain), encrypted, sealed
    )


def retracted_of(stanza: Stanza) -> str:
    """The id of the status that a message deletes. Raises StanzaError."""
    element = stanza.child(RETRACT)
    assert element is not None
    return _checked_id(element.get("id", ""))


def seen_of(stanza: Stanza) -> SeenRequest:
    """Parses a message that says that somebody has seen a status. Raises StanzaError."""
    element = stanza.child(SEEN)
    assert element is not None
    try:
        author = parse_jid(element.get("author", ""))
    except ValueError:
        raise StanzaError("jid-malformed") from None
    if not author.local or author.resource:
        raise StanzaError("jid-malformed", "the author has a bare address")
    return SeenRequest(author, _checked_id(element.get("id", "")))


def delayed_since(stanza: Stanza, domain: str) -> datetime | None:
    """When a message from another server was sent, if that says so, in a ``delay`` of its domain."""
    if DELAY not in stanza.children:
        return None
    for element in stanza.element.findall(DELAY):
        if element.get("from", "") == domain:
            try:
                return parse_stamp(element.get("stamp", ""))
            except ValueError:
                return None
    return None


def _normal(stanza: Stanza) -> bytes:
    """The content as the server serializes it: clients may use other quotes."""
    return serialize_children(stanza.element) if b'="' in stanza.inner else stanza.inner


def _cut(stanza: Stanza, inner: bytes, name: str, namespace: str) -> bytes:
    """The bytes of a child element of which there is one in the stanza. Raises StanzaError."""
    start = b"<%b xmlns='%b'" % (name.encode(), namespace.encode())
    place = inner.find(start)
    if tag(namespace, name) in stanza.children and place < 0:  # with its attributes in another order
        inner = serialize_children(stanza.element)
        place = inner.find(start)
    if place < 0 or inner.find(start, place + 1) >= 0:
        raise StanzaError("bad-request", f"a message to this service has one {name}")
    tag_end = inner.index(b">", place) + 1
    if inner[tag_end - 2 : tag_end] == b"/>":
        return inner[place:tag_end]
    end_tag = b"</%b>" % name.encode()
    found = inner[place : inner.index(end_tag, place) + len(end_tag)]
    if found.count(b"<" + name.encode()) != 1:  # else the end tag may be that of another one
        raise StanzaError("bad-request", f"there is nothing named {name} in {name}")
    return found


def _checked_id(id: str) -> str:
    if not 0 < len(id) <= MAX_ORIGIN:
        raise StanzaError("bad-request", f"an id has 1 to {MAX_ORIGIN} characters")
    return id


def _seconds(post: Element) -> int:
    try:
        seconds = natural(post.get("seconds", str(DAY)))
    except ValueError:
        seconds = 0
    if not LEAST_SECONDS <= seconds <= DAY:
        raise StanzaError("bad-request", f"seconds is a number from {LEAST_SECONDS} to {DAY}")
    return seconds


def _people(post: Element, domain: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for element in post:
        if element.tag != TO:
            continue
        try:
            jid = parse_jid(element.get("jid", ""))
        except ValueError:
            raise StanzaError("jid-malformed") from None
        if jid.resource or not jid.local or jid.domain != domain:
            raise StanzaError("jid-malformed", f"the audience has bare addresses at {domain}")
        found[jid.bare] = None
    if not found:
        raise StanzaError("bad-request", "a status is for somebody")
    if len(found) > MAX_PEOPLE:
        raise StanzaError("policy-violation", f"at most {MAX_PEOPLE} people in a message", type="modify")
    return tuple(found)
