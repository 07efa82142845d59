"""What the server hands on is read alike by expat, ElementTree and libxml2, and as the server meant it.

A file of the corpus is what a peer sends between its stream header and the end of its stream: stanzas. The
web app's tests read the same files, for what it makes of what the server hands on.
"""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from lxml import etree

from kith.edge.websocket import standalone
from kith.wire.errors import StreamError
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool, StreamParser
from kith.wire.stanza import Stanza
from tests.fuzz.world import HEADER
from tests.wire.wire_streams import feed_all, tree

LIMITS = Limits(stanza_bytes=16_000, names=1000)
_OPEN = b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
_END = b"</stream:stream>"
#: libxml2's complaints of the name of a namespace: that it is no URI, or a relative one.
_NO_URI = (etree.ErrorTypes.WAR_NS_URI, etree.ErrorTypes.WAR_NS_URI_RELATIVE)
Tree = tuple[str, dict[str, str], str, list[tuple[Any, str]]]


def run(data: bytes) -> None:
    taught = ParserPool(LIMITS)
    for _ in range(2):  # a shape that is known now must make no difference
        for event in feed_all(StreamParser(taught), [HEADER + data]):
            if isinstance(event, Stanza) and event.kind:
                check(event)
            elif isinstance(event, StreamError):
                assert event.condition
    _means_what_was_sent(data)


def check(stanza: Stanza) -> None:
    """All readers of what is handed on see the tree that the server sees."""
    handed = stanza.to_bytes()
    assert b"<![CDATA[" not in handed
    meant = tree(stanza.element)
    assert meant[1] == stanza.attrs
    assert [child[0][0] for child in meant[3]] == stanza.children
    for document, inside in ((_OPEN + handed + _END, True), (standalone(handed), False)):
        for read in (by_expat, by_elementtree, by_libxml2):
            found = read(document)
            if found is None:
                continue
            assert (found[3][0][0] if inside else found) == meant, (read.__name__, handed)
    again = Stanza.from_bytes(handed)
    assert again.to_bytes() == handed or Stanza.from_bytes(again.to_bytes()).to_bytes() == again.to_bytes()
    assert tree(again.element) == meant


def _means_what_was_sent(data: bytes) -> None:
    """Where all is well-formed, the server sees what the readers see in what the peer sent."""
    events = feed_all(StreamParser(ParserPool(LIMITS)), [HEADER + data + _END])
    if any(isinstance(event, StreamError) for event in events):
        return
    stanzas = [event for event in events if isinstance(event, Stanza)]
    try:
        read = by_libxml2(HEADER + data + _END)
    except etree.XMLSyntaxError:
        return  # the end of the stream came within the data
    if read is None:
        return
    sent = read[3]
    if len(sent) == len(stanzas):
        for stanza, (expected, _) in zip(stanzas, sent, strict=True):
            if stanza.kind:
                assert tree(stanza.element) == expected, stanza.to_bytes()


def by_expat(document: bytes) -> Tree:
    """The tree as expat's own callbacks tell it, with namespaces."""
    parser = expat.ParserCreate("utf-8", "}")
    root: Tree = ("", {}, "", [])
    open_elements: list[list[Any]] = [[root, []]]

    def clark(name: str) -> str:
        return "{" + name if "}" in name else name

    def start(name: str, attrs: dict[str, str]) -> None:
        element = [clark(name), {clark(key): value for key, value in attrs.items()}, "", []]
        open_elements[-1][1].append([element, ""])
        open_elements.append([element, element[3]])

    def end(name: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        element, children = open_elements[-1]
        if children:
            children[-1][1] += data
        else:
            element[2] += data

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = text
    parser.Parse(document, True)
    return _tuples(open_elements[0][1][0][0])


def _tuples(element: list[Any]) -> Tree:
    tag, attrs, text, children = element
    return tag, attrs, text, [(_tuples(child), tail) for child, tail in children]


def by_elementtree(document: bytes) -> Tree:
    return tree(ElementTree.fromstring(document))  # type: ignore[return-value]


def by_libxml2(document: bytes) -> Tree | None:
    """As browsers with libxml2 read it, without recovery and without entities.

    None if its only complaint is that the name of a namespace is no URI, which XML leaves to applications.
    """
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, recover=False)
    try:
        return _of_lxml(etree.fromstring(document, parser))
    except etree.XMLSyntaxError:
        if all(entry.type in _NO_URI for entry in parser.error_log):
            return None
        raise


def _of_lxml(element: Any) -> Tree:
    children = [(_of_lxml(child), child.tail or "") for child in element]
    return element.tag, dict(element.attrib), element.text or "", children
