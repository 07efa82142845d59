"""Decides whether a message is a retry of an earlier one (XEP-0359 §3, docs/protocol.md).

The origin id alone does not tell, since some clients count from 1 each time they start. So if an id occurs
again, the two messages are compared. They are the same if their content is, which is everything that is not
about delivery. If a client encrypts again for each attempt, the ciphertext differs; that is a retry if the
same device has encrypted it, and the id can't occur twice by chance. In doubt, both messages are delivered:
a duplicate can be noticed, a missing message can't.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import NamedTuple
from xml.etree.ElementTree import Element, ParseError

from kith.wire import ns
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

#: For how many days retries are recognized. Until then, an origin id takes about 37 bytes of the database.
REMEMBERED_DAYS = 30
_ORIGIN_ID = ns.tag(ns.STANZA_ID, "origin-id")
#: The origin id in a serialized stanza.
ORIGIN = re.compile(rb"<origin-id\b[^<>]*?\bid=(?:'([^'<>]*)'|\"([^\"<>]*)\")")
#: Elements about delivery, which a retry may have or lack.
_ABOUT_DELIVERY = frozenset(
    (
        *(ns.STANZA_ID, ns.DELAY, "jabber:x:delay", ns.HINTS, ns.CHAT_STATES, ns.ENCRYPTION),
        *("urn:xmpp:sm:3", "jabber:x:event"),
    )
)
#: Elements that a group adds to a message, or by which a client names the members.
_ABOUT_GROUPS = frozenset((ns.MUC_USER, ns.OCCUPANT_ID, ns.GROUPS))
_REQUESTS = frozenset((ns.tag(ns.RECEIPTS, "request"), ns.tag(ns.MARKERS, "markable")))
_THREAD = ns.tag(ns.CLIENT, "thread")
_RETRACTED = ns.tag(ns.RETRACT, "retracted")
_ENCRYPTED = (ns.tag(ns.OMEMO, "encrypted"), ns.tag(ns.OMEMO_2, "encrypted"))
_HEADERS = (ns.tag(ns.OMEMO, "header"), ns.tag(ns.OMEMO_2, "header"))
#: Elements of other encryptions, which do not name the encrypting device.
_OPAQUE = (ns.tag("urn:xmpp:openpgp:0", "openpgp"), ns.tag("jabber:x:encrypted", "x"))
#: A random id: a UUID or a token of letters and digits, perhaps after a word, as some clients write them.
_PREFIXED = re.compile(r"(?:[A-Za-z]{1,16}[-_:])?([0-9A-Za-z-]{16,64})")
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_TOKEN = re.compile(r"[0-9A-Za-z]+")
_CHANGE = re.compile(r"[0-9](?=[A-Za-z])|[A-Za-z](?=[0-9])")
#: How often a token at least switches between letters and digits; a name with a number at its end does not.
_CHANGES = 4
#: Stanzas of up to this many bytes and tags are compared by content, larger ones byte by byte, since
#: parsing them would delay the messages of others in the writer thread.
_COMPARED_BYTES = 32 * 1024
_COMPARED_TAGS = 200


def is_retry(stored: bytes, new: bytes) -> bool:
    """Whether ``new`` is a retry of the stored message. Both have the same origin id.

    ``stored`` is empty if the message was stored for delivery only, and was delivered.
    """
    if _inside(stored) == _inside(new):
        return True
    if not stored and b"<origin-id" not in new:
        return True  # another node has given it a key, which no other message has
    if not (_is_simple(stored) and _is_simple(new)):
        return False
    try:
        if not stored:
            return _Compared.of(new).random
        one, other = _Compared.of(stored), _Compared.of(new)
    except ParseError:
        return False
    if one.retracted:
        # no content is left to compare, and a retracted message must not return; a counter as id proves
        # nothing
        return other.random
    return one.content == other.content or (other.random and one.but_ciphertext == other.but_ciphertext)


def is_retry_in_group(stored: bytes, new: bytes) -> bool:
    """As `is_retry`, for a message that a group has: the stored one has elements that the group has added.

    A client encrypts a retry anew if the members have changed, so an id that can't occur twice by chance is
    enough.
    """
    # of several, one may be in something that is quoted
    match = ORIGIN.search(new) if new.count(b"<origin-id") == 1 else None
    if match is not None and _is_random_id((match.group(1) or match.group(2) or b"").decode()):
        return True
    if not (_is_simple(stored) and _is_simple(new)):
        return False
    try:
        return _Compared.of(stored).but_ciphertext == _Compared.of(new).but_ciphertext
    except ParseError:
        return False


def _inside(stanza: bytes) -> bytes:
    """The stanza without its start tag, which has the address of the session."""
    return stanza[stanza.find(b">") :]


def _is_simple(stanza: bytes) -> bool:
    return len(stanza) <= _COMPARED_BYTES and stanza.count(b"<") <= _COMPARED_TAGS


class _Compared(NamedTuple):
    """The parts of a message that are compared."""

    content: bytes
    but_ciphertext: bytes
    retracted: bool
    random: bool

    @staticmethod
    @lru_cache(128)  # a stored message may be compared several times
    def of(data: bytes) -> _Compared:
        """Parses a stanza. Raises ParseError."""
        stanza = Stanza.from_bytes(data)
        return _Compared(
            hashlib.blake2b(_content(stanza, True)).digest(),
            hashlib.blake2b(_content(stanza, False)).digest(),
            _RETRACTED in stanza.children,
            _is_random(stanza),
        )


def distinct_origin(origin: bytes, stanza: bytes) -> bytes:
    """The key of a message whose origin id belongs to another one, so that its own retries are recognized."""
    content = _Compared.of(stanza).content if _is_simple(stanza) else _inside(stanza)
    return hashlib.blake2b(origin + content, digest_size=16).digest()


def key_of(stanza: Stanza) -> bytes | None:
    """A key for a message without an origin id that another server may send again.

    It is made of all that such a repetition has in common with the first attempt: the full address of the
    sender, the ``id``, and the content. None if the ``id`` is not random: somebody may well say the same
    again under an id from a counter.
    """
    if not _is_random_id(stanza.id):
        return None
    data = stanza.inner
    content = _content(stanza, True) if _is_simple(data) else data
    parts = (stanza.attrs.get("from", "").encode(), stanza.id.encode(), content)
    return b"\1" + hashlib.blake2b(b"\0".join(parts), digest_size=16).digest()


def _content(stanza: Stanza, ciphertext: bool) -> bytes:
    """The content of a message.

    Without ``ciphertext``, encrypted elements only count by the encrypting device.
    """
    kind = stanza.type if stanza.type != "normal" else ""
    parts = [kind.encode()]
    for child in stanza.element:
        namespace = child.tag[1:].partition("}")[0]
        if (
            namespace in _ABOUT_DELIVERY
            or namespace in _ABOUT_GROUPS
            or child.tag in _REQUESTS
            or child.tag == _THREAD
        ):
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
    """The id of the encrypting device."""
    for header in _HEADERS:
        if (element := encrypted.find(header)) is not None:
            return element.get("sid", "")
    return ""


def _is_random(stanza: Stanza) -> bool:
    """Whether the message's origin id is random, and not from a counter."""
    origin = stanza.child(_ORIGIN_ID)
    return origin is not None and _is_random_id(origin.get("id", ""))


def _is_random_id(text: str) -> bool:
    found = _PREFIXED.fullmatch(text)
    if found is None:
        return False
    id = found[1]
    if _UUID.fullmatch(id):
        return True
    return _TOKEN.fullmatch(id) is not None and len(_CHANGE.findall(id)) >= _CHANGES
