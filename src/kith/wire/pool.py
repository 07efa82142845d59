"""Expat parsers, and the pool from which streams take them.

Between two stanzas, a parser's state is the same for every ordinary stream (RFC 6120 §4.8). So parsers are
shared in a pool, and an idle stream has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from kith.wire import ns
from kith.wire.errors import StreamError
from kith.wire.limits import Limits
from kith.wire.shapes import Shapes

HEADER = f"<stream:stream xmlns='{ns.CLIENT}' xmlns:stream='{ns.STREAMS}'>".encode()
_STREAM = ns.tag(ns.STREAMS, "stream")
_ORDINARY = {"": ns.CLIENT, "stream": ns.STREAMS}
_RESTRICTED = {
    expat.errors.codes[expat.errors.XML_ERROR_UNDEFINED_ENTITY],
    expat.errors.codes[expat.errors.XML_ERROR_MISPLACED_XML_PI],
}
_UNBOUND_PREFIX = expat.errors.codes[expat.errors.XML_ERROR_UNBOUND_PREFIX]
_ENCODINGS = {"utf-8", "utf8"}


@dataclass(frozen=True, slots=True)
class StreamOpened:
    """A stream header: its ``tag`` in Clark notation, and its attributes."""

    tag: str
    attrs: dict[str, str]
    default_namespace: str


class StreamClosed:
    """The closing tag of the stream."""


#: A stanza as expat saw it: index of its first byte, of its closing tag, then tag, attributes, children.
Seen = tuple[int, int, str, dict[str, str], list[str]]


def text_between() -> StreamError:
    return StreamError("bad-format", "text between stanzas")


def _clark(name: str) -> str:
    return "{" + name if "}" in name else name


def _raise_restricted(*_: Any) -> None:
    raise StreamError("restricted-xml")


class Parser:
    """An expat parser inside a stream, or before its header."""

    __slots__ = (
        "attrs",
        "children",
        "closed_at",
        "depth",
        "expat",
        "fed",
        "found",
        "limits",
        "names",
        "namespaces",
        "opened_at",
        "ordinary",
        "start",
        "tag",
    )

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.depth = 0
        self.fed = 0
        self.ordinary = False
        self.found: list[Seen | StreamOpened | StreamClosed] = []
        self.namespaces: dict[str, str] = {}
        self.opened_at = 0
        self.closed_at = 0
        self.start = 0
        self.names = 0
        self.tag = ""
        self.attrs: dict[str, str] = {}
        self.children: list[str] = []
        parser = expat.ParserCreate("utf-8", "}")
        # Since 2.6.0, expat may keep an unfinished tag back until more has come, and with it the end of a
        # stanza; the price of reading one again and again is bounded by `Limits.tag_bytes`
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        self.expat = parser
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.StartNamespaceDeclHandler = self._namespace
        parser.StartCdataSectionHandler = self._cdata
        parser.XmlDeclHandler = self._declaration
        parser.CommentHandler = _raise_restricted
        parser.ProcessingInstructionHandler = _raise_restricted
        parser.StartDoctypeDeclHandler = _raise_restricted

    def _declaration(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise StreamError("unsupported-encoding")

    def _namespace(self, prefix: str | None, uri: str) -> None:
        if self.depth == 0 and prefix != "xml":
            self.namespaces[prefix or ""] = uri

    def _cdata(self) -> None:
        if self.depth == 1:
            raise text_between()

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        depth = self.depth = self.depth + 1
        if depth == 3:
            self.children.append("{" + name if "}" in name else name)
        elif depth == 2:
            self.start = self.expat.CurrentByteIndex
            self.tag = _clark(name)
            self.attrs = {_clark(key): value for key, value in attrs.items()} if attrs else {}
            self.children = []
            self.names = 0
        elif depth > self.limits.depth:
            raise StreamError("policy-violation", "nested too deep")
        self.names += 1
        if attrs:
            self.names += len(attrs)
            if len(attrs) > self.limits.attributes:
                raise StreamError("policy-violation", "too many attributes")
        if self.names > self.limits.names:
            raise StreamError("policy-violation", "too many elements")
        if depth == 1:
            self._open(name, attrs)

    def _open(self, name: str, attrs: dict[str, str]) -> None:
        self.expat.StartNamespaceDeclHandler = None
        self.opened_at = self.expat.CurrentByteIndex
        tag = _clark(name)
        self.ordinary = tag == _STREAM and self.namespaces == _ORDINARY
        header = {_clark(key): value for key, value in attrs.items()}
        self.found.append(StreamOpened(tag, header, self.namespaces.get("", "")))

    def _end(self, name: str) -> None:
        depth = self.depth = self.depth - 1
        if depth == 1:
            self.found.append((self.start, self.expat.CurrentByteIndex, self.tag, self.attrs, self.children))
        elif depth == 0:
            self.closed_at = self.expat.CurrentByteIndex
            self.found.append(StreamClosed())

    def parse(self, data: bytes) -> None:
        """Parses bytes. Raises StreamError."""
        self.fed += len(data)
        code = 0
        try:
            self.expat.Parse(data, False)
        except expat.ExpatError as error:
            code = error.code
        if code:  # raised outside of the handler, since an error with a context keeps frames alive
            if code in _RESTRICTED:
                raise StreamError("restricted-xml")
            if code == _UNBOUND_PREFIX:
                raise StreamError("bad-namespace-prefix")
            raise StreamError("not-well-formed", expat.ErrorString(code))

    def release(self) -> None:
        """Breaks the reference cycle with expat, so that memory is freed at once."""
        parser = self.expat
        parser.StartElementHandler = None
        parser.EndElementHandler = None
        parser.StartNamespaceDeclHandler = None
        parser.StartCdataSectionHandler = None
        parser.XmlDeclHandler = None

    @property
    def unread(self) -> int:
        """The number of bytes at the end of the input that are an unfinished tag or other markup."""
        return self.fed - max(self.expat.CurrentByteIndex, 0)


class ParserPool:
    """Parsers for ordinary streams, for streams to use while they read a stanza.

    Expat never forgets a name. So a parser is discarded after ``retire_bytes`` bytes or ``retire_names``
    names, or names that peers make up would accumulate.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        keep: int = 16,
        retire_bytes: int = 256 * 1024,
        retire_names: int = 4096,
    ) -> None:
        self.limits = limits or Limits()
        self.shapes = Shapes(self.limits)
        self._keep = keep
        self._retire_bytes = retire_bytes
        self._retire_names = retire_names
        self._free: list[Parser] = []

    def take(self, header: bytes = HEADER) -> Parser:
        """A parser in the state after a stream header."""
        if self._free and header is HEADER:
            return self._free.pop()
        parser = Parser(self.limits)
        parser.parse(header)
        parser.found.clear()
        return parser

    def give(self, parser: Parser) -> None:
        """Returns a parser that is between two stanzas to the pool, or discards it."""
        if (
            parser.ordinary
            and parser.fed < self._retire_bytes
            and len(self._free) < self._keep
            and len(parser.expat.intern) < self._retire_names
        ):
            self._free.append(parser)
        else:
            parser.release()

    def fresh(self) -> Parser:
        """A new parser, before the stream header."""
        return Parser(self.limits)
