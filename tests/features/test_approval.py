"""What a new contact gets to see, and what a blocked one does not."""

from __future__ import annotations

from tests.conftest import RunningServer
from tests.raw import CLIENT, online

NICK = "http://jabber.org/protocol/nick"
INFO = "http://jabber.org/protocol/disco#info"


async def test_the_last_items_come_when_a_subscription_is_approved(server: RunningServer) -> None:
    """XEP-0163 §5.3.4."""
    for name in ("ada", "ben"):
        server.add_user(name)
    ada = await online(server.port, "ada")
    item = f"<item id='current'><nick xmlns='{NICK}'>Ada</nick></item>"
    publish = f"<publish node='{NICK}'>{item}</publish>"
    await ada.result("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub>")
    ben = await online(server.port, "ben", presence=None)
    caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='unverified'/>"
    ben.send(f"<presence>{caps}</presence>")
    question = await ben.take(lambda e: e.tag == CLIENT + "iq" and e.get("type") == "get")
    features = f"<feature var='{INFO}'/><feature var='{NICK}+notify'/>"
    answer = f"<query xmlns='{INFO}' node='urn:test#unverified'>{features}</query>"
    ben.send(f"<iq type='result' id='{question.get('id')}' to='{question.get('from')}'>{answer}</iq>")
    await ben.expect_nothing()
    ben.send("<presence type='subscribe' to='ada@localhost'/>")
    await ada.take(lambda e: e.get("type") == "subscribe")
    ada.send("<presence type='subscribed' to='ben@localhost'/>")
    news = await ben.message()
    assert news.get("from") == "ada@localhost"
    assert news.findtext(f".//{{{NICK}}}nick") == "Ada"


async def test_a_probe_of_someone_who_blocks_is_not_answered(server: RunningServer) -> None:
    for name in ("cem", "dora"):
        server.add_user(name)
    cem, dora = await online(server.port, "cem"), await online(server.port, "dora")
    cem.send("<presence type='subscribe' to='dora@localhost'/>")
    await dora.take(lambda e: e.get("type") == "subscribe")
    dora.send("<presence type='subscribed' to='cem@localhost'/>")
    await cem.take(lambda e: e.get("from") == dora.jid)
    block = "<block xmlns='urn:xmpp:blocking'><item jid='cem@localhost'/></block>"
    assert (await dora.iq("set", block)).get("type") == "result"
    await cem.take(lambda e: e.get("type") == "unavailable" and e.get("from") == dora.jid)
    cem.inbox.clear()
    cem.send("<presence type='probe' to='dora@localhost'/>")
    await cem.expect_nothing("presence")
