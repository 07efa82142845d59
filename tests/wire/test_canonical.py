"""What the server hands on is what it would itself write: every reader reads it alike."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from wire_streams import HEADER, documents, feed_all, stanzas, tree, trees

from kith.wire.canonical import canonical, is_canonical
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool, StreamParser
from kith.wire.serialize import serialize, serialize_children
from kith.wire.stanza import Stanza
from tests.fuzz.stanza import check

_ODD = [
    b"<body><![CDATA[a]]]>b</body>",
    b"<body xmlns=''>a</body>",
    b'<body xmlns = "">a</body>',
    b"<p:body xmlns:p='jabber:client'>a</p:body>",
    b"<body xmlns:p='u' p:a='b'>a</body>",
    b"<stream:error/>",
    b"<body>&#65;</body>",
    b"<body>&#x3c;</body>",
    b"<body a='&#65;'>a</body>",
    b"<body>a\r\nb</body>",
    b"<body a='b\nc'>a</body>",
    b"<body a='b\tc'>a</body>",
    b"<body >a</body>",
    b"<body>a</body >",
    b"<body  a='b'/>",
    b"<body a = 'b'/>",
    b"<body>a > b</body>",
    b"<body a='>'/>",
    "<é/>".encode(),
    b"<xml:a/>",
    b"<body xml:base='x'/>",
]


@pytest.mark.parametrize("inner", _ODD)
def test_what_is_unusual_is_serialized_anew(inner: bytes) -> None:
    assert not is_canonical(inner)
    (stanza,) = stanzas(b"<message to='a@b'>" + inner + b"</message>")
    assert stanza.inner == serialize_children(stanza.element)
    check(stanza)


@pytest.mark.parametrize(
    "inner",
    [
        b"",
        b"<body>a &amp; &lt; &gt; &apos; &quot; &#13; ' \" ]] \t\n</body>",
        b"<x xmlns='urn:x' a=\"it's\" b='&#10;&#9;&#13;&amp;'/> <y xml:lang='de'><z/></y>",
        "<body>é😀\u2028\u202e</body>".encode(),
        b"<constructor __proto__='1'/>",
        b"<a" + b" b1='c'" * 60 + b"/>",
    ],
)
def test_the_usual_form_is_handed_on_as_the_bytes_that_came(inner: bytes) -> None:
    assert is_canonical(inner)
    assert canonical(inner) is inner


@given(documents(ordinary=True))
def test_every_reader_sees_in_what_is_handed_on_what_was_sent(document: bytes) -> None:
    parser = StreamParser(ParserPool(Limits(names=1000, attributes=100)))
    found = [event for event in feed_all(parser, [document]) if isinstance(event, Stanza)]
    for stanza, sent in zip(found, trees(document), strict=True):
        if stanza.kind:
            assert tree(stanza.element) == sent
            check(stanza)


@given(documents(ordinary=True))
def test_a_message_of_a_known_shape_is_canonical(document: bytes) -> None:
    pool = ParserPool(Limits(names=1000, attributes=100))
    for _ in range(2):
        for event in feed_all(StreamParser(pool), [document]):
            if isinstance(event, Stanza) and event.kind and b" xmlns=''" not in event.inner:
                assert b"<![CDATA[" not in event.inner
                assert is_canonical(event.inner) or event.inner == serialize_children(event.element)


@pytest.mark.parametrize(
    "text", [b"a\r", b"<![CDATA[a]]>", b"&#65;", b"a>"], ids=["return", "cdata", "reference", "greater"]
)
def test_a_known_shape_lets_nothing_unusual_through(text: bytes) -> None:
    parser = StreamParser(ParserPool())
    feed_all(parser, [HEADER, b"<message to='a@b'><body x='1'>a</body></message>"])
    (stanza,) = feed_all(parser, [b"<message to='a@b'><body x='1'>" + text + b"</body></message>"])
    assert isinstance(stanza, Stanza)
    assert is_canonical(stanza.inner)
    check(stanza)
    (stanza,) = feed_all(parser, [b"<message to='a@b'><body x='1\n2'>a</body></message>"])
    assert isinstance(stanza, Stanza)
    assert stanza.inner == b"<body x='1 2'>a</body>"


def test_elements_of_the_xml_namespace_keep_its_prefix() -> None:
    (stanza,) = stanzas(b"<message><xml:a><b/></xml:a></message>")
    assert serialize(stanza.element[0]) == b"<xml:a><b/></xml:a>"


def test_looking_at_the_form_takes_linear_time() -> None:
    for piece in (b"<a b='c'", b"&amp;", b"<a>", b" xmlns='", b"<a " + b"b='" * 3, b"<a b='x' ", b"\xc3\xa9"):
        began = time.thread_time()
        is_canonical(piece * (500_000 // len(piece)))
        assert time.thread_time() - began < 5  # some milliseconds; minutes if it were quadratic
