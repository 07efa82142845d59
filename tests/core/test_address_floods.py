"""Whatever way an address or a user name comes in, preparing it takes the server little work.

The server runs in this process, so that its work can be counted; nothing here measures time.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import aiohttp
import pytest

from kith.accounts.credentials import make_keys
from kith.base.randomness import Randomness
from kith.config import Config
from kith.records.passwords import new_salts
from kith.server import Server
from tests.conftest import free_ports
from tests.raw import SASL2, Gone, RawClient, plain
from tests.wire.work import Work

#: As long as it may be unprepared, and as long as fits into what carries it. Each needs its last character.
LONGEST = "\u30fb" * 340 + "\u30ab"
HUGE = "\u30fb" * 3500 + "\u30ab"
#: Three parts of 1023 bytes take about 30,000 calls. Work that grows with the square makes a hundred thousand
#: and more of the short form, and millions of the long one.
ENOUGH = 60_000

BEFORE_LOGIN = {
    "SASL PLAIN": lambda text: auth("PLAIN", plain(text, "pw")),
    "SASL PLAIN for another": lambda text: auth("PLAIN", plain("ada", "pw", f"{text}@localhost")),
    "SCRAM": lambda text: auth("SCRAM-SHA-256", b64(f"n,,n={text},r=nonce")),
    "SCRAM for another": lambda text: auth("SCRAM-SHA-256", b64(f"n,a={text},n=ada,r=nonce")),
    "SASL2": lambda text: auth2("PLAIN", plain(text, "pw")),
    "token": lambda text: auth2(
        "HT-SHA-256-NONE", base64.b64encode(text.encode() + b"\0" + bytes(32)).decode()
    ),
    "registration": lambda text: (
        "<iq type='set' id='r'><query xmlns='jabber:iq:register'>"
        f"<username>{text}</username><password>secret</password></query></iq>"
    ),
}
HEADERS = {
    "who opens a stream": lambda text: (f"{text}@localhost/{text}", "localhost"),
    "whose domain opens a stream": lambda text: (f"ada@{text}", "localhost"),
    "whom a stream is for": lambda text: ("", f"{text}@{text}/{text}"),
}
AFTER_LOGIN = {
    "message": lambda jid: f"<message to='{jid}'><body>.</body></message>",
    "message in another's name": lambda jid: f"<message from='{jid}' to='localhost'><body>.</body></message>",
    "iq": lambda jid: iq("<ping xmlns='urn:xmpp:ping'/>", to=jid, type="get"),
    "presence": lambda jid: f"<presence to='{jid}'/>",
    "subscription": lambda jid: f"<presence type='subscribe' to='{jid}'/>",
    "roster": lambda jid: iq(f"<query xmlns='jabber:iq:roster'><item jid='{jid}'/></query>"),
    "blocking": lambda jid: iq(f"<block xmlns='urn:xmpp:blocking'><item jid='{jid}'/></block>"),
    "unblocking": lambda jid: iq(f"<unblock xmlns='urn:xmpp:blocking'><item jid='{jid}'/></unblock>"),
    "archive": lambda jid: iq(
        "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
        f"<value>urn:xmpp:mam:2</value></field><field var='with'><value>{jid}</value></field></x></query>"
    ),
    "archive preferences": lambda jid: iq(
        f"<prefs xmlns='urn:xmpp:mam:2' default='roster'><always><jid>{jid}</jid></always><never/></prefs>"
    ),
    "pubsub subscription": lambda jid: iq(
        f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='n' jid='{jid}'/></pubsub>"
    ),
    "pubsub affiliations": lambda jid: iq(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><affiliations node='urn:test'>"
        f"<affiliation jid='{jid}' affiliation='member'/></affiliations></pubsub>"
    ),
    "pubsub subscriptions": lambda jid: iq(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'><subscriptions node='urn:test'>"
        f"<subscription jid='{jid}' subscription='subscribed'/></subscriptions></pubsub>"
    ),
    "bookmarks": lambda jid: iq(
        "<query xmlns='jabber:iq:private'><storage xmlns='storage:bookmarks'>"
        f"<conference jid='{jid}'/></storage></query>"
    ),
    "new password": lambda jid: iq(
        f"<query xmlns='jabber:iq:register'><username>{jid}</username><password>p</password></query>"
    ),
    "invitation": lambda jid: iq(
        "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#create-account'>"
        f"<x xmlns='jabber:x:data' type='submit'><field var='username'><value>{jid}</value></field></x>"
        "</command>",
        to="localhost",
    ),
    "announcement": lambda jid: iq(
        "<command xmlns='http://jabber.org/protocol/commands'"
        " node='http://jabber.org/protocol/admin#end-user-session'><x xmlns='jabber:x:data' type='submit'>"
        f"<field var='accountjids'><value>{jid}</value></field></x></command>",
        to="localhost",
    ),
    "carbon": lambda jid: (
        f"<message to='{jid}'><received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<message xmlns='jabber:client' from='{jid}' to='{jid}'/></forwarded></received></message>"
    ),
    "report": lambda jid: iq(
        f"<block xmlns='urn:xmpp:blocking'><item jid='{jid}'>"
        "<report xmlns='urn:xmpp:reporting:1' reason='urn:xmpp:reporting:spam'/></item></block>"
    ),
}


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def auth(mechanism: str, data: str) -> str:
    return f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{mechanism}'>{data}</auth>"


def auth2(mechanism: str, data: str) -> str:
    return (
        f"<authenticate xmlns='{SASL2}' mechanism='{mechanism}'><initial-response>{data}</initial-response>"
        "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><fast xmlns='urn:xmpp:fast:0'/>"
        "</authenticate>"
    )


def iq(child: str, to: str = "", type: str = "set") -> str:
    address = f" to='{to}'" if to else ""
    return f"<iq type='{type}' id='x'{address}>{child}</iq>"


def forms(text: str) -> list[str]:
    """Addresses in which a text stands in each part."""
    return [f"{text}@{text}/{text}", f"{text}@localhost", f"localhost/{text}", f"{text}.localhost"]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    xmpp, http, federation, component = free_ports(4)
    config = Config(
        data_dir=tmp_path,
        listen=["127.0.0.1"],
        xmpp_port=xmpp,
        xmpps_port=0,
        http_port=http,
        https_port=0,
        media_http_port=0,
        media_https_port=0,
        federation=True,
        federation_port=federation,
        component_port=component,
        components={"bot.localhost": "secret"},
        operators=["ada@localhost"],
        registration="open",
        allow_plaintext=True,
    )
    server = Server(config)
    await server.start()
    keys = await asyncio.to_thread(make_keys, "pw", new_salts(Randomness()))
    await server.node.store.create_accounts([("ada@localhost", keys)])
    yield server
    while server.edge.connections:
        await asyncio.sleep(0.01)
    await server.stop()


async def settled(client: RawClient) -> None:
    """What was sent before has been handled, or the stream has ended."""
    with contextlib.suppress(Gone):
        await client.ping()


@pytest.mark.parametrize("text", [LONGEST, HUGE, "a" * 11_000], ids=["longest", "huge", "plain"])
async def test_a_name_costs_little_work_at_every_entrance_before_the_login(server: Server, text: str) -> None:
    costs: dict[str, int] = {}
    for name, request in BEFORE_LOGIN.items():
        async with RawClient(server.config.xmpp_port) as client:
            client.open()
            await client.tag("features")
            with Work() as work:
                client.send(request(text))
                await client.take(timeout=60)
            costs[name] = work.calls
    for name, header in HEADERS.items():
        sender, to = header(text)
        async with RawClient(server.config.xmpp_port) as client:
            with Work() as work:
                client.open(to, sender)
                await client.take(timeout=60)
            costs[name] = work.calls
    for name, port, namespace in (
        ("another server", server.config.federation_port, "jabber:server"),
        ("a component", server.config.component_port, "jabber:component:accept"),
    ):
        async with RawClient(port) as client:
            with Work() as work:
                client.send(
                    f"<stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams' "
                    f"xmlns:db='jabber:server:dialback' version='1.0' from='{text}.de' to='{text}.de'>"
                    f"<db:verify from='{text}.de' to='{text}.de' id='x'>key</db:verify>"
                )
                await client.end(timeout=60)
            costs[name] = work.calls
    with Work() as work:
        for local in (text, f"a{text}"):
            credential = base64.urlsafe_b64encode(f"{local}:agent:token".encode()).decode()[:2000]
            url = f"http://127.0.0.1:{server.config.http_port}/api/account"
            async with aiohttp.ClientSession() as http:
                await http.get(url, headers={"Authorization": f"Bearer {credential}"})
                await http.get(f"{url}?name={quote(text[:500])}")
    costs["HTTP API"] = work.calls
    assert {name: cost for name, cost in costs.items() if cost > ENOUGH} == {}


@pytest.mark.parametrize("text", [LONGEST, HUGE], ids=["longest", "huge"])
async def test_an_address_costs_little_work_in_whatever_it_stands(server: Server, text: str) -> None:
    costs: dict[str, int] = {}
    for name, request in AFTER_LOGIN.items():
        for jid in forms(text):
            async with RawClient(server.config.xmpp_port) as client:
                await client.login("ada")
                await client.bind("r")
                with Work() as work:
                    client.send(request(jid))
                    await settled(client)
                costs[name] = max(costs.get(name, 0), work.calls)
    async with RawClient(server.config.xmpp_port) as client:
        await client.login("ada")
        with Work() as work:
            await client.bind(text)
        costs["resource"] = work.calls
    assert {name: cost for name, cost in costs.items() if cost > ENOUGH} == {}


async def test_a_password_that_takes_long_to_prepare_is_not_prepared(server: Server) -> None:
    async with RawClient(server.config.xmpp_port) as client:
        client.open()
        await client.tag("features")
        client.send(auth("PLAIN", plain("ada", "\u0300\u0316" * 2500)))
        assert (await client.tag("failure"))[0].tag.endswith("not-authorized")
