"""A stanza: its head as attributes, its inside as bytes in the server's own form (`kith.wire.canonical`).

Routing needs the head and the names of the children; an inside that came in that form is copied, not
rebuilt. Whoever needs the tree (`Stanza.element`) gets it parsed on first use.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from kith.wire import ns
from kith.wire.canonical import parse_children
from kith.wire.errors import StanzaError
from kith.wire.serialize import attributes, serialize, serialize_children

LANG = ns.tag(ns.XML, "lang")
_MESSAGE = ns.tag(ns.CLIENT, "message")
_PRESENCE = ns.tag(ns.CLIENT, "presence")
_IQ = ns.tag(ns.CLIENT, "iq")
_NAMES = {_MESSAGE: "message", _PRESENCE: "presence", _IQ: "iq"}


class Stanza:
    """One child of a stream: message, presence, iq, or an element of a negotiation.

    ``tag`` is the Clark name; ``inner`` are the serialised children in a ``jabber:client`` context (as they
    came, in an element of a negotiation); ``children`` their Clark names. ``head`` are the attributes as they
    were written, or None: who changes ``attrs`` of such a stanza does it by `stamp`. ``element`` is the tree,
    if it was parsed already.
    """

    __slots__ = ("_element", "_head", "attrs", "children", "inner", "kind", "tag")

    def __init__(
        self,
        tag: str,
        attrs: dict[str, str],
        inner: bytes,
        children: list[str],
        head: bytes | None = None,
        element: Element | None = None,
    ) -> None:
        self.tag = tag
        self._head = head
        self.kind = _NAMES.get(tag, "")
        self.attrs = attrs
        self.inner = inner
        self.children = children
        self._element = element

    @classmethod
    def build(cls, kind: str, attrs: Mapping[str, str | None], *children: Element) -> Stanza:
        """A stanza of the server's own: ``kind`` is message, presence or iq; None attributes are left out."""
        return cls(
            ns.tag(ns.CLIENT, kind),
            {name: value for name, value in attrs.items() if value is not None},
            b"".join(map(serialize, children)),
            [child.tag for child in children],
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Stanza:
        """A stanza from bytes that the server itself has stored."""
        return cls.from_element(parse_children(data)[0])

    @classmethod
    def from_element(cls, element: Element) -> Stanza:
        return cls(
            element.tag, dict(element.attrib), serialize_children(element), [child.tag for child in element]
        )

    def stamp(self, name: str, value: str) -> None:
        """Sets an attribute in the server's name."""
        if self._head is not None:
            self._head = None if name in self.attrs else self._head + attributes({name: value}).encode()
        self.attrs[name] = value

    @property
    def type(self) -> str:
        return self.attrs.get("type", "")

    @property
    def id(self) -> str:
        return self.attrs.get("id", "")

    @property
    def element(self) -> Element:
        """The tree. Changes to it do not change the stanza: call `replace_children` for that."""
        if self._element is None:
            tree = parse_children(self.inner)
            tree.tag = self.tag
            tree.attrib.update(self.attrs)
            self._element = tree
        return self._element

    def replace_children(self, element: Element) -> None:
        """Takes over the children of ``element``."""
        self.inner = serialize_children(element)
        self.children = [child.tag for child in element]
        self._element = None

    def child(self, tag: str) -> Element | None:
        """The first direct child of that Clark name, or None; parses only if there is one."""
        return self.element.find(tag) if tag in self.children else None

    def to_bytes(self) -> bytes:
        """The stanza as it stands inside a stream whose default namespace is ``jabber:client``."""
        name = self.kind.encode()
        head = self._head
        return b"<%b%b>%b</%b>" % (
            name,
            head if head is not None else attributes(self.attrs).encode(),
            self.inner,
            name,
        )

    def reply(self, *children: Element) -> Stanza:
        """The result of an iq (RFC 6120 §8.2.3), or any stanza sent back."""
        return Stanza.build(
            self.kind,
            {
                "type": "result" if self.kind == "iq" else self.attrs.get("type"),
                "id": self.attrs.get("id"),
                "from": self.attrs.get("to"),
                "to": self.attrs.get("from"),
            },
            *children,
        )

    def error(self, error: StanzaError) -> Stanza | None:
        """The answer to a stanza that failed (RFC 6120 §8.3); None where an error may not be answered."""
        if self.type in ("error", "result"):
            return None
        answer = self.reply(error.element())
        answer.attrs["type"] = "error"
        return answer

    def __repr__(self) -> str:
        return f"<Stanza {self.tag} {self.attrs}>"
