"""Push services on other servers while federation is off: requests go out, answers come back over the same
stream, and nobody else reaches anybody. The other server is Debian's Prosody; a client of it plays the app
server.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from kith.config import Config
from kith.core.routing.hosts import Hosts
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.federation.outbound import Outbound
from kith.federation.outgoing import Outgoing
from kith.wire.stanza import Stanza
from tests.conftest import RunningServer
from tests.federation.prosody import Prosody, prosody
from tests.federation.world import World, world
from tests.parts import DOMAIN, room
from tests.raw import RawClient, condition

SERVICE = "pam@prosody.test/push"
PUBLISH = "{http://jabber.org/protocol/pubsub}publish"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def kith(here: World) -> Iterator[RunningServer]:
    settings = {"federation": "off", "push_services": "prosody.test,silent.test"}
    with here.kith("kith.test", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def other(here: World, kith: RunningServer) -> Iterator[Prosody]:
    with prosody(here, "prosody.test", {}, modules="s2s_bidi smacks") as server:
        yield server


async def online(server: RunningServer | Prosody, user: str, resource: str = "") -> RawClient:
    client = RawClient(server.port, server.domain)
    await client.connect()
    await client.login(user)
    await client.bind(resource)
    client.send("<presence/>")
    await client.result("get", "<ping xmlns='urn:xmpp:ping'/>", server.domain)
    return client


async def enable(server: RunningServer, user: str, service: str = SERVICE) -> None:
    client = await online(server, user)
    await client.result("set", f"<enable xmlns='urn:xmpp:push:0' jid='{service}' node='n'/>")
    client.send("</stream:stream>")
    await client.end()


async def test_a_push_goes_out_and_its_error_comes_back(kith: RunningServer, other: Prosody) -> None:
    service = await online(other, "pam", "push")
    await enable(kith, "ann")
    ben = await online(kith, "ben")
    ben.send("<message type='chat' to='ann@kith.test'><body>hello</body></message>")
    iq = await service.take(lambda e: e.find(f".//{PUBLISH}") is not None, 20)
    assert iq.get("from") == "kith.test"
    service.send(
        f"<iq type='error' id='{iq.get('id')}' to='kith.test'><error type='cancel'>"
        "<item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
    async with asyncio.timeout(20):
        while "push registration ended" not in kith.log.read_text():
            await asyncio.sleep(0.05)
    service.abort()
    ben.abort()


async def test_a_client_registers_itself_at_its_app_server(kith: RunningServer, other: Prosody) -> None:
    """As Conversations does: it asks the app server for a node over its own account."""
    ann = await online(kith, "ann")
    answer = await ann.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "prosody.test", 20)
    assert answer.get("type") == "result"
    ann.abort()


async def test_nobody_else_is_reached_and_nobody_gets_in(kith: RunningServer, other: Prosody) -> None:
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    ann.send("<message id='m' type='chat' to='pam@prosody.test'><body>hello</body></message>")
    assert condition(await ann.message()) == "remote-server-not-found"
    answer = await ann.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "elsewhere.test")
    assert condition(answer) == "remote-server-not-found"
    await ann.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "prosody.test", 20)  # there is a stream now
    pam.send("<message type='chat' to='ann@kith.test'><body>let me in</body></message>")
    pam.send(f"<iq type='get' id='1' to='{ann.jid}'><query xmlns='jabber:iq:version'/></iq>")
    assert condition(await pam.message()) == "service-unavailable"
    await ann.expect_nothing()
    await ann.expect_nothing("iq")
    with (
        contextlib.suppress(OSError),
        socket.create_connection(("127.0.0.1", int(kith.environ["KITH_FEDERATION_PORT"])), 1),
    ):
        pytest.fail("the server listens for other servers")
    ann.abort()
    pam.abort()


async def test_a_service_that_is_not_reached_keeps_its_registrations(kith: RunningServer) -> None:
    await enable(kith, "ann", "push@silent.test")
    ben = await online(kith, "ben")
    ben.send("<message type='chat' to='ann@kith.test'><body>hello</body></message>")
    async with asyncio.timeout(40):
        while "silent.test: remote-server" not in kith.log.read_text():
            await asyncio.sleep(0.05)
    log = kith.log.read_text()
    assert "push registration ended" not in log.partition("silent.test")[2]
    ben.abort()


@pytest.mark.parametrize("attrs", ["type='result'", "type='error'", "type='result' id=''"])
async def test_what_is_no_answer_does_not_end_the_stream(tmp_path: Path, attrs: str) -> None:
    async with room(tmp_path) as there:
        node = there.node
        sent: list[object] = []
        outgoing = cast(Outgoing, SimpleNamespace(receive=lambda *taken: sent.append(taken)))
        config = Config(domain=DOMAIN, push_services=["push.test"])
        hosts, post, router = node.get(Hosts), node.get(Post), node.get(Router)
        outbound = Outbound(config, node.domain, hosts, post, router, outgoing)
        stanza = f"<iq xmlns='jabber:client' from='push.test' to='{DOMAIN}' {attrs}/>"
        outbound.take(DOMAIN, "push.test", Stanza.from_bytes(stanza.encode()))
        assert sent == []
