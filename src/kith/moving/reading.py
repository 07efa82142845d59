"""Reads a file of XEP-0227 in pieces, so that memory does not depend on its size.

A file comes from another server, but what is in it was written by that server's users. So XML is as
restricted as on a stream (RFC 6120 §11): no DTD, no entities, and limits for all that has to be kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import BinaryIO, NamedTuple
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from kith.moving import names

#: Maximum size of one piece, such as a contact, an item or a message, in bytes, and its depth and elements.
MAX_PIECE = 2 * 1024 * 1024
_MAX_DEPTH = 100
_MAX_ELEMENTS = 50_000
_CHUNK = 64 * 1024
#: Limits for what expat has to keep: an unfinished tag, a name, and different names of one file.
_MAX_TAG = 1024 * 1024
_MAX_NAME = 1024
_MAX_NAMES = 100_000
_ENCODINGS = ("utf-8", "utf8", "us-ascii")


class ReadError(Exception):
    """A file can't be read any further. The text is one line for the operator."""


class Level(Enum):
    """Where in a file an element is."""

    DOCUMENT = "document"
    SERVER = "server-data"
    HOST = "host"
    USER = "user"
    ROOM = "room"
    LIST = "list"


class HostOpened(NamedTuple):
    """The accounts of a domain follow."""

    jid: str


class UserOpened(NamedTuple):
    """The data of an account follow. ``password``: as plain text, or None."""

    name: str
    password: str | None


class UserClosed(NamedTuple):
    """The account is complete."""


class RoomOpened(NamedTuple):
    """The data of a room follow: of the local part ``name``, on the domain of the last `HostOpened`."""

    name: str


class RoomClosed(NamedTuple):
    """The room is complete."""


class Include(NamedTuple):
    """Another file belongs here (XInclude). ``level``: where its root element belongs."""

    href: str
    level: Level
    whole: bool


class Part(NamedTuple):
    """A piece of the data of an account or a room.

    ``within``: the tag of the list that it is in, such as a roster, or empty. ``node``: the attribute of
    that list. ``element``: None if the piece exceeds a limit. ``size``: in bytes.
    """

    within: str
    node: str
    tag: str
    element: Element | None
    size: int


class Stray(NamedTuple):
    """An element that has no meaning at its place, and is left out."""

    tag: str


Event = HostOpened | UserOpened | UserClosed | RoomOpened | RoomClosed | Include | Part | Stray

#: Elements of an account whose children are the pieces.
_LISTS = frozenset(
    (
        *(names.ROSTER_TAG, names.PRIVATE_TAG, names.BLOCKLIST_TAG, names.NODES_TAG, names.PUBSUB_TAG),
        *(names.ARCHIVE_TAG, *(f"{{{namespace}}}offline-messages" for namespace in names.NAMESPACES)),
    )
)


def events(file: BinaryIO, level: Level = Level.DOCUMENT) -> Iterator[Event]:
    """What is in a file. ``level``: where its root element belongs. Raises ReadError, OSError."""
    parser = _Parser(level)
    while data := file.read(_CHUNK):
        parser.feed(data)
        yield from parser.taken()
    parser.feed(b"", final=True)
    yield from parser.taken()


def _clark(name: str) -> str:
    return "{" + name if "}" in name else name


class _Parser:
    """Expat with handlers that make events."""

    def __init__(self, level: Level) -> None:
        self._levels = [level]
        self._lists: list[tuple[str, str]] = []  # tag and node of the open lists
        self._found: list[Event] = []
        self._builder: TreeBuilder | None = None
        self._depth = 0  # within a piece, or within what is left out
        self._elements = 0
        self._begin = 0
        self._tag = ""
        self._fed = 0
        parser = expat.ParserCreate("utf-8", "}")
        if hasattr(parser, "SetReparseDeferralEnabled"):
            parser.SetReparseDeferralEnabled(False)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.StartDoctypeDeclHandler = _refuse_doctype
        parser.XmlDeclHandler = _check_encoding
        self._parser = parser

    def feed(self, data: bytes, final: bool = False) -> None:
        """Parses bytes. Raises ReadError."""
        self._fed += len(data)
        parser = self._parser
        try:
            parser.Parse(data, final)
        except expat.ExpatError as error:
            text = expat.ErrorString(error.code)
            raise ReadError(f"line {error.lineno} is not XML: {text}") from None
        if self._fed - max(parser.CurrentByteIndex, 0) > _MAX_TAG + _CHUNK:
            raise ReadError(f"line {parser.CurrentLineNumber} has a tag of more than {_MAX_TAG} bytes")
        if len(parser.intern) > _MAX_NAMES:
            raise ReadError(f"more than {_MAX_NAMES} different names of elements and attributes")

    def taken(self) -> list[Event]:
        """The events since the last call."""
        found, self._found = self._found, []
        return found

    def _start(self, name: str, attrs: dict[str, str]) -> None:
        if len(name) > _MAX_NAME or any(len(attr) > _MAX_NAME for attr in attrs):
            raise ReadError(f"line {self._parser.CurrentLineNumber} has a name that is too long")
        tag = _clark(name)
        if self._depth:
            self._inside(tag, attrs)
        elif tag == names.INCLUDE:
            whole = attrs.get("parse", "xml") == "xml" and "xpointer" not in attrs
            self._found.append(Include(attrs.get("href", ""), self._levels[-1], whole))
            self._skip()
        else:
            self._open(tag, attrs)

    def _open(self, tag: str, attrs: dict[str, str]) -> None:
        level = self._levels[-1]
        namespace, _, local = tag[1:].rpartition("}") if tag[0] == "{" else ("", "", tag)
        ours = local if namespace in names.NAMESPACES else ""
        if level is Level.DOCUMENT and ours == "server-data":
            self._levels.append(Level.SERVER)
        elif level in (Level.DOCUMENT, Level.SERVER) and ours == "host":
            self._levels.append(Level.HOST)
            self._found.append(HostOpened(attrs.get("jid", "")))
        elif level is Level.HOST and ours == "user":
            self._levels.append(Level.USER)
            self._found.append(UserOpened(attrs.get("name", ""), attrs.get("password")))
        elif level is Level.HOST and tag == names.ROOM_TAG:
            self._levels.append(Level.ROOM)
            self._found.append(RoomOpened(attrs.get("name", "")))
        elif level is Level.ROOM and tag == names.ARCHIVE_TAG:
            self._levels.append(Level.LIST)
            self._lists.append((tag, ""))
        elif level is Level.USER and tag in _LISTS:
            self._levels.append(Level.LIST)
            self._lists.append((names.OFFLINE_TAG if ours else tag, attrs.get("node", "")))
        elif level is Level.LIST and tag == names.ITEMS_TAG and self._lists[-1][0] == names.PUBSUB_TAG:
            self._levels.append(Level.LIST)
            self._lists.append((tag, attrs.get("node", "")))
        elif level in (Level.USER, Level.ROOM, Level.LIST):
            self._begin_piece(tag, attrs)
        else:
            self._found.append(Stray(tag))
            self._skip()

    def _begin_piece(self, tag: str, attrs: dict[str, str]) -> None:
        self._builder = TreeBuilder()
        self._builder.start(tag, {_clark(name): value for name, value in attrs.items()})
        self._begin = self._parser.CurrentByteIndex
        self._tag = tag
        self._depth = self._elements = 1

    def _skip(self) -> None:
        self._depth = 1

    def _inside(self, tag: str, attrs: dict[str, str]) -> None:
        self._depth += 1
        if self._builder is None:
            return
        self._elements += 1 + len(attrs)
        size = self._parser.CurrentByteIndex - self._begin
        if size > MAX_PIECE or self._depth > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            self._drop(size)
            return
        self._builder.start(tag, {_clark(name): value for name, value in attrs.items()})

    def _drop(self, size: int) -> None:
        """Gives up a piece that exceeds a limit, and leaves out the rest of it."""
        self._builder = None
        self._found.append(Part(*self._place(), self._tag, None, size))

    def _place(self) -> tuple[str, str]:
        return self._lists[-1] if self._lists else ("", "")

    def _text(self, text: str) -> None:
        if self._builder is not None:
            size = self._parser.CurrentByteIndex - self._begin
            if size > MAX_PIECE:
                self._drop(size)
            else:
                self._builder.data(text)

    def _end(self, name: str) -> None:
        if self._depth:
            self._depth -= 1
            if self._builder is not None:
                self._builder.end(_clark(name))
                if not self._depth:
                    size = self._parser.CurrentByteIndex - self._begin
                    self._found.append(Part(*self._place(), self._tag, self._builder.close(), size))
                    self._builder = None
            return
        level = self._levels.pop()
        if level is Level.LIST:
            self._lists.pop()
        elif level is Level.USER:
            self._found.append(UserClosed())
        elif level is Level.ROOM:
            self._found.append(RoomClosed())


def _refuse_doctype(*_: object) -> None:
    raise ReadError("it has a document type declaration, which such a file does not need")


def _check_encoding(version: str, encoding: str | None, standalone: int) -> None:
    if encoding is not None and encoding.lower() not in _ENCODINGS:
        raise ReadError(f"its encoding is {encoding}; convert it to UTF-8 first")
