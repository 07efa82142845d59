"""Builds and reads the elements of messages. The constants name the XEPs that define them."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, canonicalize, tostring

from kith.client import foreign_encryption

CLIENT = "jabber:client"
RECEIPTS = "urn:xmpp:receipts"  # XEP-0184
MARKERS = "urn:xmpp:chat-markers:0"  # XEP-0333
CHAT_STATES = "http://jabber.org/protocol/chatstates"  # XEP-0085
HINTS = "urn:xmpp:hints"  # XEP-0334
SID = "urn:xmpp:sid:0"  # XEP-0359
DELAY = "urn:xmpp:delay"  # XEP-0203
FORWARD = "urn:xmpp:forward:0"  # XEP-0297
CARBONS = "urn:xmpp:carbons:2"  # XEP-0280
MAM = "urn:xmpp:mam:2"  # XEP-0313
RSM = "http://jabber.org/protocol/rsm"  # XEP-0059
EME = "urn:xmpp:eme:0"  # XEP-0380
OMEMO = "eu.siacs.conversations.axolotl"  # XEP-0384, version 0.3
LIMITS = "urn:xmpp:stream-limits:0"  # XEP-0478
RESEND = "urn:kith:resend:0"  # docs/web.md
NICK = "http://jabber.org/protocol/nick"  # XEP-0172
CORRECT = "urn:xmpp:message-correct:0"  # XEP-0308
RETRACT = "urn:xmpp:message-retract:1"  # XEP-0424
REACTIONS = "urn:xmpp:reactions:0"  # XEP-0444
REPLY = "urn:xmpp:reply:0"  # XEP-0461
FALLBACK_NS = "urn:xmpp:fallback:0"  # XEP-0428
KITH_REACTION = "urn:kith:reaction:0"  # docs/web.md
STANZAS = "urn:ietf:params:xml:ns:xmpp-stanzas"

#: The text that clients without OMEMO show for an encrypted message.
FALLBACK = "This message is encrypted (OMEMO). Your client does not seem to support that."

FEATURES = (RECEIPTS, MARKERS, CHAT_STATES, SID, EME, CORRECT, RETRACT, REACTIONS, REPLY, FALLBACK_NS)


def leaf(ns: str, tag: str, more: dict[str, str] | None = None, /, **attributes: str) -> Element:
    """An element without children. ``more``: attributes whose names are no identifiers."""
    return Element(f"{{{ns}}}{tag}", attributes | (more or {}))


def answer(kind: str, id: str) -> list[Element]:
    """The children of a receipt (``received``) or a marker (``displayed``) for the message with an id."""
    return [leaf(RECEIPTS if kind == "received" else MARKERS, kind, id=id), leaf(HINTS, "store")]


def chat_state(active: bool) -> list[Element]:
    """The children of a chat state message: composing, or active. It is not stored anywhere."""
    return [leaf(CHAT_STATES, "composing" if active else "active"), leaf(HINTS, "no-store")]


def mam_query(
    query: str,
    after: str | None,
    start: datetime | None,
    limit: int,
    groups: bool = False,
    node: str | None = None,
) -> Element:
    """An archive query for one page: after an id, or from a time on, or (with neither) the last page.

    ``query``: the id that results will carry. ``limit``: entries in the page. ``groups``: with messages of
    groups (XEP-0313 §4.1.5). ``node``: names another archive than that of messages.
    """
    root = leaf(MAM, "query", queryid=query)
    if node is not None:
        root.set("node", node)
    fields = {"include-groupchat": "true"} if groups else {}
    if start is not None:
        fields["start"] = start.strftime("%Y-%m-%dT%H:%M:%SZ")
    if fields:
        form = SubElement(root, "{jabber:x:data}x", type="submit")
        for var, value in {"FORM_TYPE": MAM, **fields}.items():
            field = SubElement(form, "{jabber:x:data}field", var=var)
            SubElement(field, "{jabber:x:data}value").text = value
    page = SubElement(root, f"{{{RSM}}}set")
    SubElement(page, f"{{{RSM}}}max").text = str(limit)
    if after is not None:
        SubElement(page, f"{{{RSM}}}after").text = after
    elif start is None:
        SubElement(page, f"{{{RSM}}}before")
    return root


@dataclass(frozen=True, slots=True)
class Forwarded:
    """A message inside another one: its time, if known, and its id in our archive, if it came from there."""

    message: Element
    time: datetime | None
    archive: str | None = None


def parse_time(text: str | None) -> datetime | None:
    """A time as XEP-0082 writes it, in UTC. None if it is malformed, or outside of the years 1 to 9999."""
    try:
        moment = datetime.fromisoformat(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def delay(element: Element, by: Container[str] | None = None) -> datetime | None:
    """When a delayed message was sent (XEP-0203); None if it was not delayed.

    ``by``: the addresses whose ``<delay/>`` is believed; None believes any.
    """
    for found in element.iterfind(f"{{{DELAY}}}delay"):
        if by is None or found.get("from") in by:
            return parse_time(found.get("stamp"))
    return None


def forwarded(wrapper: Element, archive: str | None = None) -> Forwarded | None:
    """The content of ``<forwarded/>`` in an element (XEP-0297). ``archive``: its id in our archive."""
    inner = wrapper.find(f"{{{FORWARD}}}forwarded")
    message = None if inner is None else inner.find(f"{{{CLIENT}}}message")
    if inner is None or message is None:
        return None
    return Forwarded(message, delay(inner), archive)


def carbon(message: Element) -> Forwarded | None:
    """The content of a carbon copy (XEP-0280). Callers have to check that our own account sent it."""
    for kind in ("received", "sent"):
        wrapper = message.find(f"{{{CARBONS}}}{kind}")
        if wrapper is not None:
            return forwarded(wrapper)
    return None


def stanza_id(message: Element, by: str) -> str | None:
    """The id that an archive gave a message (XEP-0359). ``by`` has to be our own address to be believed."""
    for found in message.iterfind(f"{{{SID}}}stanza-id"):
        if found.get("by") == by:
            return found.get("id")
    return None


def digest(children: Iterable[Element]) -> str:
    """A hash of what a message says: its encrypted content, or else its texts.

    Two messages with the same id and digest are the same message.
    """
    children = list(children)
    encrypted = [child for child in children if child.tag == f"{{{OMEMO}}}encrypted"]
    encrypted = encrypted or [child for child in children if child.tag in foreign_encryption.ELEMENTS]
    content = encrypted or [child for child in children if child.tag == f"{{{CLIENT}}}body"]
    texts = []
    for child in content:
        alone = copy(child)
        alone.tail = None
        texts.append(canonicalize(tostring(alone, encoding="unicode")))
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


def has_content(message: Element) -> bool:
    """Whether a message says more than that another one was received or read, or that somebody is typing."""
    return any(child.tag in _CONTENT for child in message) or foreign_encryption.announces_content(message)


_CONTENT = frozenset(
    {
        *(f"{{{CLIENT}}}body", f"{{{OMEMO}}}encrypted"),
        *(f"{{{RETRACT}}}retract", f"{{{REACTIONS}}}reactions"),
        *foreign_encryption.ELEMENTS,
    }
)


def origin_id(message: Element) -> str | None:
    """The id that the sender gave a message (XEP-0359)."""
    found = message.find(f"{{{SID}}}origin-id")
    return None if found is None else found.get("id")


def named(message: Element, namespace: str, names: Sequence[str]) -> tuple[str, str] | None:
    """The first child in a namespace with one of the names, as (name, value of its ``id``)."""
    for name in names:
        found = message.find(f"{{{namespace}}}{name}")
        if found is not None:
            return name, found.get("id", "")
    return None


def is_typing(message: Element) -> bool | None:
    """Whether its sender says that they are typing; None if the message has no chat state (XEP-0085)."""
    state = named(message, CHAT_STATES, ("active", "composing", "paused", "inactive", "gone"))
    return None if state is None else state[0] == "composing"


def resent_group(message: Element) -> str | None:
    """The group of which a message is requested or sent again; None if it is not of one."""
    for name in ("resent", "resend"):
        found = message.find(f"{{{RESEND}}}{name}")
        if found is not None:
            return found.get("group")
    return None


def error_text(message: Element) -> str:
    """The error of a message that came back, in words for people."""
    error = message.find(f"{{{CLIENT}}}error")
    if error is None:
        return "It came back with an error."
    text = error.findtext(f"{{{STANZAS}}}text")
    condition = next((child.tag.rpartition("}")[2] for child in error if not child.tag.endswith("}text")), "")
    return f"The server sent it back: {text or condition.replace('-', ' ') or 'unknown error'}"
