"""What another server that means harm can't do: speak for others, flood people, read what is not for it."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator, Iterator

import pytest

from kith.federation.dialback import Keys
from tests.conftest import RunningServer
from tests.federation.caller import Caller
from tests.federation.test_kith_to_kith import online
from tests.federation.world import world
from tests.raw import body, condition

Two = tuple[RunningServer, RunningServer]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """A server, and one that lets its people do what they like."""
    with (
        world(tmp_path_factory.mktemp("world")) as made,
        made.kith("one.test") as one,
        made.kith("two.test", strangers_per_hour="0") as two,
    ):
        for name in ("quiet", "talker", "asked", "friend"):
            one.add_user(name)
        yield one, two


@pytest.fixture
async def impostor(servers: Two) -> AsyncIterator[Caller]:
    async with Caller(int(servers[0].environ["KITH_FEDERATION_PORT"])) as client:
        await client.encrypt()
        yield client


async def verified(servers: Two, client: Caller) -> None:
    """Whoever has taken over two.test has its keys."""
    secret = (servers[1].data_dir / "secret").read_bytes()
    keys = Keys(hmac.digest(secret, b"dialback", "sha256"))
    assert await client.prove(keys.make("one.test", "two.test", client.id)) == "valid"


async def test_a_key_that_was_made_up_proves_nothing(servers: Two, impostor: Caller) -> None:
    ann = await online(servers[0], "ann")
    assert await impostor.prove("made up") == "invalid"
    impostor.send(
        "<message from='ben@two.test' to='ann@one.test' type='chat'><body>trust me</body></message>"
    )
    assert condition(await impostor.tag("error")) == "not-authorized"
    await ann.expect_nothing()
    ann.abort()


async def test_a_key_of_another_stream_proves_nothing(servers: Two, impostor: Caller) -> None:
    secret = (servers[1].data_dir / "secret").read_bytes()
    keys = Keys(hmac.digest(secret, b"dialback", "sha256"))
    assert await impostor.prove(keys.make("one.test", "two.test", "another")) == "invalid"


@pytest.mark.parametrize("sender", ["ben@three.test", "ben@one.test", "one.test", "pubsub.one.test"])
async def test_a_server_speaks_for_its_own_people_only(servers: Two, impostor: Caller, sender: str) -> None:
    ann = await online(servers[0], "ann")
    await verified(servers, impostor)
    impostor.send("<message from='ben@two.test' to='ann@one.test' type='chat'><body>true</body></message>")
    assert body(await ann.message()) == "true"
    impostor.send(f"<message from='{sender}' to='ann@one.test' type='chat'><body>false</body></message>")
    assert condition(await impostor.tag("error")) == "invalid-from"
    await ann.expect_nothing()
    ann.abort()


async def test_a_server_is_no_way_to_a_third(servers: Two, impostor: Caller) -> None:
    await verified(servers, impostor)
    impostor.send("<message from='ben@two.test' to='x@three.test' type='chat'><body>relay</body></message>")
    assert condition(await impostor.tag("error")) == "invalid-from"


@pytest.mark.parametrize(
    ("type", "child"),
    [
        ("get", "<query xmlns='jabber:iq:roster'/>"),
        ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
        ("get", "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>"),
        ("set", "<query xmlns='jabber:iq:register'><remove/></query>"),
        ("set", "<vCard xmlns='vcard-temp'/>"),
        ("get", "<query xmlns='jabber:iq:last'/>"),
    ],
)
async def test_what_is_an_accounts_own_is_closed_to_other_servers(
    servers: Two, type: str, child: str
) -> None:
    mallory = await online(servers[1], "ann")
    refused = await mallory.iq(type, child, "ann@one.test")
    absent = await mallory.iq(type, child, "nobody@one.test")
    assert condition(refused) == condition(absent)
    assert condition(refused) in ("forbidden", "service-unavailable")
    mallory.abort()


@pytest.mark.parametrize(
    "node",
    ["http://jabber.org/protocol/admin#add-user", "urn:xmpp:invite#invite", "urn:xmpp:invite#create-account"],
)
async def test_commands_are_for_people_here(servers: Two, node: str) -> None:
    mallory = await online(servers[1], "ann")
    command = f"<command xmlns='http://jabber.org/protocol/commands' node='{node}'/>"
    assert condition(await mallory.iq("set", command, "one.test")) == "forbidden"
    remove = "<query xmlns='jabber:iq:register'><remove/></query>"
    assert condition(await mallory.iq("set", remove, "one.test")) == "service-unavailable"
    mallory.abort()


async def test_a_stranger_who_gets_no_answer_is_cut_off_after_a_while(servers: Two) -> None:
    quiet, mallory = await online(servers[0], "quiet"), await online(servers[1], "ann")
    for number in range(110):
        mallory.send(
            f"<message to='quiet@one.test' type='chat' id='m{number}'><body>{number}</body></message>"
        )
    refused = await mallory.message()
    assert condition(refused) == "policy-violation"
    ping = await mallory.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "one.test")
    assert ping.get("type") == "result"
    await quiet.ping()
    texts = [body(e) for e in quiet.inbox if e.tag.endswith("}message")]
    assert texts == [str(number) for number in range(len(texts))]
    assert 100 <= len(texts) <= 101
    quiet.abort()
    mallory.abort()


async def test_a_conversation_with_a_stranger_goes_on(servers: Two) -> None:
    talker, ben = await online(servers[0], "talker"), await online(servers[1], "ben")
    ben.send("<message to='talker@one.test' type='chat'><body>hello?</body></message>")
    await talker.message()
    talker.send("<message to='ben@two.test' type='chat'><body>hello</body></message>")
    assert body(await ben.message()) == "hello"
    for number in range(120):
        ben.send(f"<message to='talker@one.test' type='chat'><body>{number}</body></message>")
    assert [body(await talker.message()) for _ in range(120)] == [str(n) for n in range(120)]
    await ben.expect_nothing()
    talker.abort()
    ben.abort()


async def test_nobody_is_asked_again_and_again_from_elsewhere(servers: Two) -> None:
    asked, mallory = await online(servers[0], "asked"), await online(servers[1], "ann")
    for _ in range(12):
        mallory.send("<presence type='subscribe' to='asked@one.test'/>")
        mallory.send("<presence type='unsubscribe' to='asked@one.test'/>")
    await mallory.result("get", "<ping xmlns='urn:xmpp:ping'/>", "one.test")
    await asked.ping()
    requests = [e for e in asked.inbox if e.get("type") == "subscribe"]
    assert len(requests) == 5
    asked.abort()
    mallory.abort()


async def test_strangers_are_not_asked_what_they_want_to_be_told_of(servers: Two) -> None:
    """What is remembered of clients elsewhere is for contacts."""
    ann, mallory = await online(servers[0], "ann"), await online(servers[1], "ann")
    caps = "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:n' ver='none'/>"
    mallory.send(f"<presence to='ann@one.test'>{caps}</presence>")
    seen = await ann.take(lambda e: e.get("from") == mallory.jid)
    assert seen.tag == "{jabber:client}presence"
    await mallory.result("get", "<ping xmlns='urn:xmpp:ping'/>", "one.test")
    await mallory.expect_nothing("iq")
    ann.abort()
    mallory.abort()


async def test_strangers_of_one_server_ask_so_much_in_a_minute(servers: Two) -> None:
    mallory = await online(servers[1], "ben")
    conditions = []
    while len(conditions) < 6000 and "policy-violation" not in conditions:  # some are forgiven meanwhile
        first = len(conditions)
        for number in range(first, first + 250):  # no more than its own server lets wait
            mallory.send(
                f"<iq type='get' id='f{number}' to='friend@one.test'><vCard xmlns='vcard-temp'/></iq>"
            )
        for number in range(first, first + 250):
            answer = await mallory.take(lambda e, number=number: e.get("id") == f"f{number}", 30)
            conditions.append(condition(answer))
    assert conditions[:1000] == ["item-not-found"] * 1000
    assert conditions[-1] == "policy-violation"
    mallory.abort()


@pytest.mark.parametrize(
    "last",
    ["", "<presence from='ben@two.test' to='ann@one.test' type='probe'/>", "<db:verify id='1'/>"],
)
async def test_a_stream_that_ends_with_a_stanza_in_work_is_closed(
    servers: Two, impostor: Caller, last: str
) -> None:
    """RFC 6120 §4.4, between servers."""
    await verified(servers, impostor)
    impostor.send(f"{last}</stream:stream>")
    await impostor.end(5)
