"""Parses bytes into stanzas, without I/O (RFC 6120 §4 and §11; RFC 7395 for frames).

Expat checks that the XML is well-formed and within the limits (`kith.wire.pool`). A stanza keeps its bytes if
they are in canonical form (`kith.wire.canonical`), and is serialized again if not.
"""

from __future__ import annotations

import re
from xml.etree import ElementTree

from kith.wire.canonical import is_canonical
from kith.wire.errors import StreamError
from kith.wire.pool import HEADER, Parser, ParserPool, Seen, StreamClosed, StreamOpened, text_between
from kith.wire.serialize import escape_attribute, serialize_children
from kith.wire.stanza import Stanza

__all__ = ["Event", "ParserPool", "StreamClosed", "StreamOpened", "StreamParser"]

_START_TAG = re.compile(rb"<(?:[^'\">]++|'[^']*+'|\"[^\"]*+\")*>")
_NAME = re.compile(rb"<([^\s/>]+)")
#: White space in XML. `bytes.isspace` would also accept form feeds.
_SPACE = b" \t\r\n"
_MESSAGE_END = b"</message>"

#: What `StreamParser.feed` returns. A StreamError comes last, if the bytes after complete stanzas are wrong.
Event = Stanza | StreamOpened | StreamClosed | StreamError


class StreamParser:
    """The parser of one stream: takes bytes, returns events (RFC 6120 §4).

    The result does not depend on how the bytes are split. It takes memory only for an unfinished stanza: at
    most `Limits.stanza_bytes`, and what expat stores of its names.
    """

    __slots__ = ("_base", "_header", "_opened", "_over", "_parser", "_pending", "_pool")

    def __init__(self, pool: ParserPool, opened: bool = False) -> None:
        """``opened``: no stream header is expected (RFC 7395 §3.3.1)."""
        self._pool = pool
        self._parser: Parser | None = None
        self._header = HEADER
        self._opened = opened
        self._over = False
        self._pending: bytes | bytearray = b""
        self._base = 0  # expat's byte index of the first pending byte

    def reset(self) -> None:
        """Expects a new stream header, after STARTTLS or SASL (RFC 6120 §4.3.3).

        Raises StreamError if the peer has already sent something after the negotiation.
        """
        if self._parser is not None or self._over:
            raise StreamError("not-well-formed", "data before the stream was restarted")
        self._opened, self._header = False, HEADER

    @property
    def between(self) -> bool:
        """Whether there is no unfinished stanza."""
        return self._parser is None

    def feed(self, data: bytes) -> list[Event]:
        """Returns the events that ``data`` completes. None follow StreamClosed.

        If the bytes after them are wrong, the last event is a StreamError. If there are no events, the
        StreamError is raised. After an error, the stream is over: further bytes are ignored.
        """
        events: list[Event] = []
        try:
            while data and not self._over:
                parser = self._parser
                if parser is None:
                    data = data.lstrip(_SPACE)
                    if self._opened and self._header is HEADER:
                        data = self._pool.shapes.read(data, events)
                    if not data:
                        break
                    parser = self._pool.take(self._header) if self._opened else self._pool.fresh()
                    self._parser = parser
                    self._base = parser.fed
                # At most one byte more than a limit, so that limits do not depend on how bytes are split
                limits = self._pool.limits
                room = min(limits.tag_bytes - parser.unread, limits.stanza_bytes - len(self._pending)) + 1
                if self._pending and (close := data.find(_MESSAGE_END)) >= 0:
                    room = min(room, close + len(_MESSAGE_END))  # the next one may have a known shape
                if len(data) <= room:
                    self._read(parser, data, events)
                    break
                self._read(parser, data[:room], events)
                data = data[room:]
        except StreamError as error:
            self._end()
            if not events:
                raise
            events.append(error.with_traceback(None))
        return events

    def _end(self) -> None:
        self._over = True
        if self._parser is not None:
            self._parser.release()
            self._parser = None
        self._pending = b""

    def __del__(self) -> None:
        if self._parser is not None:
            self._parser.release()

    def _read(self, parser: Parser, data: bytes, events: list[Event]) -> None:
        """Appends the events that ``data`` completes. Raises StreamError."""
        pending = self._pending
        if pending:
            pending += data
        else:
            pending = data
        failure = None
        try:
            parser.parse(data)
        except StreamError as error:
            failure = error
        limits = parser.limits
        base = self._base
        done = 0
        if parser.found:
            whole = bytes(pending)
            for seen in parser.found:
                if seen.__class__ is tuple:
                    stanza, begin, end = _cut(whole, base, seen, parser)
                    if done != begin and whole[done:begin].strip(_SPACE):
                        raise text_between()
                    done = end
                    if done - begin > limits.stanza_bytes:
                        raise StreamError("policy-violation", "stanza is too big")
                    events.append(stanza)
                    if stanza.kind == "message" and parser.ordinary:
                        self._pool.shapes.learn(stanza)
                elif isinstance(seen, StreamOpened):
                    done = self._open(whole, parser)
                    events.append(seen)
                else:
                    if whole[done : parser.closed_at - base].strip(_SPACE):
                        raise text_between()
                    events.append(StreamClosed())
                    self._end()
                    return
            parser.found.clear()
        if parser.depth and self._opened:
            # What comes before the next stanza, as far as expat has read it
            upto = (parser.start if parser.depth > 1 else parser.expat.CurrentByteIndex) - base
            if upto > done:
                gap = pending[done:upto].lstrip(_SPACE)
                if gap and gap[:1] != b"<":  # expat reports what begins with "<" itself
                    raise text_between()
                done = upto
        if failure is not None:
            try:
                raise failure
            finally:
                del failure  # otherwise it would refer to itself through this frame
        if done == len(pending) and parser.depth == 1:
            self._parser = None
            self._pending = b""
            self._pool.give(parser)
            return
        if len(pending) - done > limits.stanza_bytes:
            raise StreamError("policy-violation", "stanza is too big")
        if parser.unread > limits.tag_bytes:
            raise StreamError("policy-violation", "tag is too long")
        self._pending = bytearray(pending[done:]) if done or pending is data else pending
        self._base = base + done

    def _open(self, data: bytes, parser: Parser) -> int:
        """Stores the stream header. Returns the index after it."""
        tag = _START_TAG.match(data, parser.opened_at - self._base)
        name = _NAME.match(data, parser.opened_at - self._base)
        if tag is None or name is None or b"\0" in tag[0]:  # expat recognizes UTF-16
            raise StreamError("unsupported-encoding")
        if tag.end() > parser.limits.stanza_bytes:
            raise StreamError("policy-violation", "stream header is too big")
        self._opened = True
        if not parser.ordinary:
            self._header = b"<%b%b>" % (name[1], _declarations(parser.namespaces))
        return tag.end()


def _declarations(namespaces: dict[str, str]) -> bytes:
    return "".join(
        f" xmlns{':' + prefix if prefix else ''}='{escape_attribute(uri)}'"
        for prefix, uri in namespaces.items()
    ).encode()


def _cut(data: bytes, base: int, seen: Seen, parser: Parser) -> tuple[Stanza, int, int]:
    """The stanza, the index of its first byte, and the index after its last byte."""
    begin, close, tag, attrs, children = seen
    begin -= base
    close -= base
    match = _START_TAG.match(data, begin)
    if match is None:  # expat has seen the tag, so this can't happen
        raise StreamError("internal-server-error")
    inside = match.end()
    if data[inside - 2] == 0x2F:  # "/>": expat reports the end of an empty tag as its closing tag
        return Stanza(tag, attrs, b"", children), begin, inside
    inner = data[inside:close]
    end = data.index(b">", close) + 1
    if (
        not parser.ordinary
        or data.find(b"xmlns:", begin, inside) >= 0
        or (children and not tag.startswith("{jabber:client}"))
        or not is_canonical(inner)
    ):
        return _alone(data[begin:end], tag, attrs, inner, children, parser.namespaces), begin, end
    return Stanza(tag, attrs, inner, children), begin, end


def _alone(
    raw: bytes, tag: str, attrs: dict[str, str], inner: bytes, children: list[str], declared: dict[str, str]
) -> Stanza:
    """A stanza whose content needs namespace declarations from outside, or is not in canonical form."""
    tree = ElementTree.fromstring(b"<w%b>%b</w>" % (_declarations(declared), raw))[0]
    stanza = Stanza(tag, attrs, inner, children, element=tree)
    if stanza.kind:  # a stanza, which may be passed on
        stanza.inner = serialize_children(tree)
    return stanza
