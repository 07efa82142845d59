"""Reads messages that look like earlier ones without an XML parser.

The messages of an app only differ in ids and texts. Once a parser has read one, its *shape* is known: its
tags as they were written, with placeholders for values and texts. Bytes that match a shape are well-formed
too, and have the same children. A few searches replace a callback for each tag.

Anything unusual (entities, control characters, other alphabets, CDATA, prefixes) is left to the parser,
which alone decides about errors: `Shapes.read` never raises one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from kith.wire import ns
from kith.wire.limits import Limits
from kith.wire.stanza import LANG, Stanza

#: How many shapes are kept for each number of tags, the last used ones first.
_EACH = 8
#: The maximum number of tags in a shape, and of bytes in a message. Longer messages are rare.
MAX_TAGS = 64
MAX_BYTES = 16 * 1024
#: If there is no room for another shape, one of this many new ones replaces an old one.
_SAMPLE = 64

_MESSAGE = ns.tag(ns.CLIENT, "message")
_BEGIN = b"<message"
_END = b"</message>"
_VALUE = rb"(?:'[ !#-%(-;=?-~\"]*'|\"[ !#-%'-;=?-~]*\")"
_HEAD = re.compile(rb"<message((?: (?:xml:lang|[A-Za-z][A-Za-z0-9_.-]*)=%b)*)>" % _VALUE)
_ATTRIBUTE = re.compile(r" ([^=]+)=(?:'([^']*)'|\"([^\"]*)\")")
_TAG = re.compile(
    rb"<(/?)([A-Za-z_][A-Za-z0-9_.-]*)"
    rb"((?:\s+(?:xml:lang|[A-Za-z_][A-Za-z0-9_.-]*)\s*=\s*(?:'[^'<]*'|\"[^\"<]*\"))*)\s*(/?)>"
)
_PAIR = re.compile(rb"(\s+([^\s=]+)\s*=\s*)('[^']*'|\"[^\"]*\")")
_CONTROLS = bytes(code for code in range(32) if code not in (9, 10)) + b"\x7f"


class Shape(NamedTuple):
    """The shape of a message.

    ``match`` is called with the content of a message. ``names``: the number of its elements and attributes.
    """

    match: Callable[[bytes], Any]
    children: list[str]
    names: int


class Shapes:
    """The shapes of messages that the server has seen, within the limits."""

    def __init__(self, limits: Limits) -> None:
        self._names = limits.names
        self._attributes = limits.attributes
        self._bytes = min(MAX_BYTES, limits.stanza_bytes, limits.tag_bytes)
        self._known: dict[int, list[Shape]] = {}
        self._passed = 0

    def read(self, data: bytes, events: list[Any]) -> bytes:
        """Reads messages with known shapes at the beginning of ``data``. Returns the remaining bytes."""
        at = 0
        while data.startswith(_BEGIN, at):
            close = data.find(_END, at, at + self._bytes)
            if close < 0:
                break
            head = _HEAD.match(data, at, close)
            if head is None:
                break
            inner = data[head.end() : close]
            shape = self._find(inner)
            written = head[1]
            attrs = _attributes(written) if shape is not None else None
            if shape is None or attrs is None:
                break
            if len(attrs) > self._attributes or shape.names + len(attrs) >= self._names:
                break
            events.append(
                Stanza(_MESSAGE, attrs, inner, shape.children, written if b" xmlns=" not in written else None)
            )
            at = close + len(_END)
        return data[at:] if at else data

    def _find(self, inner: bytes) -> Shape | None:
        tags = inner.count(b"<")
        known = self._known.get(tags)
        if (
            known is None
            or inner.count(b">") != tags
            or b"&" in inner
            or not inner.isascii()
            or len(inner.translate(None, _CONTROLS)) != len(inner)
        ):
            return None
        for number, shape in enumerate(known):
            if shape.match(inner):
                if number:
                    known.insert(0, known.pop(number))
                return shape
        return None

    def learn(self, stanza: Stanza) -> None:
        """Learns the shape of a message that a parser has read in an ordinary stream."""
        inner = stanza.inner
        tags = inner.count(b"<")
        if not 0 < tags <= MAX_TAGS or len(inner) > MAX_BYTES or inner.count(b">") != tags:
            return
        known = self._known.setdefault(tags, [])
        if len(known) >= _EACH:
            self._passed = (self._passed + 1) % _SAMPLE
            if self._passed:
                return
        if any(shape.match(inner) for shape in known):
            return  # it arrived in pieces, or has something unusual outside of its content
        shape = _shape(inner, stanza.children)
        if shape is not None:
            known.insert(0, shape)
            del known[_EACH:]


def _attributes(head: bytes) -> dict[str, str] | None:
    """The attributes in a stanza's tag; None if a parser has to read them."""
    found = _ATTRIBUTE.findall(head.decode())
    attrs = {name: single or double for name, single, double in found}
    if len(attrs) != len(found):
        return None
    if attrs.pop("xmlns", ns.CLIENT) != ns.CLIENT:
        return None
    if "xml:lang" in attrs:
        return {LANG if name == "xml:lang" else name: value for name, value in attrs.items()}
    return attrs


def _shape(inner: bytes, children: list[str]) -> Shape | None:
    """The shape of a message's content; None if it has anything but plain tags."""
    pattern: list[bytes] = []
    names = 1
    end = 0
    for tag in _TAG.finditer(inner):
        if tag[2] == b"message" or b"<" in inner[end : tag.start()]:
            return None
        pattern.append(b"[^<]*+")
        pattern.append(re.escape(b"<" + tag[1] + tag[2]))
        for space, name, value in _PAIR.findall(tag[3]):
            quote = value[:1]
            pattern.append(re.escape(space))
            pattern.append(
                re.escape(value) if name == b"xmlns" else b"%b[^%b\t\n]*+%b" % (quote, quote, quote)
            )
            names += name != b"xmlns"
        written = tag.group()
        inside = len(b"<" + tag[1] + tag[2] + tag[3])
        pattern.append(re.escape(written[inside:]))
        names += not tag[1]
        end = tag.end()
    if b"<" in inner[end:]:
        return None
    pattern.append(b"[^<]*+")
    match = re.compile(b"".join(pattern)).fullmatch
    return Shape(match, children, names) if match(inner) else None
