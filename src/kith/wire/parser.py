"""Bytes to stanzas, sans I/O (RFC 6120 §4 and §11, RFC 7395 for frames).

Expat checks that the XML is well-formed and within bounds; the stanza keeps the bytes as they came.
Between two stanzas a parser's state is the same for every ordinary stream, so parsers live in a
pool and an idle stream holds none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree
from xml.parsers import expat

from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.serialize import escape_attribute, serialize_children
from kith.wire.stanza import Stanza

_HEADER = f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAMS}'>".encode()
_START_TAG = re.compile(rb"<(?:[^'\">]|'[^']*'|\"[^\"]*\")*>")
_RESTRICTED = {
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY],
    expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI],
}
_UNBOUND_PREFIX = expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_ENCODINGS = {"utf-8", "utf8"}


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what one stream may send."""

    stanza_bytes: int = 512 * 1024
    depth: int = 64
    attributes: int = 64
    tag_bytes: int = 16 * 1024


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """The stream header: ``tag`` in Clark notation and the attributes."""

    tag: str
    attrs: dict[str, str]
    default_namespace: str


class StreamClosed:
    """The peer's closing tag."""


Event = Stanza | StreamOpened | StreamClosed


def _clark(name: str) -> str:
    return "{" + name if "}" in name else name


def _raise_restricted(*_: Any) -> None:
    raise StreamError("restricted-xml")


class Parser:
    """An expat parser that stands inside a stream. `ParserPool` makes and keeps them."""

    __slots__ = (
        "attrs",
        "children",
        "count",
        "depth",
        "ends",
        "events",
        "expat",
        "fed",
        "limits",
        "namespaces",
        "ordinary",
        "start",
        "tag",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.depth = 0
        self.fed = 0
        self.ordinary = False
        self.events: list[tuple[int, int, str, dict[str, str], list[str]] | StreamOpened | StreamClosed] = []
        self.namespaces: dict[str, str] = {}
        self.start = 0
        self.tag = ""
        self.attrs: dict[str, str] = {}
        self.children: list[str] = []
        parser = expat.ParserCreate("utf-8", "}")
        self.expat = parser
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartNamespaceDeclHandler = self._namespace
        parser.XmlDeclHandler = self._declaration
        parser.CommentHandler = _raise_restricted
        parser.ProcessingInstructionHandler = _raise_restricted
        parser.StartDoctypeDeclHandler = _raise_restricted

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise StreamError("unsupported-encoding")

    def _namespace(self, prefix: str | None, uri: str) -> None:
        if self.depth == 0:
            self.namespaces[prefix or ""] = uri

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        depth = self.depth = self.depth + 1
        if len(attrs) > self.limits.attributes:
            raise StreamError("policy-violation", "too many attributes")
        if depth == 3:
            self.children.append("{" + name if "}" in name else name)
        elif depth == 2:
            self.start = self.expat.CurrentByteIndex
            self.tag = _clark(name)
            self.attrs = {_clark(key): value for key, value in attrs.items()} if attrs else {}
            self.children = []
        elif depth == 1:
            self.expat.StartNamespaceDeclHandler = None
            self.ordinary = self.namespaces in (
                {"": ns.CLIENT, "stream": ns.STREAMS},
                {"": ns.CLIENT, "stream": ns.STREAMS, "xml": ns.XML},
            )
            header = {_clark(key): value for key, value in attrs.items()}
            self.events.append(StreamOpened(_clark(name), header, self.namespaces.get("", "")))
        elif depth > self.limits.depth:
            raise StreamError("policy-violation", "nested too deep")

    def _end(self, name: str) -> None:
        depth = self.depth = self.depth - 1
        if depth == 1:
            self.events.append((self.start, self.expat.CurrentByteIndex, self.tag, self.attrs, self.children))
        elif depth == 0:
            self.events.append(StreamClosed())

    def parse(self, data: bytes) -> None:
        """Feeds expat. Raises StreamError."""
        self.fed += len(data)
        try:
            self.expat.Parse(data, False)
        except expat.ExpatError as error:
            if error.code in _RESTRICTED:
                raise StreamError("restricted-xml") from None
            if error.code == _UNBOUND_PREFIX:
                raise StreamError("bad-namespace-prefix") from None
            raise StreamError("not-well-formed", expat.ErrorString(error.code)) from None


class ParserPool:
    """Parsers for ordinary streams, shared by all that are between two stanzas.

    A parser retires after ``retire_bytes``, so that names which peers made up do not pile up in it.
    """

    def __init__(self, limits: Limits | None = None, keep: int = 64, retire_bytes: int = 8 << 20) -> None:
        self.limits = limits or Limits()
        self._keep = keep
        self._retire = retire_bytes
        self._free: list[Parser] = []

    def take(self) -> Parser:
        """A parser that stands just after an ordinary stream header."""
        if self._free:
            return self._free.pop()
        parser = Parser(self.limits)
        parser.parse(_HEADER)
        parser.events.clear()
        return parser

    def give(self, parser: Parser) -> None:
        """Takes back a parser that stands between two stanzas."""
        if parser.ordinary and parser.fed < self._retire and len(self._free) < self._keep:
            self._free.append(parser)

    def fresh(self) -> Parser:
        """A parser that waits for a stream header."""
        return Parser(self.limits)


class StreamParser:
    """What one stream has sent: feed it bytes as they come, get events (RFC 6120 §4).

    Holds memory only for an unfinished stanza, at most `Limits.stanza_bytes`.
    """

    __slots__ = ("_base", "_opened", "_parser", "_pending", "_pool")

    def __init__(self, pool: ParserPool, opened: bool = False) -> None:
        """``opened``: there is no stream header to come (RFC 7395 §3.3.1)."""
        self._pool = pool
        self._parser: Parser | None = None
        self._opened = opened
        self._pending = b""
        self._base = 0  # expat's byte index of the first pending byte

    def reset(self) -> None:
        """A new stream header is expected (after STARTTLS or SASL, RFC 6120 §4.3.3).

        Raises StreamError if the peer sent more before that was agreed.
        """
        if self._pending.strip():
            raise StreamError("not-well-formed", "data before the stream was restarted")
        self._parser, self._opened, self._pending = None, False, b""

    @property
    def between(self) -> bool:
        """Whether all that was fed is complete."""
        return not self._pending

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes. Raises StreamError; the parser is of no use afterwards."""
        parser = self._parser
        if parser is None:
            if not self._pending and data.isspace():
                return []
            if self._opened:
                parser = self._pool.take()
            else:
                parser = self._pool.fresh()
                data = data.lstrip() if not self._pending else data
            self._parser = parser
            self._base = parser.fed
        pending = self._pending + data if self._pending else data
        limits = self._pool.limits
        try:
            parser.parse(data)
        except StreamError:
            self._parser = None
            raise
        found = parser.events
        events: list[Event] = []
        done = 0
        if found:
            base = self._base
            for event in found:
                if event.__class__ is tuple:
                    begin, close, tag, attrs, children = event
                    begin -= base
                    close -= base
                    gap = pending[done:begin]
                    if gap and not gap.isspace():
                        raise StreamError("not-well-formed", "text between stanzas")
                    stanza, done = _cut(pending, begin, close, tag, attrs, children, parser.ordinary, parser)
                    if done - begin > limits.stanza_bytes:
                        raise StreamError("policy-violation", "stanza is too big")
                    events.append(stanza)
                elif isinstance(event, StreamOpened):
                    match = _START_TAG.search(
                        pending, pending.find(b"<stream") if b"<stream" in pending else 0
                    )
                    if match is None or b"<?xml" in match.group():
                        match = _header_tag(pending)
                    done = match.end() if match else len(pending)
                    self._opened = True
                    events.append(event)
                elif isinstance(event, StreamClosed):
                    done = len(pending)
                    self._parser = None
                    events.append(event)
            found.clear()
        rest = pending[done:] if done else pending
        if parser.depth == 1 and (not rest or rest.isspace()):
            self._pending = b""
            if parser.ordinary:
                self._parser = None
                self._pool.give(parser)
            else:
                self._base = parser.fed
        else:
            if len(rest) > limits.stanza_bytes:
                raise StreamError("policy-violation", "stanza is too big")
            if self._parser is not None:
                # CurrentByteIndex stands at the first byte that expat could not use yet
                if parser.fed - parser.expat.CurrentByteIndex > limits.tag_bytes and _in_tag(
                    rest[parser.expat.CurrentByteIndex - parser.fed :]
                ):
                    raise StreamError("policy-violation", "tag is too long")
            self._base = parser.fed - len(rest)
            self._pending = rest
        return events


def _in_tag(unparsed: bytes) -> bool:
    return unparsed[:1] == b"<" and _START_TAG.match(unparsed) is None


def _header_tag(data: bytes) -> re.Match[bytes] | None:
    """The stream header's tag, after an XML declaration if there is one."""
    after = data.find(b"?>")
    return _START_TAG.search(data, after + 2 if data.lstrip().startswith(b"<?xml") else 0)


def _cut(
    data: bytes,
    begin: int,
    close: int,
    tag: str,
    attrs: dict[str, str],
    children: list[str],
    ordinary: bool,
    parser: Parser,
) -> tuple[Stanza, int]:
    """The stanza between ``begin`` and the closing tag at ``close``, and the index behind it."""
    match = _START_TAG.match(data, begin)
    if match is None:  # expat has seen the tag, so this cannot be
        raise StreamError("internal-server-error")
    inside = match.end()
    if data[inside - 2] == 0x2F:  # "/>": expat reports the end of an empty tag as its closing tag
        return Stanza(tag, attrs, b"", children), inside
    inner = data[inside:close]
    end = data.index(b">", close) + 1
    head = data[begin:inside]
    if (
        not ordinary
        or b"stream:" in inner
        or b"xmlns:" in head
        or (not tag.startswith("{jabber:client}") and children)
    ):
        inner = _canonical(head + inner + data[close:end], parser)
    return Stanza(tag, attrs, inner, children), end


def _canonical(raw: bytes, parser: Parser) -> bytes:
    """The inside of an element that leans on declarations outside of it, made to stand alone."""
    if parser.ordinary:
        declared = {"": ns.CLIENT, "stream": ns.STREAMS}
    else:
        declared = parser.namespaces
    wrap = "".join(
        f" xmlns{':' + prefix if prefix else ''}='{escape_attribute(uri)}'"
        for prefix, uri in declared.items()
        if prefix != "xml"
    )
    tree = ElementTree.fromstring(f"<w{wrap}>".encode() + raw + b"</w>")[0]
    return serialize_children(tree)
