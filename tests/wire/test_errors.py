"""Errors carry the standard's conditions (RFC 6120 §4.9.3, §8.3.3)."""

from xml.etree.ElementTree import Element

import pytest

from kith.wire import ns
from kith.wire.errors import ERROR_TYPES, StanzaError, StreamError, XMPPError

_CONDITIONS = """bad-request conflict feature-not-implemented forbidden gone internal-server-error
item-not-found jid-malformed not-acceptable not-allowed not-authorized policy-violation
recipient-unavailable redirect registration-required remote-server-not-found remote-server-timeout
resource-constraint service-unavailable subscription-required undefined-condition unexpected-request"""


def test_every_stanza_error_of_the_standard_has_a_type() -> None:
    assert set(ERROR_TYPES) == set(_CONDITIONS.split())
    assert set(ERROR_TYPES.values()) <= {"auth", "cancel", "continue", "modify", "wait"}


@pytest.mark.parametrize("condition", _CONDITIONS.split())
def test_a_stanza_error_is_an_error_element_with_its_condition(condition: str) -> None:
    element = StanzaError(condition).element()
    assert element.tag == ns.tag(ns.CLIENT, "error")
    assert element.get("type") == ERROR_TYPES[condition]
    assert [child.tag for child in element] == [ns.tag(ns.STANZA_ERRORS, condition)]


def test_old_clients_find_the_number_that_a_condition_had() -> None:
    assert StanzaError("item-not-found").element().get("code") == "404"
    assert StanzaError("service-unavailable").element().get("code") == "503"
    assert StanzaError("policy-violation").element().get("code") is None


def test_a_stanza_error_may_say_more() -> None:
    specific = Element(ns.tag(ns.PUBSUB_ERRORS, "precondition-not-met"))
    error = StanzaError("conflict", "no", type="wait", application=specific)
    condition, text, application = error.element()
    assert error.element().get("type") == "wait"
    assert condition.tag == ns.tag(ns.STANZA_ERRORS, "conflict")
    assert (text.tag, text.text) == (ns.tag(ns.STANZA_ERRORS, "text"), "no")
    assert application is specific
    assert str(error) == "conflict: no"


def test_a_condition_that_the_standard_does_not_know_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        StanzaError("out-of-coffee")


def test_stream_and_stanza_errors_are_xmpp_errors() -> None:
    for error in (StreamError("conflict"), StanzaError("conflict")):
        assert isinstance(error, XMPPError)
        assert str(error) == "conflict"
