"""Any byte string, split anywhere, gives the same stanzas and the same error, in bounded memory."""

from __future__ import annotations

import gc
import tracemalloc
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st
from wire_streams import HEADER, SMALL, broken, cut, documents, facts, feed_all, tree, trees

from kith.wire.errors import StreamError
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool, StreamClosed, StreamOpened, StreamParser
from kith.wire.stanza import Stanza

_PLACES = st.lists(st.integers(0, 1500), max_size=12)
_ANY = (
    documents()
    | broken()
    | st.binary(max_size=60)
    | st.binary(max_size=60).map(lambda data: HEADER + data)
    | st.text("<>/='\" \n\r&;!-[]?xmlns:stream", max_size=40).map(lambda text: HEADER + text.encode())
)


@given(_ANY, _PLACES)
@example(HEADER + b"a<presence/>", [])
@example(HEADER + b"<presence/>\x0b<presence/>", [])
@example(HEADER + b"<presence/></stream:stream><presence/>", [])
@example(HEADER + b"<a b='" + b"c" * 400 + b"'/>", [])
@example(HEADER + b"<a>" + b"c" * 800 + b"<!---->", [])
def test_where_bytes_are_split_makes_no_difference(data: bytes, places: list[int]) -> None:
    pool = ParserPool(SMALL)
    whole = [facts(event) for event in feed_all(StreamParser(pool), [data])]
    in_pieces = feed_all(StreamParser(pool), cut(data, places))
    assert [facts(event) for event in in_pieces] == whole
    in_bytes = feed_all(StreamParser(pool), [data[at : at + 1] for at in range(len(data))])
    assert [facts(event) for event in in_bytes] == whole


@given(_ANY, _PLACES)
def test_what_waits_is_never_more_than_a_stanza_may_have(data: bytes, places: list[int]) -> None:
    parser = StreamParser(ParserPool(SMALL))
    for chunk in cut(data, places):
        feed_all(parser, [chunk])
        assert len(parser._pending) <= SMALL.stanza_bytes


@given(documents(), _PLACES)
def test_a_valid_stream_gives_the_trees_that_elementtree_reads(document: bytes, places: list[int]) -> None:
    parser = StreamParser(ParserPool(Limits(names=1000, attributes=100)))
    opened, *events, closed = feed_all(parser, cut(document, places))
    assert isinstance(opened, StreamOpened)
    assert isinstance(closed, StreamClosed)
    root = ElementTree.fromstring(document)
    assert (opened.tag, opened.attrs) == (root.tag, root.attrib)
    read = []
    for event in events:
        assert isinstance(event, Stanza), facts(event)
        assert event.children == [child.tag for child in event.element]
        assert event.attrs == event.element.attrib
        read.append(tree(event.element))
    assert read == trees(document)


@given(documents())
def test_a_stanza_that_is_sent_on_stored_or_changed_keeps_its_tree(document: bytes) -> None:
    for event in feed_all(StreamParser(ParserPool()), [document]):
        if not isinstance(event, Stanza) or not event.kind:
            continue
        expected = tree(event.element)
        sent = HEADER + event.to_bytes() + b"</stream:stream>"
        assert trees(sent) == [expected]
        stored = Stanza.from_bytes(event.to_bytes())
        assert tree(stored.element) == expected
        event.replace_children(event.element)
        assert tree(event.element) == expected


@given(st.lists(_ANY, min_size=2, max_size=6), _PLACES, st.randoms(use_true_random=False))
def test_streams_that_share_a_pool_do_not_see_each_other(
    streams: list[bytes], places: list[int], random
) -> None:
    pool = ParserPool(SMALL)
    parsers = [StreamParser(pool) for _ in streams]
    waiting = [cut(data, places) for data in streams]
    seen: list[list[object]] = [[] for _ in streams]
    while any(waiting):
        at = random.choice([at for at, chunks in enumerate(waiting) if chunks])
        seen[at] += map(facts, feed_all(parsers[at], [waiting[at].pop(0)]))
    for data, events in zip(streams, seen, strict=True):
        assert events == [facts(event) for event in feed_all(StreamParser(ParserPool(SMALL)), [data])]


@given(st.lists(broken() | documents(ordinary=True), max_size=5))
def test_a_pool_after_any_traffic_reads_a_stream_as_a_new_one_does(before: list[bytes]) -> None:
    pool = ParserPool(SMALL, keep=1)
    for data in before:
        feed_all(StreamParser(pool), [data[:-5], data[-5:]])
    stream = [HEADER, b"<message id='1'><body>a</body></message>", b" ", b"<iq/>", b"<p:x/>"]
    events = feed_all(StreamParser(pool), stream)
    assert [facts(event) for event in events] == [
        facts(event) for event in feed_all(StreamParser(ParserPool(SMALL)), stream)
    ]
    assert isinstance(events[-1], StreamError)
    assert events[-1].condition == "bad-namespace-prefix"


def _peak(limits: Limits, chunks: list[bytes]) -> int:
    """The most memory in use, in bytes, without the garbage collector's help."""
    parser = StreamParser(ParserPool(limits))
    gc.disable()
    tracemalloc.start()
    try:
        for chunk in chunks:
            feed_all(parser, [chunk])
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        gc.enable()


def test_endless_input_of_any_kind_takes_bounded_memory() -> None:
    limits = Limits(stanza_bytes=64 * 1024)
    endless = [
        (b"<message><body>", b"text "),
        (b"<message a='", b"value "),
        (b"<message>", b"<a>"),
        (b"<message>", b"<a/>"),
        (b"<message><![CDATA[", b"data "),
        (b"<message><!--", b"comment "),
        (b"<message>&", b"entity"),
        (b"<message></", b"end"),
        (b"", b"   \n"),
        (b"", b"text "),
        (b"", b"<presence/>"),
    ]
    for start, more in endless:
        chunks = [HEADER, start] + [more * 100] * 5000
        assert _peak(limits, chunks) < 2 << 20, (start, more)
    for start in (b"", b"<?xml", b"<!--", b"<!DOCTYPE", b"<stream:stream ", b"\xef\xbb\xbf", b"   "):
        assert _peak(limits, [start] + [b"    " * 100] * 5000) < 1 << 20, start


def test_names_that_peers_make_up_do_not_pile_up() -> None:
    for header in (HEADER, b"<s:stream xmlns:s='http://etherx.jabber.org/streams' xmlns='jabber:client'>"):
        chunks = [
            b"".join(b"<n%d p%d='' xmlns:x%d='urn:%d'/>" % ((1000 * turn + at,) * 4) for at in range(1000))
            for turn in range(30)
        ]
        assert _peak(Limits(), [header, *chunks]) < 4 << 20
        assert _peak(Limits(), [header, *(b"<iq>%b</iq>" % chunk for chunk in chunks)]) < 4 << 20


def test_streams_that_come_and_go_leave_nothing_behind() -> None:
    pool = ParserPool()
    endings = (b"", b"<presence", b"<p:x/>", b"</stream:stream>", b"<presence/>", b"\xff")

    def visits(count: int) -> None:
        for turn in range(count):
            feed_all(StreamParser(pool), [HEADER[:40], HEADER[40:], endings[turn % len(endings)]])
            feed_all(
                StreamParser(pool), [HEADER.replace(b"stream:", b"s:").replace(b":stream=", b":s="), b"<a/>"]
            )

    visits(100)
    gc.disable()
    tracemalloc.start()
    try:
        visits(1000)
        assert tracemalloc.get_traced_memory()[0] < 64 << 10
    finally:
        tracemalloc.stop()
        gc.enable()
