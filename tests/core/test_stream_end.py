"""A stream's end is answered after what came before it was handled, however it came (RFC 6120 §4.4)."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import RunningServer
from tests.core.test_websocket import FRAMING, WebClient
from tests.core.test_websocket import plain as websocket
from tests.raw import CLIENT, RawClient, authenticate, body, online, plain

END = "</stream:stream>"


@pytest.fixture(scope="module", autouse=True)
def people(server: RunningServer) -> None:
    for name in ("alice", "bob", "carol"):
        server.add_user(name)


class Closing(RawClient):
    """Notes whether the server has closed its stream, and not just the connection."""

    answered = False

    def _restart(self) -> None:
        super()._restart()
        feed = self._parser.feed

        def watch(data: bytes) -> None:
            self.answered = self.answered or bytes(data).rstrip().endswith(END.encode())
            feed(data)

        self._parser.feed = watch  # type: ignore[method-assign]


async def closing(server: RunningServer, resource: str = "") -> Closing:
    client = Closing(server.port)
    await client.connect()
    await client.login("alice")
    await client.bind(resource)
    return client


@pytest.mark.parametrize(
    "last",
    [
        "",
        "<presence/>",
        "<message to='bob@localhost'><body>x</body></message>",
        "<message to='nobody@localhost'><body>x</body></message>",
        "<presence to='bob@localhost' type='subscribe'/>",
        "<presence to='nobody@localhost' type='probe'/>",
        "<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>",
        "<iq type='set' id='1'><query xmlns='urn:xmpp:mam:2'/></iq>",
        "<presence/><message to='bob@localhost'><body>x</body></message><presence type='unavailable'/>",
        "<enable xmlns='urn:xmpp:sm:3' resume='true'/><presence/><r xmlns='urn:xmpp:sm:3'/>",
    ],
)
async def test_an_end_that_comes_with_a_stanza_in_work_is_answered(server: RunningServer, last: str) -> None:
    client = await closing(server)
    client.send(last + END)
    await client.end(5)
    assert client.answered


async def test_what_came_before_the_end_is_handled_and_answered(server: RunningServer) -> None:
    client = await closing(server)
    carol = await online(server.port, "carol")
    client.send(
        "<presence/><message to='carol@localhost' type='chat'><body>the last word</body></message>"
        "<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq>" + END
    )
    await client.end(5)
    assert client.answered
    assert [e.get("id") for e in client.inbox if e.tag == f"{CLIENT}iq"] == ["roster"]
    assert body(await carol.message()) == "the last word"
    carol.abort()


async def test_an_end_that_comes_with_a_login_is_answered_after_it(server: RunningServer) -> None:
    client = Closing(server.port)
    await client.connect()
    client.open(sender="alice@localhost", then=authenticate("alice") + END)
    await client.end(5)
    assert client.answered
    assert [e.tag.partition("}")[2] for e in client.inbox if "success" in e.tag] == ["success"]


async def test_an_end_that_comes_with_a_resumption_is_answered_after_it(server: RunningServer) -> None:
    old = await online(server.port, "alice", "phone")
    old.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    token = (await old.tag("enabled")).get("id")
    old.abort()
    carol = await online(server.port, "carol")
    client = Closing(server.port)
    await client.connect()
    await client.login("alice")
    client.send(
        f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='0'/>"
        f"<message to='carol@localhost' type='chat'><body>resumed</body></message>{END}"
    )
    await client.end(5)
    assert client.answered
    assert body(await carol.message()) == "resumed"
    carol.abort()


@pytest.mark.parametrize("before", ["header", "features", "auth"])
async def test_an_end_before_the_login_is_answered(server: RunningServer, before: str) -> None:
    client = Closing(server.port)
    await client.connect()
    if before == "header":
        client.open(then=END)
    else:
        client.open()
        await client.tag("features")
        client.send(
            END
            if before == "features"
            else f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
            f"mechanism='PLAIN'>{plain('alice', 'pw')}</auth>{END}"
        )
    await client.end(5)
    assert client.answered


async def test_a_close_on_the_websocket_is_answered_after_a_stanza_in_work(server: RunningServer) -> None:
    async with websocket(server) as connection:
        client = WebClient(connection)
        await client.login("alice")
        await client.send("<presence xmlns='jabber:client'/>")
        await client.send(
            "<iq xmlns='jabber:client' type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>"
        )
        await client.send(f"<close xmlns='{FRAMING}'/>")
        assert (await client.take("iq")).get("id") == "r"
        await client.take("close")
        async with asyncio.timeout(25):
            await connection.wait_closed()
