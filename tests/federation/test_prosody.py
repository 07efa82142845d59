"""Kith and Prosody, from Debian, talk to each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.conftest import RunningServer
from tests.federation.prosody import Prosody, prosody
from tests.federation.world import World
from tests.raw import CLIENT, RawClient, body, condition


@pytest.fixture(scope="module")
def kith(here: World) -> Iterator[RunningServer]:
    with here.kith("kith.test") as server:
        yield server


def _names(kith: RunningServer) -> dict[str, int]:
    return {kith.domain: int(kith.environ["KITH_FEDERATION_PORT"])}


@pytest.fixture(scope="module")
def other(here: World, kith: RunningServer) -> Iterator[Prosody]:
    with prosody(here, "prosody.test", _names(kith)) as server:
        yield server


async def online(server: RunningServer | Prosody, user: str) -> RawClient:
    client = RawClient(server.port, server.domain)
    await client.connect()
    await client.login(user)
    await client.bind()
    await client.result("get", "<query xmlns='jabber:iq:roster'/>")  # or Prosody does not tell of approvals
    client.send("<presence/>")
    await client.result("get", "<ping xmlns='urn:xmpp:ping'/>", server.domain)
    return client


async def test_messages_go_both_ways(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    for number in range(3):
        ann.send(f"<message to='pam@prosody.test' type='chat'><body>{number}</body></message>")
    assert [body(await pam.message(20)) for _ in range(3)] == ["0", "1", "2"]
    for number in range(3):
        pam.send(f"<message to='ann@kith.test' type='chat'><body>{number}</body></message>")
    assert [body(await ann.message(20)) for _ in range(3)] == ["0", "1", "2"]
    ann.abort()
    pam.abort()


async def test_contacts_see_each_other(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    for one, two in ((ann, pam), (pam, ann)):
        one.send(f"<presence type='subscribe' to='{two.bare}'/>")
        await two.take(lambda e: e.get("type") == "subscribe", 20)
        two.send(f"<presence type='subscribed' to='{one.bare}'/>")
        await one.take(lambda e: e.get("type") == "subscribed", 20)
    ann.send("<presence><show>dnd</show></presence>")
    assert (await pam.take(lambda e: e.findtext(f"{CLIENT}show") == "dnd", 20)).get("from") == ann.jid
    pam.send("<presence><show>away</show></presence>")
    assert (await ann.take(lambda e: e.findtext(f"{CLIENT}show") == "away", 20)).get("from") == pam.jid
    pam.abort()
    await ann.take(lambda e: e.get("type") == "unavailable", 20)
    ann.abort()


async def test_requests_and_keys_pass_both_ways(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    ping = "<ping xmlns='urn:xmpp:ping'/>"
    assert (await ann.iq("get", ping, "prosody.test")).get("type") == "result"
    assert (await pam.iq("get", ping, "kith.test")).get("type") == "result"
    node = "eu.siacs.conversations.axolotl.bundles:7"
    publish = (
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'>"
        f"<publish node='{node}'><item id='current'><bundle xmlns='eu.siacs.conversations.axolotl'/></item>"
        "</publish><publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        "<value>http://jabber.org/protocol/pubsub#publish-options</value></field>"
        "<field var='pubsub#access_model'><value>open</value></field></x></publish-options></pubsub>"
    )
    items = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{node}'/></pubsub>"
    for owner, reader in ((ann, pam), (pam, ann)):
        assert (await owner.iq("set", publish)).get("type") == "result"
        answer = await reader.iq("get", items, owner.bare)
        assert answer.find(".//{eu.siacs.conversations.axolotl}bundle") is not None
    ann.abort()
    pam.abort()


async def test_a_prosody_without_dialback_writes_with_a_certificate_for_servers_alone(
    here: World, kith: RunningServer
) -> None:
    usage = ExtendedKeyUsageOID.SERVER_AUTH
    certificate = here.authority.certificate("modern", names="modern.test", usage=usage)
    with prosody(here, "modern.test", _names(kith), without="dialback", certificate=certificate) as modern:
        ann, pam = await online(kith, "ann"), await online(modern, "pam")
        pam.send("<message to='ann@kith.test' type='chat'><body>hi</body></message>")
        assert body(await ann.message(20)) == "hi"
        ann.send("<message to='pam@modern.test' type='chat'><body>back</body></message>")
        assert body(await pam.message(20)) == "back"
        ann.abort()
        pam.abort()


async def test_an_unknown_person_is_an_error_both_ways(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    for sender, to in ((ann, "nobody@prosody.test"), (pam, "nobody@kith.test")):
        sender.send(f"<message to='{to}' type='chat' id='x'><body>?</body></message>")
        answer = await sender.take(lambda e: e.get("type") == "error", 20)
        assert condition(answer) == "service-unavailable"
    ann.abort()
    pam.abort()


async def test_a_certificate_that_does_not_fit_is_refused_both_ways(here: World, kith: RunningServer) -> None:
    certificate = here.authority.certificate("false", names="other.test")
    with prosody(here, "false.test", _names(kith), certificate=certificate) as false:
        ann, pam = await online(kith, "ann"), await online(false, "pam")
        ann.send("<message to='pam@false.test' type='chat' id='a'><body>secret</body></message>")
        assert condition(await ann.take(lambda e: e.get("type") == "error", 20)) == "remote-server-not-found"
        pam.send("<message to='ann@kith.test' type='chat' id='b'><body>trust me</body></message>")
        await pam.take(lambda e: e.get("type") == "error", 40)
        await ann.expect_nothing()
        assert not [e for e in pam.inbox if body(e) == "secret"]
        ann.abort()
        pam.abort()


async def test_prosody_may_be_down_and_come_back(here: World, kith: RunningServer) -> None:
    with prosody(here, "weary.test", _names(kith)) as weary:
        ann = await online(kith, "ann")
        weary.stop()
        for number in range(3):
            ann.send(f"<message to='pam@weary.test' type='chat'><body>{number}</body></message>")
        await ann.ping()
        await asyncio.sleep(1)  # there are attempts
        weary.start()
        pam = await online(weary, "pam")
        assert [body(await pam.message()) for _ in range(3)] == ["0", "1", "2"]
        await ann.expect_nothing()
        ann.abort()
        pam.abort()
