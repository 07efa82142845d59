"""Serializes element trees to bytes, with default namespaces and without prefixes."""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element

from kith.wire import ns

_XML_PREFIX = f"{{{ns.XML}}}"
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_ATTRIBUTE = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&apos;", "\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
)


def escape_text(text: str) -> str:
    """Escapes character data."""
    return text.translate(_TEXT)


def escape_attribute(text: str) -> str:
    """Escapes the value of an attribute in single quotes."""
    return text.translate(_ATTRIBUTE)


def attributes(attrs: Mapping[str, str]) -> str:
    """Attributes as they stand in a tag: `` name='value'`` for each.

    Those in the XML namespace get the prefix ``xml:``, those in other namespaces ``nsN:``.
    """
    out = []
    for number, (name, value) in enumerate(attrs.items()):
        if name[0] == "{":
            if name.startswith(_XML_PREFIX):
                name = "xml:" + name[len(_XML_PREFIX) :]
            else:
                namespace, _, local = name[1:].rpartition("}")
                out.append(f" xmlns:ns{number}='{escape_attribute(namespace)}'")
                name = f"ns{number}:{local}"
        if value.isalnum():
            out.append(f" {name}='{value}'")
        else:
            out.append(f" {name}='{value.translate(_ATTRIBUTE)}'")
    return "".join(out)


def _write(element: Element, inherited: str, out: list[str]) -> None:
    qualified = element.tag
    if qualified[0] == "{":
        namespace, _, name = qualified[1:].rpartition("}")
    else:
        namespace, name = "", qualified
    if namespace == ns.XML:  # no other prefix may be bound to it, nor may it be the default (XML Names §3)
        namespace, name = inherited, f"xml:{name}"
    out.append(f"<{name}")
    if namespace != inherited:
        out.append(f" xmlns='{escape_attribute(namespace)}'")
    if element.attrib:
        out.append(attributes(element.attrib))
    text = element.text
    if text or len(element):
        out.append(">")
        if text:
            out.append(text.translate(_TEXT))
        for child in element:
            _write(child, namespace, out)
            if child.tail:
                out.append(child.tail.translate(_TEXT))
        out.append(f"</{name}>")
    else:
        out.append("/>")


def serialize(element: Element, inherited: str = ns.CLIENT) -> bytes:
    """Serializes an element to UTF-8, for a parent whose default namespace is ``inherited``."""
    out: list[str] = []
    _write(element, inherited, out)
    return "".join(out).encode()


def serialize_children(element: Element, inherited: str = ns.CLIENT) -> bytes:
    """Serializes the content of an element to UTF-8."""
    out = [element.text.translate(_TEXT)] if element.text else []
    for child in element:
        _write(child, inherited, out)
        if child.tail:
            out.append(child.tail.translate(_TEXT))
    return "".join(out).encode()
