"""The stream parser: the same for any split, for any pool, and as ElementTree reads it.

A file of the corpus is what a peer sends after its header. A line with ``%%`` stands between what an earlier
stream has sent over the same pool, from which it may have learned, and the stream itself.
"""

from __future__ import annotations

from xml.etree import ElementTree

from kith.wire.errors import StreamError
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool, StreamClosed, StreamParser
from kith.wire.stanza import Stanza
from tests.fuzz.world import HEADER, cut
from tests.wire.wire_streams import facts, feed_all, trees

LIMITS = Limits(stanza_bytes=4000, depth=10, attributes=10, names=100, tag_bytes=1500)
_CONDITIONS = frozenset(
    (
        "bad-format",
        "bad-namespace-prefix",
        "not-well-formed",
        "policy-violation",
        "restricted-xml",
        "unsupported-encoding",
    )
)
_END = b"</stream:stream>"


def run(data: bytes) -> None:
    before, separator, after = data.partition(b"\n%%\n")
    if not separator:
        before, after = b"", data
    taught = ParserPool(LIMITS)
    for _ in range(2):
        feed_all(StreamParser(taught), [HEADER + before])
    stream = HEADER + after
    events = feed_all(StreamParser(ParserPool(LIMITS)), [stream])
    expected = [facts(event) for event in events]
    for pieces in ([stream], cut(stream)):
        parser = StreamParser(taught)
        assert [facts(event) for event in feed_all(parser, pieces)] == expected
        assert len(parser._pending) <= LIMITS.stanza_bytes
    for event in events:
        if isinstance(event, StreamError):
            assert event.condition in _CONDITIONS, event
        elif isinstance(event, Stanza):
            assert event.children == [child.tag for child in event.element]
            if event.kind:
                assert Stanza.from_bytes(event.to_bytes()).children == event.children
    _agrees_with_elementtree(stream, events)


def _agrees_with_elementtree(stream: bytes, events: list[object]) -> None:
    """What it takes for a stream is one; and it takes all of it, unless a rule of XMPP forbids."""
    closed = isinstance(events[-1], StreamClosed)
    failed = isinstance(events[-1], StreamError)
    if failed:
        return
    document = stream if closed else stream + _END
    try:
        root = ElementTree.fromstring(document)
    except ElementTree.ParseError:
        # after the end of the stream nothing is looked at; before it, an unfinished stanza is no error
        assert closed or _unfinished(stream)
        return
    stanzas = [event for event in events if isinstance(event, Stanza)]
    assert len(stanzas) == len(root)
    if all("}" in stanza.tag for stanza in stanzas):
        assert [stanza.tag for stanza in stanzas] == [child.tag for child in root]
        assert [len(stanza.element) for stanza in stanzas] == [len(child) for child in trees_of(document)]


def trees_of(document: bytes) -> list[list[object]]:
    return [tree[3] for tree in trees(document)]


def _unfinished(stream: bytes) -> bool:
    """Whether a parser that sees no end waits for more."""
    parser = ElementTree.XMLPullParser()
    try:
        parser.feed(stream)
    except ElementTree.ParseError:
        return False
    return True
