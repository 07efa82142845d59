"""XEP-0357, with an app server and clients that this project did not write (slixmpp): a conversation as
Conversations, Monal and Siskin have it with theirs.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pytest
from slixmpp import ComponentXMPP
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from tests.conftest import RunningServer, free_ports, running
from tests.raw import PATIENCE, RawClient, condition, online

SERVICE = "push.localhost"
PUSH, PUBSUB, FORM = "{urn:xmpp:push:0}", "{http://jabber.org/protocol/pubsub}", "{jabber:x:data}"
OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
SECRET = (
    f"<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>{OPTIONS}</value></field>"
    "<field var='secret'><value>eruio234vzxc2kla-91</value></field></x>"
)


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[RunningServer]:
    data: Path = tmp_path_factory.mktemp("kith") / "data"
    with running(data, component_port=str(port), components=f"{SERVICE}=s3cret") as it:
        yield it
        assert "level=error" not in it.log.read_text()


class AppServer(ComponentXMPP):  # type: ignore[misc]
    """Answers publications with a result, or with ``error``: a stanza error as XML; keeps them all."""

    def __init__(self, port: int) -> None:
        super().__init__(SERVICE, "s3cret", "127.0.0.1", port)
        for plugin in ("xep_0030", "xep_0060", "xep_0199"):
            self.register_plugin(plugin)
        self.started = asyncio.Event()
        self.published: asyncio.Queue[Any] = asyncio.Queue()
        self.error: tuple[str, str] | None = None
        self.silent = False
        self.add_event_handler("session_start", lambda _: self.started.set())
        path = f"{{{self.default_ns}}}iq/{PUBSUB}pubsub/{PUBSUB}publish"
        self.register_handler(Callback("publish", MatchXPath(path), self._published))

    def _published(self, iq: Any) -> None:
        self.published.put_nowait(iq)
        if self.silent:
            return
        reply = iq.reply()
        if self.error is not None:
            reply["type"] = "error"
            reply["error"]["type"], reply["error"]["condition"] = self.error
        reply.send()

    async def push(self) -> Element:
        iq = await asyncio.wait_for(self.published.get(), PATIENCE)
        found: Element = iq.xml
        return found


@contextlib.asynccontextmanager
async def app_server(port: int) -> AsyncIterator[AppServer]:
    client = AppServer(port)
    client.connect()
    await asyncio.wait_for(client.started.wait(), PATIENCE)
    try:
        yield client
    finally:
        await client.disconnect(wait=0.5)


async def enable(client: RawClient, node: str, form: str = "", service: str = SERVICE) -> Element:
    return await client.iq(
        "set", f"<enable xmlns='urn:xmpp:push:0' jid='{service}' node='{node}'>{form}</enable>"
    )


async def disable(client: RawClient, node: str = "") -> Element:
    named = f" node='{node}'" if node else ""
    return await client.iq("set", f"<disable xmlns='urn:xmpp:push:0' jid='{SERVICE}'{named}/>")


async def leave(client: RawClient) -> None:
    """The client ends its stream, and the server its session."""
    client.send("</stream:stream>")
    await client.end()


async def write(client: RawClient, to: str) -> None:
    client.send(f"<message type='chat' to='{to}'><body>a secret for {to}</body></message>")
    await client.ping()


def fields(form: Element) -> dict[str, str]:
    return {field.get("var", ""): field.findtext(f"{FORM}value") or "" for field in form.iter(f"{FORM}field")}


async def test_a_sleeping_client_is_pushed_by_its_app_server(server: RunningServer, port: int) -> None:
    ada, _ = server.add_user("ada"), server.add_user("ben")
    async with app_server(port) as service:
        phone = await online(server.port, "ada")
        info = await phone.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", ada)
        assert "urn:xmpp:push:0" in [e.get("var") for e in info[0]]
        assert (await enable(phone, "yxs32uqsflafdk3iuqo", SECRET)).get("type") == "result"
        await leave(phone)
        ben = await online(server.port, "ben")
        await write(ben, ada)
        iq = await service.push()
        assert (iq.get("from"), iq.get("type")) == ("localhost", "set")
        publish = iq.find(f".//{PUBSUB}publish")
        assert publish is not None
        assert publish.get("node") == "yxs32uqsflafdk3iuqo"
        summary = publish.find(f"{PUBSUB}item/{PUSH}notification/{FORM}x")
        assert summary is not None
        assert fields(summary) == {
            "FORM_TYPE": "urn:xmpp:push:summary",
            "message-count": "1",
            "last-message-body": "New message",
        }
        options = iq.find(f".//{PUBSUB}publish-options/{FORM}x")
        assert options is not None
        assert options.get("type") == "submit"
        assert fields(options) == {"FORM_TYPE": OPTIONS, "secret": "eruio234vzxc2kla-91"}
        text = "".join([*iq.itertext(), *(value for e in iter(iq.iter()) for value in e.attrib.values())])
        assert "ada" not in text
        assert "ben" not in text
        await write(ben, ada)
        await write(ben, ada)
        assert service.published.empty()  # once until it was here
        phone = await online(server.port, "ada")
        await disable(phone)
        await leave(phone)
        ben.abort()


async def test_a_node_or_all_of_a_service_is_disabled(server: RunningServer, port: int) -> None:
    cyd, _ = server.add_user("cyd"), server.add_user("dan")
    async with app_server(port) as service:
        clients = [await online(server.port, "cyd") for _ in range(3)]
        for number, client in enumerate(clients):
            await enable(client, f"node{number}")
        assert (await disable(clients[0], "node1")).get("type") == "result"
        for client in clients:
            await leave(client)
        dan = await online(server.port, "dan")
        await write(dan, cyd)
        nodes = {e.get("node") for _ in range(2) for e in (await service.push()).iter(f"{PUBSUB}publish")}
        assert nodes == {"node0", "node2"}
        client = await online(server.port, "cyd")
        assert (await disable(client)).get("type") == "result"
        assert (await disable(client, "unknown")).get("type") == "result"
        await leave(client)
        await write(dan, cyd)
        await dan.ping()
        assert service.published.empty()
        dan.abort()


async def test_an_error_that_says_that_the_node_is_unknown_ends_the_registration(
    server: RunningServer, port: int
) -> None:
    eve, _ = server.add_user("eve"), server.add_user("fay")
    async with app_server(port) as service:
        service.error = ("cancel", "item-not-found")
        client = await online(server.port, "eve")
        await enable(client, "old")
        await leave(client)
        fay = await online(server.port, "fay")
        await write(fay, eve)
        await service.push()
        await fay.ping()
        client = await online(server.port, "eve")
        await leave(client)
        service.error = None
        await write(fay, eve)
        await fay.ping()
        assert service.published.empty()
        fay.abort()


async def test_a_new_node_of_the_same_client_replaces_the_old_one(server: RunningServer, port: int) -> None:
    gus, _ = server.add_user("gus"), server.add_user("hal")
    async with app_server(port) as service:
        client = await online(server.port, "gus")
        await enable(client, "before")
        await enable(client, "after")
        await leave(client)
        hal = await online(server.port, "hal")
        await write(hal, gus)
        publish = (await service.push()).find(f".//{PUBSUB}publish")
        assert publish is not None
        assert publish.get("node") == "after"
        await hal.ping()
        assert service.published.empty()
        hal.abort()


async def test_a_kill_between_message_and_login_pushes_once(server: RunningServer, port: int) -> None:
    ida, _ = server.add_user("ida"), server.add_user("joe")
    async with app_server(port) as service:
        client = await online(server.port, "ida")
        await enable(client, "night")
        await leave(client)
        joe = await online(server.port, "joe")
        await write(joe, ida)
        await service.push()
    server.kill()
    server.start()
    async with app_server(port) as service:
        joe = await online(server.port, "joe")
        await write(joe, ida)
        await joe.ping()
        await asyncio.sleep(0.3)
        assert service.published.empty()
        joe.abort()


async def test_bad_requests_get_clear_errors(server: RunningServer) -> None:
    server.add_user("kim")
    client = await online(server.port, "kim")
    for inner, expected in (
        ("<enable xmlns='urn:xmpp:push:0' node='x'/>", "bad-request"),
        ("<enable xmlns='urn:xmpp:push:0' jid='@' node='x'/>", "bad-request"),
        ("<enable xmlns='urn:xmpp:push:0' jid='kim@localhost' node='x'/>", "not-allowed"),
        ("<enable xmlns='urn:xmpp:push:0' jid='elsewhere.example' node='x'/>", "not-allowed"),
        ("<enable xmlns='urn:xmpp:push:0' jid='pubsub.localhost' node='x'/>", "not-allowed"),
        ("<enable xmlns='urn:xmpp:push:0' jid='tea@groups.localhost' node='x'/>", "not-allowed"),
        (f"<enable xmlns='urn:xmpp:push:0' jid='{SERVICE}' node='{'x' * 5000}'/>", "policy-violation"),
        (
            f"<enable xmlns='urn:xmpp:push:0' jid='{SERVICE}' node='x'>"
            "<x xmlns='jabber:x:data' type='submit'/></enable>",
            "bad-request",
        ),
        ("<disable xmlns='urn:xmpp:push:0'/>", "bad-request"),
    ):
        answer = await client.iq("set", inner)
        assert (answer.get("type"), condition(answer)) == ("error", expected), inner
    other = await client.iq("set", f"<enable xmlns='urn:xmpp:push:0' jid='{SERVICE}'/>", "ben@localhost")
    assert condition(other) == "forbidden"
    client.abort()
