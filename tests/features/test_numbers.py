"""A number in a request is one of ASCII digits; anything else gets the error that the standard has for it."""

from __future__ import annotations

from xml.etree.ElementTree import tostring

import pytest

from tests.conftest import RunningServer
from tests.raw import CLIENT, RawClient, condition, online

PUBSUB = "http://jabber.org/protocol/pubsub"
RSM = "http://jabber.org/protocol/rsm"
NONE = ["\u0661", "\uff11", "1_0", "+1", "-1", "0x1", "1.0", "\u00b2"]


@pytest.fixture
async def ada(server: RunningServer) -> RawClient:
    server.add_user("ada")
    return await online(server.port, "ada")


def config(name: str, value: str) -> str:
    field = f"<field var='pubsub#{name}'><value>{value}</value></field>"
    form = f"<x xmlns='jabber:x:data' type='submit'>{field}</x>"
    return f"<pubsub xmlns='{PUBSUB}'><create node='n'/><configure>{form}</configure></pubsub>"


@pytest.mark.parametrize("text", NONE)
async def test_what_is_no_number_is_refused(ada: RawClient, text: str) -> None:
    page, place = (f"<set xmlns='{RSM}'><{name}>{text}</{name}></set>" for name in ("max", "after"))
    for type, request, error in (
        ("set", f"<query xmlns='urn:xmpp:mam:2'>{page}</query>", "bad-request"),
        ("get", f"<query xmlns='http://jabber.org/protocol/disco#items'>{page}</query>", "bad-request"),
        ("get", f"<query xmlns='http://jabber.org/protocol/disco#items'>{place}</query>", "item-not-found"),
        ("set", config("max_items", text), "not-acceptable"),
        ("set", config("item_expire", text), "not-acceptable"),
    ):
        assert condition(await ada.iq(type, request)) == error, (request, text)
    await ada.result(
        "set", f"<pubsub xmlns='{PUBSUB}'><publish node='m'><item><x xmlns='x'/></item></publish></pubsub>"
    )
    request = f"<pubsub xmlns='{PUBSUB}'><items node='m' max_items='{text}'/></pubsub>"
    assert condition(await ada.iq("get", request)) == "bad-request", text
    if text not in ("+1", "-1"):
        ada.send(f"<presence><priority>{text}</priority></presence>")
        refused = await ada.take(lambda e: e.tag == CLIENT + "presence" and e.get("type") == "error")
        assert condition(refused) == "bad-request"
    ada.abort()


async def test_no_number_is_too_great_to_be_read(ada: RawClient) -> None:
    """A page is as large as pages are, an item lasts as long as items do."""
    great = "9" * 5000
    page = f"<set xmlns='{RSM}'><max>{great}</max></set>"
    for type, request in (
        ("set", f"<query xmlns='urn:xmpp:mam:2'>{page}</query>"),
        ("get", f"<query xmlns='http://jabber.org/protocol/disco#items'>{page}</query>"),
        ("set", config("item_expire", great)),
    ):
        answer = await ada.iq(type, request)
        assert answer.get("type") == "result", tostring(answer)
    item = "<item id='1'><x xmlns='x'/></item>"
    await ada.result("set", f"<pubsub xmlns='{PUBSUB}'><publish node='n'>{item}</publish></pubsub>")
    answer = await ada.iq("get", f"<pubsub xmlns='{PUBSUB}'><items node='n'/></pubsub>")
    assert [one.get("id") for one in answer.iter(f"{{{PUBSUB}}}item")] == ["1"]
    ada.abort()
