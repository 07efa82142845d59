"""Trees to bytes, and back to the same trees."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from hypothesis import given
from hypothesis import strategies as st
from wire_streams import tree

from kith.wire import ns
from kith.wire.serialize import attributes, escape_attribute, escape_text, serialize, serialize_children


def test_an_element_in_the_namespace_of_its_parent_declares_none() -> None:
    body = Element(ns.tag(ns.CLIENT, "body"))
    assert serialize(body) == b"<body/>"
    assert serialize(body, inherited="urn:x") == b"<body xmlns='jabber:client'/>"


def test_a_namespace_is_declared_where_it_changes() -> None:
    query = Element(ns.tag(ns.DISCO_INFO, "query"))
    SubElement(query, ns.tag(ns.DISCO_INFO, "feature"), {"var": ns.PING})
    SubElement(SubElement(query, ns.tag(ns.DATA_FORM, "x")), "bare")
    assert serialize(query) == (
        b"<query xmlns='http://jabber.org/protocol/disco#info'><feature var='urn:xmpp:ping'/>"
        b"<x xmlns='jabber:x:data'><bare xmlns=''/></x></query>"
    )


def test_text_and_tails_keep_their_places() -> None:
    message = Element(ns.tag(ns.CLIENT, "message"))
    message.text = "a"
    SubElement(message, ns.tag(ns.CLIENT, "b")).tail = "c"
    assert serialize(message) == b"<message>a<b/>c</message>"
    assert serialize_children(message) == b"a<b/>c"


def test_attributes_in_a_namespace_get_a_prefix() -> None:
    assert attributes({ns.tag(ns.XML, "lang"): "de"}) == " xml:lang='de'"
    element = Element("a", {"{urn:x}b": "c", "{urn:y}b": "d", "b": "e"})
    assert tree(ElementTree.fromstring(serialize(element, inherited=""))) == tree(element)


def test_what_would_end_an_attribute_or_a_text_is_escaped() -> None:
    hostile = "'\"><&]]>\r\n\t"
    assert ElementTree.fromstring(f"<a>{escape_text(hostile)}</a>").text == hostile
    assert ElementTree.fromstring(f"<a b='{escape_attribute(hostile)}'/>").get("b") == hostile


_NAMES = st.sampled_from(["a", "b", "é", "x-y.z"])
_TAGS = _NAMES | st.builds(ns.tag, st.sampled_from([ns.CLIENT, "urn:x", "urn:'&<>\""]), _NAMES)
_TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff")
)
_ATTRIBUTES = st.dictionaries(_TAGS | st.just(ns.tag(ns.XML, "lang")), _TEXTS, max_size=3)


@st.composite
def _elements(draw: st.DrawFn, depth: int = 0) -> Element:
    element = Element(draw(_TAGS), draw(_ATTRIBUTES))
    element.text = draw(_TEXTS)
    if depth < 3:
        for child in draw(st.lists(_elements(depth + 1), max_size=2)):
            child.tail = draw(_TEXTS)
            element.append(child)
    return element


@given(_elements(), st.sampled_from([ns.CLIENT, "urn:x", "urn:other"]))
def test_any_tree_is_read_back_as_it_was(element: Element, parent: str) -> None:
    document = b"<w xmlns='%b'>%b</w>" % (parent.encode(), serialize(element, inherited=parent))
    assert tree(ElementTree.fromstring(document)[0]) == tree(element)
