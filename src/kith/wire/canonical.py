"""The canonical form in which XML inside of stanzas is passed on.

That is the form which `kith.wire.serialize` writes: elements without prefixes, a single space before each
attribute, no CDATA sections, and only the entities that the serializer needs. Bytes in this form are passed
on as they are. Other XML is valid as well, but two parsers may read it differently (CDATA sections,
``xmlns=''``, prefixes, character references, line ends), so it is serialized again.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kith.wire import ns
from kith.wire.serialize import serialize_children

# No group has a possessive quantifier, since Python before 3.11.5 has a bug with these. The alternatives
# differ in their first byte, so there is little backtracking anyway.
_NAME = rb"[A-Za-z_][A-Za-z0-9_.-]*+"
#: Entities that the serializer writes, or that every parser reads alike.
_IN_TEXT = rb"&(?:amp|lt|gt|apos|quot|#13);"
_IN_VALUE = rb"&(?:amp|lt|gt|apos|quot|#9|#10|#13);"
_CONTROLS = rb"\x00-\x08\x0b-\x1f"
_SINGLE = rb"'(?:[^'<>&\t\n%b]++|%b)*'" % (_CONTROLS, _IN_VALUE)
_DOUBLE = rb'"(?:[^"<>&\t\n%b]++|%b)*"' % (_CONTROLS, _IN_VALUE)
_ATTRIBUTE = rb" (?!xmlns=(?:''|\"\"))(?:xml:lang|%b)=(?:%b|%b)" % (_NAME, _SINGLE, _DOUBLE)
_CANONICAL = re.compile(
    rb"(?:[^<>&%b]++|</%b>|<%b(?:%b)*/?>|%b)*" % (_CONTROLS, _NAME, _NAME, _ATTRIBUTE, _IN_TEXT)
)

_WRAP = f"<w xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAMS}'>".encode()


def is_canonical(inner: bytes) -> bool:
    """Whether well-formed content, in a ``jabber:client`` context, is in canonical form."""
    return _CANONICAL.fullmatch(inner) is not None


def parse_children(inner: bytes) -> Element:
    """An element whose children are the parsed content, in a ``jabber:client`` context."""
    return ElementTree.fromstring(_WRAP + inner + b"</w>")


def canonical(inner: bytes) -> bytes:
    """Well-formed content in canonical form."""
    return inner if is_canonical(inner) else serialize_children(parse_children(inner))
