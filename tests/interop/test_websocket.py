"""StanzaJS over WebSocket (RFC 7395): what the web app of a stranger does, together with slixmpp over TCP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.request import urlopen
from xml.etree import ElementTree

import pytest

from tests.conftest import RunningServer
from tests.interop.slix import online
from tests.interop.web import Refused, WebClient, web_client

_XRD = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}"
_WEBSOCKET = "urn:xmpp:alt-connections:websocket"


@pytest.fixture
async def web() -> AsyncIterator[WebClient]:
    async with web_client() as client:
        yield client


async def _begin(web: WebClient, jid: str, server: RunningServer, **settings: Any) -> str:
    """Logs in, and returns the full address."""
    await web.log_in(jid, server.http_port, **settings)
    await web.event("session:started")
    await web.do("sendPresence", {})
    await web.do("ping", "localhost")
    return str(jid)


async def test_messages_go_each_way_between_websocket_and_tcp(
    server: RunningServer, person: Any, web: WebClient
) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ben_jid, server.port) as ben:
        await _begin(web, ada_jid, server)
        text = ']]> <b>it\'s</b> & "ö" 👩‍💻'
        await web.do("sendMessage", {"to": ben_jid, "body": text, "type": "chat"})
        message = await ben.message()
        assert message["body"] == text
        assert message["from"].bare == ada_jid
        message.reply(f"you said: {text}").send()
        answer = await web.event("chat")
        assert answer["body"] == f"you said: {text}"
        assert answer["from"] == str(ben.boundjid)
        assert 'mechanism="SCRAM-SHA-256"' in await web.event("raw:outgoing", "<auth ")


async def test_a_web_client_and_another_see_each_other_come_and_go(
    server: RunningServer, person: Any, web: WebClient
) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ben_jid, server.port) as ben:
        await _begin(web, ada_jid, server)
        await web.do("subscribe", ben_jid)
        await ben.presence("subscribe", ada_jid)
        ben.send_presence_subscription(pto=ada_jid, ptype="subscribed")
        ben.send_presence_subscription(pto=ada_jid, ptype="subscribe")
        assert (await web.event("subscribe"))["from"] == ben_jid
        await web.do("acceptSubscription", ben_jid)
        await ben.presence("available", ada_jid)
        roster = await web.do("getRoster")
        assert [(item["jid"], item["subscription"]) for item in roster["items"]] == [(ben_jid, "both")]
        await web.do("sendPresence", {"show": "away", "status": "at lunch"})
        assert (await ben.presence("away", ada_jid))["status"] == "at lunch"
        await web.do("disconnect")
        await ben.presence("unavailable", ada_jid)


async def test_a_web_client_discovers_what_server_and_account_can_do(
    server: RunningServer, person: Any, web: WebClient
) -> None:
    jid = person("ada")
    await _begin(web, jid, server)
    info = await web.do("getDiscoInfo", "localhost")
    assert ("server", "im") in {(item["category"], item["type"]) for item in info["identities"]}
    assert {"urn:xmpp:carbons:2", "urn:xmpp:ping"} <= set(info["features"])
    info = await web.do("getDiscoInfo", jid)
    assert {"urn:xmpp:mam:2"} <= set(info["features"])
    with pytest.raises(Refused, match="service-unavailable"):
        await web.do("getDiscoInfo", "nobody@localhost")


async def test_a_wrong_password_is_refused(server: RunningServer, person: Any, web: WebClient) -> None:
    jid = person("ada")
    login = asyncio.ensure_future(web.log_in(jid, server.http_port, password="wrong"))
    await web.event("auth:failed")
    assert "<not-authorized " in await web.event("raw:incoming", "<failure ")
    login.cancel()


async def test_a_web_client_reads_the_archive(server: RunningServer, person: Any, web: WebClient) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ben_jid, server.port) as ben:
        for number in range(7):
            ben.send_message(mto=ada_jid, mbody=f"message {number}", mtype="chat")
        await ben.ping()
    await _begin(web, ada_jid, server)
    assert [(await web.event("chat"))["body"] for _ in range(7)] == [
        f"message {number}" for number in range(7)
    ]
    page = await web.do("archive", {"with": ben_jid, "paging": {"max": 5}})
    assert page == {"complete": False, "bodies": [f"message {number}" for number in range(5)]}
    page = await web.do("archive", {"with": ben_jid, "paging": {"max": 5, "before": ""}})
    assert page == {"complete": False, "bodies": [f"message {number}" for number in range(2, 7)]}


async def test_carbons_reach_a_web_client(server: RunningServer, person: Any, web: WebClient) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ben_jid, server.port) as ben, online(ada_jid, server.port, carbons=True) as phone:
        await _begin(web, ada_jid, server)
        await web.do("enableCarbons")
        phone.send_message(mto=ben_jid, mbody="from my phone", mtype="chat")
        await ben.message()
        carbon = await web.event("carbon:sent")
        assert carbon["carbon"]["forward"]["message"]["body"] == "from my phone"
        said = {"to": ben_jid, "body": "from the web", "type": "chat"}
        sent = await phone.event_of("carbon_sent", lambda: web.do("sendMessage", said))
        assert sent["carbon_sent"]["body"] == "from the web"


async def test_a_lost_websocket_is_resumed_with_nothing_lost_or_doubled(
    server: RunningServer, person: Any, web: WebClient
) -> None:
    ada_jid, ben_jid = person("ada"), person("ben")
    async with online(ben_jid, server.port) as ben:
        await _begin(web, ada_jid, server, autoReconnect=False)
        await web.do("sendMessage", {"to": ben_jid, "body": "before", "type": "chat"})
        await ben.message()
        await web.do("cut")
        await web.event("disconnected")
        for number in range(3):
            ben.send_message(mto=ada_jid, mbody=f"meanwhile {number}", mtype="chat")
        await ben.ping()
        await web.do("reconnect")
        await web.event("stream:management:resumed")
        assert [(await web.event("chat"))["body"] for _ in range(3)] == [f"meanwhile {n}" for n in range(3)]
        await web.do("sendMessage", {"to": ben_jid, "body": "after", "type": "chat"})
        assert (await ben.message())["body"] == "after"
        await web.do("ping", "localhost")
        assert web.seen("chat") == []


async def test_a_web_client_is_resumed_after_the_server_was_started_anew(
    tmp_path: Any, web: WebClient
) -> None:
    """To one that can resume, a restart is a lost connection."""
    server = RunningServer(tmp_path / "data")
    server.start()
    try:
        await _begin(web, server.add_user("ada"), server, autoReconnect=False)
        assert await asyncio.to_thread(server.stop) == 0
        await web.event("disconnected")
        await asyncio.to_thread(server.start)
        await web.do("reconnect")
        await web.event("stream:management:resumed")
        await web.do("ping", "localhost")
    finally:
        server.kill()


def _get(server: RunningServer, path: str) -> tuple[Any, bytes]:
    with urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=10) as response:
        return response.headers, response.read()


def test_host_meta_names_the_websocket_in_xml(server: RunningServer) -> None:
    headers, body = _get(server, "/.well-known/host-meta")
    assert headers.get_content_type() == "application/xrd+xml"
    assert headers["Access-Control-Allow-Origin"] == "*"
    document = ElementTree.fromstring(body)
    assert document.tag == f"{_XRD}XRD"
    links = {link.get("rel"): link.get("href") or "" for link in document.iter(f"{_XRD}Link")}
    assert links[_WEBSOCKET].startswith(("ws://", "wss://"))
    assert links[_WEBSOCKET].endswith("/xmpp-websocket")


def test_host_meta_names_the_same_websocket_in_json(server: RunningServer) -> None:
    headers, body = _get(server, "/.well-known/host-meta.json")
    assert headers.get_content_type() == "application/json"
    assert headers["Access-Control-Allow-Origin"] == "*"
    links = {link["rel"]: link["href"] for link in json.loads(body)["links"]}
    xml = ElementTree.fromstring(_get(server, "/.well-known/host-meta")[1])
    found = {link.get("rel"): link.get("href") for link in xml.iter(f"{_XRD}Link")}
    assert found == {_WEBSOCKET: links[_WEBSOCKET]}
