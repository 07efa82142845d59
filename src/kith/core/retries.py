"""Whether a message is one that its sender has sent before (XEP-0359 §3, docs/protocol.md).

The origin id alone can't tell: some clients count from 1 each time they start. So two messages with one id
are compared, which happens only when an id comes again. They are the same message if their content is: all
that is not about delivery. A client that encrypts anew each time it tries has other ciphertext for the same
text; that is a retry if the same device has encrypted it, and the id can't have come up twice by chance.
Whoever is in doubt gets both messages: one too many can be seen, one too few can't.
"""

from __future__ import annotations

import hashlib
import re
from xml.etree.ElementTree import Element, ParseError

from kith.wire import ns
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

#: Days for which a retry is known. Until then, an origin takes about 37 bytes of the database.
REMEMBERED_DAYS = 30
_ORIGIN_ID = ns.tag(ns.STANZA_ID, "origin-id")
#: What says how a message is delivered, or is there in one of two tries: added to a resent message, or not.
_ABOUT_DELIVERY = frozenset(
    (
        *(ns.STANZA_ID, ns.DELAY, "jabber:x:delay", ns.HINTS, ns.CHAT_STATES, ns.ENCRYPTION),
        *("urn:xmpp:sm:3", "jabber:x:event"),
    )
)
_REQUESTS = frozenset((ns.tag(ns.RECEIPTS, "request"), ns.tag(ns.MARKERS, "markable")))
_THREAD = ns.tag(ns.CLIENT, "thread")
_RETRACTED = ns.tag(ns.RETRACT, "retracted")
_ENCRYPTED = (ns.tag(ns.OMEMO, "encrypted"), ns.tag(ns.OMEMO_2, "encrypted"))
_HEADERS = (ns.tag(ns.OMEMO, "header"), ns.tag(ns.OMEMO_2, "header"))
#: Encrypted by other means: who has encrypted is not said.
_OPAQUE = (ns.tag("urn:xmpp:openpgp:0", "openpgp"), ns.tag("jabber:x:encrypted", "x"))
#: A UUID, or letters and digits in a row, enough of both that no counter gives the same again.
_RANDOM = re.compile(
    r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}"
    r"|(?=[A-Za-z0-9_+/=]*[A-Za-z])(?=(?:[A-Za-z_+/=]*[0-9]){3})[A-Za-z0-9_+/=]{16,}"
)


def is_retry(stored: bytes, new: bytes) -> bool:
    """Whether ``new`` is the stored message, sent once more; both have the same origin id."""
    if stored == new:
        return True
    try:
        one, other = Stanza.from_bytes(stored), Stanza.from_bytes(new)
    except ParseError:
        return False
    if (
        _RETRACTED in one.children
    ):  # a tombstone has nothing to compare, and what it stands for must not return
        return True
    if _content(one, True) == _content(other, True):
        return True
    return _is_random(other) and _content(one, False) == _content(other, False)


def distinct_origin(origin: bytes, stanza: bytes) -> bytes:
    """The key of a message whose origin id another one has: by it, its own retries are known."""
    content = _content(Stanza.from_bytes(stanza), True)
    return hashlib.blake2b(origin + content, digest_size=16).digest()


def _content(stanza: Stanza, ciphertext: bool) -> bytes:
    """What a message says; without ``ciphertext``, of what is encrypted only which device has done it."""
    kind = stanza.type if stanza.type != "normal" else ""
    parts = [kind.encode()]
    for child in stanza.element:
        namespace = child.tag[1:].partition("}")[0]
        if namespace in _ABOUT_DELIVERY or child.tag in _REQUESTS or child.tag == _THREAD:
            continue
        child.tail = None
        if not ciphertext and child.tag in _ENCRYPTED:
            parts.append(f"{child.tag} {_device(child)}".encode())
        elif not ciphertext and child.tag in _OPAQUE:
            parts.append(child.tag.encode())
        else:
            parts.append(serialize(child))
    return b"\0".join(parts)


def _device(encrypted: Element) -> str:
    """The id of the device that has encrypted."""
    for header in _HEADERS:
        if (element := encrypted.find(header)) is not None:
            return element.get("sid", "")
    return ""


def _is_random(stanza: Stanza) -> bool:
    origin = stanza.child(_ORIGIN_ID)
    return origin is not None and _RANDOM.search(origin.get("id", "")) is not None
