"""Stanzas: a head that can be changed, and an inside that is carried as it came."""

from xml.etree.ElementTree import Element, SubElement

import pytest
from wire_streams import stanzas, tree

from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.stanza import LANG, Stanza

_BODY = ns.tag(ns.CLIENT, "body")


def _stanza(raw: bytes) -> Stanza:
    (stanza,) = stanzas(raw)
    return stanza


def test_a_stamped_address_is_sent_with_the_inside_untouched() -> None:
    stanza = _stanza(b"<message to='b@example.com' type='chat'><body>a &amp; \"b\"</body></message>")
    stanza.attrs["from"] = "a@example.com/it's"
    assert stanza.to_bytes() == (
        b"<message to='b@example.com' type='chat' from='a@example.com/it&apos;s'>"
        b'<body>a &amp; "b"</body></message>'
    )


def test_a_stanza_of_the_server_leaves_out_what_is_none() -> None:
    stanza = Stanza.build("iq", {"type": "get", "id": None, "to": "a@b"}, Element(ns.tag(ns.PING, "ping")))
    assert stanza.to_bytes() == b"<iq type='get' to='a@b'><ping xmlns='urn:xmpp:ping'/></iq>"
    assert stanza.kind == "iq"
    assert stanza.id == ""
    assert stanza.children == [ns.tag(ns.PING, "ping")]


def test_a_child_is_found_by_its_qualified_name() -> None:
    stanza = _stanza(b"<message><body xmlns='urn:x'>no</body><body>yes</body><body>later</body></message>")
    body = stanza.child(_BODY)
    assert body is not None
    assert body.text == "yes"
    assert stanza.child(ns.tag(ns.HINTS, "store")) is None


def test_the_tree_has_the_name_and_the_attributes_of_the_stanza() -> None:
    stanza = _stanza(b"<message id='1' xml:lang='de'><body>a</body></message>")
    assert stanza.element.tag == ns.tag(ns.CLIENT, "message")
    assert stanza.element.attrib == {"id": "1", LANG: "de"}
    assert stanza.element.findtext(_BODY) == "a"


def test_replaced_children_are_what_is_sent() -> None:
    stanza = _stanza(b"<message id='1'><body>a</body><x xmlns='urn:x'><y/></x></message>")
    tree_ = stanza.element
    tree_.remove(tree_[0])
    SubElement(tree_, ns.tag(ns.STANZA_ID, "stanza-id"), {"id": "2"})
    stanza.replace_children(tree_)
    assert stanza.to_bytes() == (
        b"<message id='1'><x xmlns='urn:x'><y/></x><stanza-id xmlns='urn:xmpp:sid:0' id='2'/></message>"
    )
    assert stanza.children == ["{urn:x}x", ns.tag(ns.STANZA_ID, "stanza-id")]
    assert stanza.child(_BODY) is None


def test_a_stored_stanza_is_read_back_as_it_was() -> None:
    stanza = _stanza(b"<message id='1' xml:lang='de'><body>a</body>b<x xmlns='urn:x'/></message>")
    stored = Stanza.from_bytes(stanza.to_bytes())
    assert (stored.tag, stored.attrs, stored.children) == (stanza.tag, stanza.attrs, stanza.children)
    assert tree(stored.element) == tree(stanza.element)


def test_the_result_of_an_iq_goes_back_with_its_id() -> None:
    iq = _stanza(b"<iq type='get' id='x1' from='a@b/c' to='b'><ping xmlns='urn:xmpp:ping'/></iq>")
    assert iq.reply().attrs == {"type": "result", "id": "x1", "from": "b", "to": "a@b/c"}
    assert iq.reply().inner == b""


def test_an_error_goes_back_with_the_id_the_type_and_the_condition() -> None:
    message = _stanza(b"<message type='chat' id='x1' from='a@b/c' to='d@b'><body>secret</body></message>")
    answer = message.error(StanzaError("service-unavailable", "it's <gone>"))
    assert answer is not None
    assert answer.attrs == {"type": "error", "id": "x1", "from": "d@b", "to": "a@b/c"}
    error = answer.element[0]
    assert error.tag == ns.tag(ns.CLIENT, "error")
    assert error.get("type") == "cancel"
    assert [child.tag for child in error] == [
        ns.tag(ns.STANZA_ERRORS, "service-unavailable"),
        ns.tag(ns.STANZA_ERRORS, "text"),
    ]
    assert error[1].text == "it's <gone>"


@pytest.mark.parametrize("raw", [b"<message type='error'/>", b"<iq type='error'/>", b"<iq type='result'/>"])
def test_errors_and_results_are_not_answered_with_errors(raw: bytes) -> None:
    assert _stanza(raw).error(StanzaError("bad-request")) is None
