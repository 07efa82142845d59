"""Stanzas: attributes, and the content as bytes in canonical form (`kith.wire.canonical`).

Routing only needs the attributes and the names of the children, so content is copied rather than parsed.
`Stanza.element` parses it on first use.
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
    """A child of a stream: a message, presence or iq, or an element of a negotiation.

    ``tag``: the name in Clark notation. ``inner``: the serialized children in a ``jabber:client`` context
    (in elements of a negotiation, as they were received). ``children``: their names in Clark notation.
    ``head``: the attributes as they were written, or None. While it is set, change ``attrs`` only with
    `stamp`.
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
        """Makes a stanza. ``kind`` is message, presence or iq. Attributes that are None are left out."""
        return cls(
            ns.tag(ns.CLIENT, kind),
            {name: value for name, value in attrs.items() if value is not None},
            b"".join(map(serialize, children)),
            [child.tag for child in children],
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Stanza:
        """Parses a stanza that the server itself has serialized."""
        return cls.from_element(parse_children(data)[0])

    @classmethod
    def from_element(cls, element: Element) -> Stanza:
        return cls(
            element.tag, dict(element.attrib), serialize_children(element), [child.tag for child in element]
        )

    def stamp(self, name: str, value: str) -> None:
        """Sets an attribute."""
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
        """The stanza as a tree. Changes to it have no effect unless `replace_children` is called."""
        if self._element is None:
            tree = parse_children(self.inner)
            tree.tag = self.tag
            tree.attrib.update(self.attrs)
            self._element = tree
        return self._element

    def replace_children(self, element: Element) -> None:
        """Replaces the content by the children of ``element``."""
        self.inner = serialize_children(element)
        self.children = [child.tag for child in element]
        self._element = None

    def child(self, tag: str) -> Element | None:
        """The first child with a name in Clark notation, or None. Parses the content only if there is one."""
        return self.element.find(tag) if tag in self.children else None

    def to_bytes(self) -> bytes:
        """Serializes the stanza for a stream whose default namespace is ``jabber:client``."""
        name = self.kind.encode()
        head = self._head
        return b"<%b%b>%b</%b>" % (
            name,
            head if head is not None else attributes(self.attrs).encode(),
            self.inner,
            name,
        )

    def reply(self, *children: Element) -> Stanza:
        """The result of an iq (RFC 6120 §8.2.3), or another stanza back to the sender."""
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
        """The error that answers a stanza (RFC 6120 §8.3); None if the stanza may not be answered."""
        if self.type in ("error", "result"):
            return None
        answer = self.reply(error.element())
        answer.attrs["type"] = "error"
        return answer

    def __repr__(self) -> str:
        return f"<Stanza {self.tag} {self.attrs}>"
