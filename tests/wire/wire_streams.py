"""Streams for the tests of the parser: valid ones, broken ones, and how to feed them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from hypothesis import strategies as st

from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.limits import Limits
from kith.wire.parser import Event, ParserPool, StreamClosed, StreamOpened, StreamParser
from kith.wire.stanza import Stanza

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams' to='example.com' version='1.0'>"
)
#: Small enough for hypothesis to reach each of them.
SMALL = Limits(stanza_bytes=700, depth=8, attributes=5, names=40, tag_bytes=300)


def facts(event: Event) -> tuple[Any, ...]:
    """An event as a value that can be compared."""
    if isinstance(event, Stanza):
        return ("stanza", event.tag, event.attrs, event.inner, event.children)
    if isinstance(event, StreamOpened):
        return ("opened", event.tag, event.attrs, event.default_namespace)
    if isinstance(event, StreamClosed):
        return ("closed",)
    return ("error", event.condition, event.text)


def feed_all(parser: StreamParser, chunks: Iterable[bytes]) -> list[Event]:
    """All events of the chunks; a StreamError that is raised is the last."""
    events: list[Event] = []
    for chunk in chunks:
        try:
            events += parser.feed(chunk)
        except StreamError as error:
            events.append(error.with_traceback(None))
    return events


def parse(data: bytes, limits: Limits | None = None) -> list[Event]:
    """All events of a stream that is fed whole to a parser of its own pool."""
    return feed_all(StreamParser(ParserPool(limits)), [data])


def stanzas(data: bytes, header: bytes = HEADER, limits: Limits | None = None) -> list[Stanza]:
    """The stanzas after a stream header; anything else fails."""
    opened, *events = parse(header + data, limits)
    assert isinstance(opened, StreamOpened)
    result = [event for event in events if isinstance(event, Stanza)]
    assert len(result) == len(events), [facts(event) for event in events]
    return result


def condition(data: bytes, header: bytes = HEADER, limits: Limits | None = None) -> str:
    """The condition of the stream error that ends the stream."""
    *_, error = parse(header + data, limits)
    assert isinstance(error, StreamError), facts(error)
    return error.condition


def tree(element: Element) -> tuple[Any, ...]:
    """An element as a value that can be compared."""
    return (
        element.tag,
        dict(element.attrib),
        element.text or "",
        [(tree(child), child.tail or "") for child in element],
    )


def trees(document: bytes) -> list[tuple[Any, ...]]:
    """The stream's children as ElementTree reads them from the whole document."""
    return [tree(child) for child in ElementTree.fromstring(document)]


# -- strategies --------------------------------------------------------------------------------------

_NAMES = ["message", "presence", "iq", "body", "a", "b", "é", "query", "x.y-z"]
_PREFIXES = ["", "", "", "stream", "p", "q", "s"]
_URIS = [ns.CLIENT, ns.STREAMS, "urn:x", "urn:y", "urn:b/c#d", "h&amp;t"]
_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="<>&\ufffe\uffff'\"]")
    | st.sampled_from(" \n\t"),
    max_size=12,
)
_PIECES = st.sampled_from(
    [
        "",
        "&lt;",
        "&amp;",
        "&gt;",
        "&#13;",
        "&#x1F600;",
        "]",
        ">",
        "'",
        "<![CDATA[<a> & </b>]]>",
        "<![CDATA[]]>",
        "stream:",
    ]
)


@st.composite
def _content(draw: st.DrawFn) -> str:
    return "".join(draw(st.lists(_TEXTS | _PIECES, max_size=3)))


@st.composite
def _element(draw: st.DrawFn, prefixes: frozenset[str], depth: int = 0) -> str:
    declared = {
        prefix: draw(st.sampled_from(_URIS))
        for prefix in draw(st.sets(st.sampled_from(["", "p", "q", "s", "stream"]), max_size=2))
    }
    known = prefixes | declared.keys()
    prefix = draw(st.sampled_from(_PREFIXES).filter(lambda prefix: not prefix or prefix in known))
    name = draw(st.sampled_from(_NAMES))
    name = f"{prefix}:{name}" if prefix else name
    parts = [
        f" xmlns{':' + prefix if prefix else ''}={_quoted(draw, uri)}" for prefix, uri in declared.items()
    ]
    for attribute in draw(st.sets(st.sampled_from(["id", "to", "type", "xml:lang", "p:at"]), max_size=3)):
        if ":" not in attribute or attribute.startswith("xml:") or attribute.partition(":")[0] in known:
            value = draw(_TEXTS | st.sampled_from(["/", ">", "/>", "&lt;", "&#10;", "&amp;"]))
            parts.append(f" {attribute}={_quoted(draw, value)}")
    parts = draw(st.permutations(parts))
    space = draw(st.sampled_from(["", "", " ", "\n"]))
    head = f"<{name}{''.join(parts)}{space}"
    if draw(st.booleans()) and depth:
        return head + "/>"
    inside = draw(_content())
    if depth < 4:
        for child in draw(st.lists(_element(known, depth + 1), max_size=3)):
            inside += child + draw(_content())
    if not inside and draw(st.booleans()):
        return head + "/>"
    return f"{head}>{inside}</{name}{space}>"


def _quoted(draw: st.DrawFn, value: str) -> str:
    quote = draw(st.sampled_from("'\""))
    return quote + value + quote


@st.composite
def documents(draw: st.DrawFn, ordinary: bool | None = None) -> bytes:
    """A whole stream: declaration or none, header (with prefixes of its own or not), stanzas, the end."""
    ordinary = draw(st.booleans()) if ordinary is None else ordinary
    prefix, default, more = "stream", ns.CLIENT, {}
    if not ordinary:
        prefix = draw(st.sampled_from(["s", "stream", "q"]))
        default = draw(st.sampled_from([ns.CLIENT, "urn:default", ""]))
        more = {"p": draw(st.sampled_from(_URIS))} if draw(st.booleans()) else {}
    declared = {prefix: ns.STREAMS, **more}
    head = draw(st.sampled_from(["", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='UTF-8' ?>\n"]))
    head += f"<{prefix}:stream to='example.com'" + (f' xmlns="{default}"' if default else "")
    head += "".join(f" xmlns:{name}='{uri}'" for name, uri in declared.items()) + ">"
    spaces = st.sampled_from(["", "", " ", "\n", "\r\n\t "])
    body = "".join(
        draw(spaces) + stanza for stanza in draw(st.lists(_element(frozenset(declared)), max_size=4))
    )
    return (head + body + draw(spaces) + f"</{prefix}:stream>").encode()


_FAULTS = [
    *(
        b"<!-- x -->",
        b"<?pi x?>",
        b"<?xml version='1.0'?>",
        b"<!DOCTYPE a [<!ENTITY b 'c'>]>",
        b"<!-" + b"-" * 400,
    ),
    *(b"&b;", b"&#0;", b"&" + b"n" * 400, b"]]>", b"<![CDATA[", b"<", b">", b"/>", b"'", b"text", b"\r"),
    *(b"\x00", b"\x0b", b"\xff", b"\xe2\x82", b"\xef\xbb\xbf", b" xmlns:z='urn:z'", b"<z:a/>"),
    *(b"</stream:stream>", b"</message>", b"</a" + b" " * 400 + b">", b"<a" + b" b='c'" * 2 + b"/>"),
    *(b"<d>" * 9, b"<e f='" + b"g" * 310 + b"'/>", b"h" * 710, b"<i/>" * 45),
]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A stream with a few bytes removed, repeated, exchanged or put in."""
    data = bytearray(draw(documents()))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        upto = min(len(data), at + draw(st.integers(0, 6)))
        data[at:upto] = draw(st.sampled_from(_FAULTS) | st.binary(max_size=4))
    return bytes(data)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The data in pieces; places beyond its end make empty ones."""
    edges = [0, *sorted(places), len(data)]
    return [data[one:other] for one, other in itertools.pairwise(edges)]
