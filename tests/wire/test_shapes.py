"""Messages of known shapes are read as a parser reads them, and only what a parser would accept."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from wire_streams import HEADER, facts, feed_all

from kith.wire.limits import Limits
from kith.wire.parser import ParserPool, StreamParser
from kith.wire.stanza import Stanza

_TEXT = st.text("ab <>&'\"\n\t\r]/=;:é\x01\x7f\ufffe-", max_size=12).map(
    lambda text: text.encode("utf-8", "surrogatepass")
)
_SAFE = st.text("ab .:;/=]-", max_size=12).map(str.encode)
_ENTITIES = st.sampled_from(
    [b"", b"x", b"&amp;", b"&#65;", b"&#0;", b"&nope;", b"]]>", b"<![CDATA[<]]>", b"<!---->"]
)

#: Insides of messages, with gaps for what differs from one to the next.
_TEMPLATES = (
    b"<body>%s</body>",
    b"<body>%s</body><request xmlns='urn:xmpp:receipts'/>",
    b"<x xmlns='a:b' id='%s'><y/>%s</x><thread>t</thread>",
    b'<x xmlns="a:b" xml:lang="%s"><y z="%s"> </y></x>',
    b"%s<encrypted xmlns='eu'><header sid='1'><key rid='2'>%s</key></header></encrypted>",
    b"<a><b><c><d>%s</d></c></b></a>",
    b"<body>%s</body><stream:x/>",
    b"<p:a xmlns:p='u'>%s</p:a>",
    b"<forwarded xmlns='urn:xmpp:forward:0'><message><body>%s</body></message></forwarded>",
)


def _message(template: bytes, gaps: list[bytes], head: bytes = b" to='b@x' type='chat'") -> bytes:
    parts = template.split(b"%s")
    filled = b"".join(part + gap for part, gap in zip(parts, [*gaps, b""], strict=False))
    return b"<message" + head + b">" + filled + b"</message>"


def _count(template: bytes) -> int:
    return template.count(b"%s")


@st.composite
def _pairs(draw: st.DrawFn) -> tuple[bytes, bytes]:
    """A message that teaches its shape, and another that may or may not be of it."""
    template = draw(st.sampled_from(_TEMPLATES))
    taught = _message(template, draw(st.lists(_SAFE, min_size=_count(template), max_size=_count(template))))
    filling = draw(st.lists(_TEXT | _ENTITIES, min_size=_count(template), max_size=_count(template)))
    heads = [b" to='b@x' type='chat'", b"", b" id='%s'" % draw(_TEXT), b" a='1' a='2'", b" xml:lang='de'"]
    heads += [
        b" xmlns='jabber:client' id='1'",
        b" xmlns='other' id='1'",
        b" p:a='1'",
        b"  to='b@x'",
        b" to='>'",
    ]
    return taught, _message(template, filling, draw(st.sampled_from(heads)))


def _parsed(data: bytes, limits: Limits | None = None) -> list[object]:
    """As a parser reads it that gets one byte at a time, which no shape can match."""
    chunks = [HEADER, *(data[at : at + 1] for at in range(len(data)))]
    return [facts(event) for event in feed_all(StreamParser(ParserPool(limits)), chunks)[1:]]


@given(_pairs())
@example((_message(_TEMPLATES[0], [b"a"]), _message(_TEMPLATES[0], [b"a</message><message>b"])))
@example((_message(_TEMPLATES[0], [b"a"]), _message(_TEMPLATES[0], [b"a</body><body>b"])))
def test_a_known_shape_is_read_as_a_parser_reads_it(pair: tuple[bytes, bytes]) -> None:
    taught, data = pair
    parser = StreamParser(ParserPool())
    feed_all(parser, [HEADER, taught])
    events = feed_all(parser, [data])
    assert [facts(event) for event in events] == _parsed(data)
    for event in events:
        if isinstance(event, Stanza) and event.kind:
            event.stamp("from", "a&b@x/r")
            event.stamp("to", "c@x")
            again = Stanza.from_bytes(event.to_bytes())
            assert (again.attrs, again.children) == (event.attrs, event.children)


@given(st.lists(_pairs(), min_size=1, max_size=4), st.lists(st.integers(0, 900), max_size=6))
def test_streams_of_known_and_unknown_shapes_may_be_split_anywhere(
    pairs: list[tuple[bytes, bytes]], places: list[int]
) -> None:
    data = b" \n".join(message for pair in pairs for message in pair)
    parser = StreamParser(ParserPool())
    feed_all(parser, [HEADER, *(taught for taught, _ in pairs)])
    cuts = [0, *sorted(places), len(data)]
    chunks = [data[begin:end] for begin, end in itertools.pairwise(cuts)]
    assert [facts(event) for event in feed_all(parser, chunks)] == _parsed(data)


@pytest.mark.parametrize(
    "limits", [Limits(names=6), Limits(attributes=2), Limits(stanza_bytes=90), Limits(tag_bytes=40)]
)
def test_bounds_hold_for_known_shapes(limits: Limits) -> None:
    parser = StreamParser(ParserPool(limits))
    small, big = (
        b"<message><body>a</body></message>",
        _message(_TEMPLATES[0], [b"b" * 40], b" to='b@x' id='1' type='chat'"),
    )
    feed_all(parser, [HEADER, small])
    big = big.replace(b"</message>", b"<q w='1' e='2'/></message>") if limits.names == 6 else big
    assert [facts(event) for event in feed_all(parser, [big])] == _parsed(big, limits)


def test_a_message_is_read_without_a_parser_once_its_shape_is_known() -> None:
    pool = ParserPool()
    parser = StreamParser(pool)
    feed_all(parser, [HEADER, _message(_TEMPLATES[4], [b"", b"k" * 170])])
    pool.take = None  # type: ignore[assignment,method-assign]  # whoever needs a parser fails
    (stanza,) = parser.feed(_message(_TEMPLATES[4], [b"", b"x" * 99]))
    assert isinstance(stanza, Stanza)
    assert stanza.children == ["{eu}encrypted"]


def test_made_up_shapes_do_not_pile_up() -> None:
    pool = ParserPool()
    parser = StreamParser(pool)
    feed_all(parser, [HEADER])
    for number in range(3000):
        feed_all(parser, [b"<message><x%d/></message>" % number])
    assert sum(map(len, pool.shapes._known.values())) <= 8
