"""XEP-0114: a component that this project did not write (slixmpp's) talks to people, and they to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from slixmpp import ComponentXMPP

from tests.conftest import RunningServer, free_ports, running
from tests.raw import CLIENT, PATIENCE, RawClient, body, condition, online

BOT = "bot.localhost"
NS = "jabber:component:accept"


@pytest.fixture(scope="module")
def ports() -> list[int]:
    return free_ports(1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, ports: list[int]) -> Iterator[RunningServer]:
    data: Path = tmp_path_factory.mktemp("kith") / "data"
    with running(data, component_port=str(ports[0]), components=f"{BOT}=s3cret,second.localhost=other") as it:
        for name in ("alice", "bob"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


class Bot(ComponentXMPP):  # type: ignore[misc]
    """Answers every message with its text in capitals, from the address that it was sent to."""

    def __init__(self, port: int) -> None:
        super().__init__(BOT, "s3cret", "127.0.0.1", port)
        for plugin in ("xep_0030", "xep_0199"):
            self.register_plugin(plugin)
        self.started = asyncio.Event()
        self.presences: asyncio.Queue[Element] = asyncio.Queue()
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.add_event_handler("session_start", lambda _: self.started.set())
        self.add_event_handler("message", self._answer)
        self.add_event_handler("message_error", self.messages.put_nowait)
        self.add_filter("in", self._keep)

    def _keep(self, stanza: Any) -> Any:
        if stanza.name == "presence":
            self.presences.put_nowait(stanza.xml)
        return stanza

    def _answer(self, message: Any) -> None:
        self.messages.put_nowait(message)
        if message["type"] == "chat":
            self.send_message(message["from"], message["body"].upper(), mfrom=message["to"], mtype="chat")


@contextlib.asynccontextmanager
async def bot(ports: list[int]) -> AsyncIterator[Bot]:
    client = Bot(ports[0])
    client.connect()
    await asyncio.wait_for(client.started.wait(), PATIENCE)
    try:
        yield client
    finally:
        await client.disconnect(wait=0.5)


async def test_people_and_a_component_exchange_messages(server: RunningServer, ports: list[int]) -> None:
    async with bot(ports):
        alice = await online(server.port, "alice")
        alice.send(f"<message type='chat' to='weather@{BOT}'><body>hello</body></message>")
        answer = await alice.message()
        assert (answer.get("from"), body(answer)) == (f"weather@{BOT}", "HELLO")
        assert answer.find("{urn:xmpp:sid:0}stanza-id") is not None
        alice.abort()


async def test_what_a_component_sends_to_one_who_is_away_waits_in_the_log(
    server: RunningServer, ports: list[int]
) -> None:
    async with bot(ports) as component:
        for number in range(3):
            component.send_message("bob@localhost", f"news {number}", mfrom=f"news@{BOT}", mtype="chat")
        await component.plugin["xep_0199"].send_ping("localhost", ifrom=BOT)
    bob = await online(server.port, "bob")
    assert [body(await bob.message()) for _ in range(3)] == ["news 0", "news 1", "news 2"]
    bob.abort()


async def test_both_sides_are_in_the_archive(server: RunningServer, ports: list[int]) -> None:
    async with bot(ports):
        alice = await online(server.port, "alice")
        alice.send(f"<message type='chat' to='memory@{BOT}'><body>keep</body></message>")
        await alice.message()
        form = (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value>"
            f"</field><field var='with'><value>memory@{BOT}</value></field></x>"
        )
        await alice.result("set", f"<query xmlns='urn:xmpp:mam:2'>{form}</query>")
        found = [body(e) for m in alice.inbox for e in m.iter(f"{CLIENT}message") if e is not m]
        assert found == ["keep", "KEEP"]
        alice.abort()


async def test_other_devices_get_carbons_of_what_a_component_sends(
    server: RunningServer, ports: list[int]
) -> None:
    async with bot(ports):
        alice, other = await online(server.port, "alice"), await online(server.port, "alice")
        await other.result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
        alice.send(f"<message type='chat' to='copy@{BOT}'><body>x</body></message>")
        kinds = [(await other.message())[0].tag.partition("}")[2] for _ in range(2)]
        assert kinds == ["sent", "received"]
        alice.abort()
        other.abort()


async def test_a_subscription_and_presence_pass_both_ways(server: RunningServer, ports: list[int]) -> None:
    async with bot(ports) as component:
        component.auto_authorize = component.auto_subscribe = None
        alice = await online(server.port, "alice")
        alice.send(f"<presence type='subscribe' to='friend@{BOT}'/>")
        asked = await asyncio.wait_for(component.presences.get(), PATIENCE)
        assert (asked.get("type"), asked.get("from")) == ("subscribe", "alice@localhost")
        component.send_presence_subscription("alice@localhost", f"friend@{BOT}", "subscribed")
        component.send_presence(pto="alice@localhost", pfrom=f"friend@{BOT}/home", pstatus="there")
        seen = await alice.take(lambda e: e.get("from") == f"friend@{BOT}/home")
        assert seen.findtext(f"{CLIENT}status") == "there"
        component.send_presence_subscription("alice@localhost", f"friend@{BOT}", "subscribe")
        await alice.take(lambda e: e.get("type") == "subscribe")
        alice.send(f"<presence type='subscribed' to='friend@{BOT}'/>")
        kinds = [(await asyncio.wait_for(component.presences.get(), PATIENCE)).get("type") for _ in range(2)]
        assert kinds == ["subscribed", None]
        alice.abort()
        gone = await asyncio.wait_for(component.presences.get(), PATIENCE)
        assert gone.get("type") == "unavailable"
    again = RawClient(server.port)
    async with bot(ports) as component, again:
        await again.login("alice")
        await again.bind()
        await again.available()
        types = {(await asyncio.wait_for(component.presences.get(), PATIENCE)).get("type") for _ in range(2)}
        assert types == {None, "probe"}


async def test_a_component_is_listed_and_asked_by_discovery(server: RunningServer, ports: list[int]) -> None:
    query = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
    alice = await online(server.port, "alice")
    async with bot(ports):
        items = await alice.iq("get", query, "localhost")
        assert BOT in [item.get("jid") for item in items[0]]
        info = await alice.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", BOT)
        assert info.get("type") == "result"
    await asyncio.sleep(0.2)
    items = await alice.iq("get", query, "localhost")
    assert BOT not in [item.get("jid") for item in items[0]]
    alice.abort()


async def test_who_is_blocked_hears_nothing(server: RunningServer, ports: list[int]) -> None:
    async with bot(ports) as component:
        bob = await online(server.port, "bob")
        block = f"<block xmlns='urn:xmpp:blocking'><item jid='{BOT}'/></block>"
        await bob.result("set", block)
        component.send_message("bob@localhost", "spam", mfrom=f"x@{BOT}", mtype="chat")
        refused = await asyncio.wait_for(component.messages.get(), PATIENCE)
        assert refused["type"] == "error"
        await bob.expect_nothing()
        await bob.result("set", "<unblock xmlns='urn:xmpp:blocking'/>")
        bob.abort()


async def test_a_component_that_is_away_answers_with_an_error(server: RunningServer) -> None:
    alice = await online(server.port, "alice")
    alice.send(f"<message type='chat' to='x@{BOT}' id='m'><body>anybody?</body></message>")
    assert condition(await alice.message()) == "service-unavailable"
    answer = await alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", BOT)
    assert condition(answer) == "service-unavailable"
    alice.abort()


async def test_a_domain_that_nobody_answers_for_is_not_found(server: RunningServer) -> None:
    alice = await online(server.port, "alice")
    alice.send("<message to='x@elsewhere.example'><body>hi</body></message>")
    assert condition(await alice.message()) == "remote-server-not-found"
    alice.abort()


def header(to: str, namespace: str = NS) -> str:
    return f"<stream:stream to='{to}' xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams'>"


@pytest.mark.parametrize(
    ("opening", "expected"),
    [
        (header("nobody.localhost"), "host-unknown"),
        (header(BOT, "jabber:client"), "invalid-namespace"),
        (header(BOT) + "<handshake>00</handshake>", "not-authorized"),
        (header(BOT) + f"<message from='x@{BOT}' to='alice@localhost'/>", "not-authorized"),
    ],
)
async def test_who_is_no_component_is_turned_away(
    server: RunningServer, ports: list[int], opening: str, expected: str
) -> None:
    async with RawClient(ports[0]) as client:
        client.send(opening)
        assert condition(await client.tag("error")) == expected
        await client.end()


@pytest.mark.parametrize(
    ("stanza", "expected"),
    [
        ("<message from='alice@localhost' to='bob@localhost'><body>x</body></message>", "invalid-from"),
        (f"<message from='x@{BOT}'><body>no address</body></message>", "improper-addressing"),
        (f"<message to='bob@localhost' from='@{BOT}'><body>x</body></message>", "improper-addressing"),
    ],
)
async def test_a_component_speaks_for_its_own_domain_only(
    server: RunningServer, ports: list[int], stanza: str, expected: str
) -> None:
    async with bot(ports) as component:
        ended = asyncio.get_running_loop().create_future()
        component.add_event_handler(
            "stream_error", lambda e: ended.done() or ended.set_result(e["condition"])
        )
        component.send_raw(stanza)
        assert await asyncio.wait_for(ended, PATIENCE) == expected


async def test_a_component_that_connects_again_takes_over(server: RunningServer, ports: list[int]) -> None:
    async with bot(ports) as first:
        first.end_session_on_disconnect = False
        ended = asyncio.get_running_loop().create_future()
        first.add_event_handler("stream_error", lambda e: ended.done() or ended.set_result(e["condition"]))
        async with bot(ports):
            assert await asyncio.wait_for(ended, PATIENCE) == "conflict"
            alice = await online(server.port, "alice")
            alice.send(f"<message type='chat' to='x@{BOT}'><body>who</body></message>")
            assert body(await alice.message()) == "WHO"
            alice.abort()


async def test_a_component_asks_the_services_of_the_domain(server: RunningServer, ports: list[int]) -> None:
    async with bot(ports) as component:
        info = await component.plugin["xep_0030"].get_info("pubsub.localhost", timeout=PATIENCE)
        assert ("pubsub", "service") in {(i[0], i[1]) for i in info["disco_info"]["identities"]}


@pytest.mark.parametrize(
    "name", ["BOT.LOCALHOST", "bot.localhost.", "\uff42ot.localhost", "bot\u3002localhost"]
)
async def test_a_component_names_its_domain_as_it_likes(
    server: RunningServer, ports: list[int], name: str
) -> None:
    async with RawClient(ports[0]) as component:
        await component.open_component(name, "s3cret")
