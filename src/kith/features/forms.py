"""XEP-0004: Data Forms. Parses submitted forms and builds forms (with ``FORM_TYPE`` of XEP-0068)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from kith.wire import ns

X = ns.tag(ns.DATA_FORM, "x")
_FIELD = ns.tag(ns.DATA_FORM, "field")
_VALUE = ns.tag(ns.DATA_FORM, "value")
_OPTION = ns.tag(ns.DATA_FORM, "option")
_REQUIRED = ns.tag(ns.DATA_FORM, "required")
_VALIDATE = ns.tag(ns.DATA_VALIDATE, "validate")
FORM_TYPE = "FORM_TYPE"


class Field(NamedTuple):
    """A field of a form to be filled in.

    ``type``: one of XEP-0004 §3.3. ``options``: the values to choose from.

    ``open``: other values are accepted too (XEP-0122 §3.3).
    """

    var: str
    values: Sequence[str] = ()
    type: str = "text-single"
    label: str = ""
    options: Sequence[str] = ()
    required: bool = False
    open: bool = False


@dataclass(slots=True)
class Form:
    """A form received from a peer. ``type``: form, submit, cancel or result. ``values``: by ``var``."""

    type: str
    values: dict[str, list[str]] = field(default_factory=dict)

    @property
    def form_type(self) -> str:
        """The ``FORM_TYPE`` of the form, or an empty text."""
        return self.one(FORM_TYPE)

    def one(self, var: str, default: str = "") -> str:
        """The first value of a field."""
        values = self.values.get(var)
        return values[0] if values else default


def parse_form(element: Element) -> Form:
    """Parses ``<x xmlns='jabber:x:data'/>``. Fields without a ``var`` are ignored."""
    form = Form(element.get("type", ""))
    for item in element.findall(_FIELD):
        var = item.get("var")
        if var:
            form.values[var] = [value.text or "" for value in item.findall(_VALUE)]
    return form


def find_form(parent: Element | None) -> Form | None:
    """The form among the direct children, or None."""
    element = parent.find(X) if parent is not None else None
    return parse_form(element) if element is not None else None


def build_form(type: str, form_type: str, fields: Iterable[Field], title: str = "") -> Element:
    """Builds ``<x/>`` with a hidden ``FORM_TYPE``. In a result, fields have no options and descriptions."""
    form = Element(X, {"type": type})
    if title:
        SubElement(form, ns.tag(ns.DATA_FORM, "title")).text = title
    _append(form, Field(FORM_TYPE, (form_type,), "hidden"), offered=True)
    for item in fields:
        _append(form, item, offered=type == "form")
    return form


def _append(form: Element, item: Field, offered: bool) -> None:
    element = SubElement(form, _FIELD, {"var": item.var, "type": item.type})
    if offered:
        if item.label:
            element.set("label", item.label)
        if item.required:
            SubElement(element, _REQUIRED)
        if item.open:
            validate = SubElement(element, _VALIDATE, {"datatype": "xs:string"})
            SubElement(validate, ns.tag(ns.DATA_VALIDATE, "open"))
        for option in item.options:
            SubElement(SubElement(element, _OPTION), _VALUE).text = option
    for value in item.values:
        SubElement(element, _VALUE).text = value


def to_boolean(text: str) -> bool:
    """Parses a boolean (XEP-0004 §3.3). Raises ValueError."""
    if text in ("1", "true"):
        return True
    if text in ("0", "false"):
        return False
    raise ValueError(f"not a boolean: {text!r}")


def from_boolean(value: bool) -> str:
    return "1" if value else "0"
