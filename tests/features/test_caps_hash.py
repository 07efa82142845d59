"""XEP-0115 §5: the hash, by the worked examples of the standard, and what can't be hashed."""

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.features.caps import Malformed, verification

SIMPLE = """
<query xmlns='http://jabber.org/protocol/disco#info'>
  <identity category='client' name='Exodus 0.9.1' type='pc'/>
  <feature var='http://jabber.org/protocol/caps'/>
  <feature var='http://jabber.org/protocol/disco#info'/>
  <feature var='http://jabber.org/protocol/disco#items'/>
  <feature var='http://jabber.org/protocol/muc'/>
</query>
"""
COMPLEX = """
<query xmlns='http://jabber.org/protocol/disco#info'>
  <identity xml:lang='en' category='client' name='Psi 0.11' type='pc'/>
  <identity xml:lang='el' category='client' name='Ψ 0.11' type='pc'/>
  <feature var='http://jabber.org/protocol/caps'/>
  <feature var='http://jabber.org/protocol/disco#info'/>
  <feature var='http://jabber.org/protocol/disco#items'/>
  <feature var='http://jabber.org/protocol/muc'/>
  <x xmlns='jabber:x:data' type='result'>
    <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:dataforms:softwareinfo</value></field>
    <field var='ip_version'><value>ipv4</value><value>ipv6</value></field>
    <field var='os'><value>Mac</value></field>
    <field var='os_version'><value>10.5.1</value></field>
    <field var='software'><value>Psi</value></field>
    <field var='software_version'><value>0.11</value></field>
  </x>
</query>
"""


def query(*inner: str) -> Element:
    return ElementTree.fromstring(
        f"<query xmlns='http://jabber.org/protocol/disco#info'>{''.join(inner)}</query>"
    )


def test_the_examples_of_the_standard() -> None:
    assert verification(ElementTree.fromstring(SIMPLE), "sha-1") == "QgayPKawpkPSDYmwT/WM94uAlu0="
    assert verification(ElementTree.fromstring(COMPLEX), "sha-1") == "q07IKJEyjvHSyhy//CH0CxmKi8w="


@pytest.mark.parametrize(
    "inner",
    [
        "<feature var='a'/><feature var='a'/>",
        "<identity category='client' type='pc'/><identity category='client' type='pc'/>",
        "<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>a</value><value>b</value></field></x>",
        "<x xmlns='jabber:x:data'><field var='FORM_TYPE'><value>a</value></field></x>" * 2,
        "<feature var='a&lt;b'/>",
    ],
)
def test_what_is_ambiguous_has_no_hash(inner: str) -> None:
    with pytest.raises(Malformed):
        verification(query(inner), "sha-1")


def test_a_form_without_type_does_not_count() -> None:
    plain = "<feature var='a'/>"
    form = "<x xmlns='jabber:x:data'><field var='b'><value>c</value></field></x>"
    assert verification(query(plain), "sha-256") == verification(query(plain, form), "sha-256")


@given(st.permutations(["<feature var='a'/>", "<feature var='B'/>", "<feature var='ä'/>", "<identity/>"]))
def test_the_order_does_not_count(parts: list[str]) -> None:
    assert verification(query(*parts), "sha-1") == verification(query(*sorted(parts)), "sha-1")
