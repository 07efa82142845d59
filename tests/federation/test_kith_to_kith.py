"""Two servers that talk to each other (RFC 6120, XEP-0220), and one that nobody should trust."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import RunningServer
from tests.federation.caller import header
from tests.federation.world import World, world
from tests.raw import CLIENT, RawClient, body, condition

Two = tuple[RunningServer, RunningServer]


@pytest.fixture(scope="module")
def servers(here: World) -> Iterator[Two]:
    with here.kith("one.test") as one, here.kith("two.test") as two:
        yield one, two


async def online(server: RunningServer, user: str) -> RawClient:
    client = RawClient(server.port, server.domain)
    await client.connect()
    await client.login(user)
    await client.bind()
    await client.available()
    return client


async def test_messages_go_both_ways_and_are_in_both_archives(servers: Two) -> None:
    ann, ben = await online(servers[0], "ann"), await online(servers[1], "ben")
    for number in range(5):
        ann.send(f"<message to='ben@two.test' type='chat'><body>{number}</body></message>")
    got = [await ben.message() for _ in range(5)]
    assert [body(message) for message in got] == list("01234")
    assert got[0].get("from") == ann.jid
    stanza_id = got[0].find("{urn:xmpp:sid:0}stanza-id")
    assert stanza_id is not None
    assert stanza_id.get("by") == "ben@two.test"
    ben.send(f"<message to='{ann.jid}' type='chat'><body>back</body></message>")
    assert body(await ann.message()) == "back"
    for client in (ann, ben):
        await client.result("set", "<query xmlns='urn:xmpp:mam:2'/>")
        found = [body(m) for r in client.inbox for m in r.iter(f"{CLIENT}message") if m is not r]
        assert found == ["0", "1", "2", "3", "4", "back"]
        client.abort()


async def test_who_is_away_gets_it_later(servers: Two) -> None:
    ann = await online(servers[0], "ann")
    ann.send("<message to='ann@two.test' type='chat' id='m'><body>for later</body></message>")
    answer = await ann.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "two.test")
    assert answer.get("type") == "result"
    other = await online(servers[1], "ann")
    assert body(await other.message()) == "for later"
    ann.abort()
    other.abort()


async def test_contacts_see_each_other_come_and_go(servers: Two) -> None:
    ben, other = await online(servers[0], "ben"), await online(servers[1], "ben")
    for one, two in ((ben, other), (other, ben)):
        one.send(f"<presence type='subscribe' to='{two.bare}'/>")
        await two.take(lambda e: e.get("type") == "subscribe")
        two.send(f"<presence type='subscribed' to='{one.bare}'/>")
        await one.take(lambda e: e.get("type") == "subscribed")
    ben.send("<presence><show>away</show></presence>")
    seen = await other.take(lambda e: e.findtext(f"{CLIENT}show") == "away")
    assert seen.get("from") == ben.jid
    ben.abort()
    await other.take(lambda e: e.get("type") == "unavailable" and e.get("from") == ben.jid)
    again = await online(servers[0], "ben")
    assert (await again.take(lambda e: e.get("from") == other.jid)).tag == CLIENT + "presence"
    again.abort()
    other.abort()


async def test_keys_for_encryption_are_read_across(servers: Two) -> None:
    node = "eu.siacs.conversations.axolotl.bundles:1"
    ann, ben = await online(servers[0], "ann"), await online(servers[1], "ben")
    publish = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<publish node='{node}'><item id='current'><bundle xmlns='eu.siacs.conversations.axolotl'/></item>"
        "</publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        "<field var='pubsub#access_model'><value>open</value></field></x></publish-options></pubsub>"
    )
    assert (await ann.iq("set", publish)).get("type") == "result"
    items = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
    answer = await ben.iq("get", items, "ann@one.test")
    assert answer.find(".//{eu.siacs.conversations.axolotl}bundle") is not None
    private = await ben.iq("get", "<query xmlns='jabber:iq:roster'/>", "ann@one.test")
    assert condition(private) == "forbidden"
    ann.abort()
    ben.abort()


async def test_errors_come_back(servers: Two) -> None:
    ann = await online(servers[0], "ann")
    for to, expected in (
        ("nobody@two.test", "service-unavailable"),
        ("x@nowhere.test", "remote-server-not-found"),
    ):
        ann.send(f"<message to='{to}' type='chat'><body>?</body></message>")
        answer = await ann.take(lambda e, to=to: e.get("from") == to or e.get("from") == to.split("@")[1])
        assert condition(answer) == expected
    ann.abort()


async def test_a_server_whose_certificate_does_not_fit_is_refused_both_ways(
    here: World, servers: Two
) -> None:
    with here.kith("evil.test", certificate_for="other.test") as evil:
        ann, mallory = await online(servers[0], "ann"), await online(evil, "ann")
        ann.send("<message to='ann@evil.test' type='chat' id='a'><body>secret</body></message>")
        returned = await ann.message()
        assert condition(returned) == "remote-server-not-found"
        assert "certificate is not valid for 'evil.test'" in (returned.findtext(".//{*}text") or "")
        mallory.send("<message to='ann@one.test' type='chat' id='b'><body>trust me</body></message>")
        assert condition(await mallory.message(30)) == "remote-server-not-found"
        await ann.expect_nothing()
        await mallory.expect_nothing()
        assert "certificate does not fit" in servers[0].log.read_text()
        ann.abort()
        mallory.abort()


async def test_a_server_that_is_down_gets_what_was_written_when_it_is_back(here: World, servers: Two) -> None:
    with here.kith("three.test") as three:
        ann = await online(servers[0], "ann")
        three.stop()
        for number in range(3):
            ann.send(f"<message to='ann@three.test' type='chat'><body>{number}</body></message>")
        await ann.ping()
        await asyncio.sleep(1)  # there are attempts
        three.start()
        other = await online(three, "ann")
        assert [body(await other.message()) for _ in range(3)] == ["0", "1", "2"]
        await ann.expect_nothing()
        ann.abort()
        other.abort()


async def test_a_large_message_crosses(servers: Two) -> None:
    ann, ben = await online(servers[0], "ann"), await online(servers[1], "ben")
    text = "x" * 200_000
    ann.send(f"<message to='ben@two.test' type='chat'><body>{text}</body></message>")
    assert body(await ben.message()) == text
    ann.abort()
    ben.abort()


async def test_a_server_may_have_only_an_ipv6_address(here: World, servers: Two) -> None:
    with here.kith("six.test", listen="127.0.0.1,::1") as six:
        del here.names.zone["six.test", "A"]
        here.names.zone["six.test", "AAAA"] = ["::1"]
        ann, ben = await online(servers[0], "ann"), await online(six, "ben")
        ann.send("<message to='ben@six.test' type='chat'><body>hi</body></message>")
        assert body(await ben.message()) == "hi"
        ann.abort()
        ben.abort()


@pytest.mark.parametrize("end", ["stop", "kill"])
async def test_what_waits_for_another_server_survives_the_end_of_this_one(tmp_path: Path, end: str) -> None:
    texts = [str(number) for number in range(50)]
    with world(tmp_path) as here, here.kith("near.test") as near, here.kith("far.test") as far:
        far.stop()
        ann = await online(near, "ann")
        for text in texts:
            ann.send(f"<message to='ben@far.test' type='chat'><body>{text}</body></message>")
        await ann.ping()  # what was sent before is durable
        near.stop() if end == "stop" else near.kill()
        ann.abort()
        near.start()
        far.start()
        ben = await online(far, "ben")
        assert [body(await ben.message()) for _ in texts] == texts
        await ben.expect_nothing()
        ben.abort()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (header("nobody.test"), "host-unknown"),
        (header(namespace="jabber:client"), "invalid-namespace"),
        (header(sender="a@b/c"), "improper-addressing"),
        (header() + "<message from='ben@two.test' to='ann@one.test'/>", "policy-violation"),
        (header() + "<db:result from='two.test' to='one.test'>key</db:result>", "policy-violation"),
    ],
)
async def test_who_says_it_wrong_is_told_what_is_wrong(servers: Two, text: str, expected: str) -> None:
    port = int(servers[0].environ["KITH_FEDERATION_PORT"])
    async with RawClient(port) as client:
        client.send(text)
        assert condition(await client.tag("error")) == expected
        await client.end()


async def test_without_the_setting_there_are_no_other_servers(here: World) -> None:
    with here.kith("alone.test", federation="off") as alone:
        ann = await online(alone, "ann")
        ann.send("<message to='ann@one.test' type='chat'><body>hi</body></message>")
        assert condition(await ann.message()) == "remote-server-not-found"
        ann.abort()


async def test_calls_are_signalled_both_ways_between_servers(servers: Two) -> None:
    def signal(name: str, to: str) -> str:
        return f"<message to='{to}' type='chat'><{name} xmlns='urn:xmpp:jingle-message:0' id='c'/></message>"

    ann, ben = await online(servers[0], "ann"), await online(servers[1], "ben")
    for caller, callee in ((ann, ben), (ben, ann)):
        caller.send(signal("propose", callee.bare))
        proposal = await callee.take(lambda e: e.find("{urn:xmpp:jingle-message:0}propose") is not None)
        assert proposal.get("from") == caller.jid
        callee.send(signal("proceed", caller.jid))
        await caller.take(lambda e: e.find("{urn:xmpp:jingle-message:0}proceed") is not None)
        caller.send(
            f"<iq type='set' id='j' to='{callee.jid}'><jingle xmlns='urn:xmpp:jingle:1' "
            "action='session-initiate' sid='c'/></iq>"
        )
        assert (await callee.take(lambda e: e.get("id") == "j")).get("from") == caller.jid
        callee.send(f"<iq type='result' id='j' to='{caller.jid}'/>")
        assert (await caller.take(lambda e: e.get("id") == "j")).get("type") == "result"
    for _ in range(9):
        ann.send(signal("propose", f"{ben.bare}"))
    refused = await ann.take(lambda e: e.get("type") == "error")
    assert condition(refused) == "policy-violation"
    ann.abort()
    ben.abort()
