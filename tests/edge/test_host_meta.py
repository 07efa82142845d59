"""XEP-0156: a web client is led to where it can log in."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree.ElementTree import fromstring

import aiohttp
import pytest

from tests.conftest import RunningServer, running

REL = "urn:xmpp:alt-connections:websocket"
LINK = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}Link"


async def links(server: RunningServer, secure: bool = False, **headers: str) -> set[str]:
    """What both forms say."""
    port, scheme = (server.https_port, "https") if secure else (server.http_port, "http")
    base = f"{scheme}://127.0.0.1:{port}/.well-known/host-meta"
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    found = set()
    async with aiohttp.ClientSession(headers=sent) as http:
        async with http.get(base, ssl=False) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.content_type == "application/xrd+xml"
            xml = fromstring(await answer.text())
            found |= {link.get("href", "") for link in xml.iter(LINK) if link.get("rel") == REL}
        async with http.get(base + ".json", ssl=False) as answer:
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.content_type == "application/json"
            listed = json.loads(await answer.text())["links"]
            found |= {link["href"] for link in listed if link["rel"] == REL}
    return found


async def test_without_logins_in_plain_text_it_is_tls(tmp_path: Path) -> None:
    with running(tmp_path / "data", allow_plaintext="off") as server:
        tls = f"wss://127.0.0.1:{server.https_port}/xmpp-websocket"
        assert await links(server) == await links(server, secure=True) == {tls}
        assert await links(server, Host="chat.example:80") == {
            f"wss://chat.example:{server.https_port}/xmpp-websocket"
        }
        assert await links(server, Host="[::1]:80") == {f"wss://[::1]:{server.https_port}/xmpp-websocket"}
        proxied = await links(server, Host="chat.example", X_Forwarded_Proto="https")
        assert proxied == {"wss://chat.example/xmpp-websocket"}


async def test_where_logins_in_plain_text_are_allowed_a_test_page_needs_no_certificate(
    tmp_path: Path,
) -> None:
    with running(tmp_path / "data") as server:
        assert await links(server) == {f"ws://127.0.0.1:{server.http_port}/xmpp-websocket"}


@pytest.mark.parametrize("url", ["https://chat.example", "https://chat.example/"])
async def test_behind_a_proxy_it_is_the_public_address(tmp_path: Path, url: str) -> None:
    with running(tmp_path / "data", public_url=url, allow_plaintext="off") as server:
        assert await links(server) == {"wss://chat.example/xmpp-websocket"}


async def test_only_what_is_there_for_everybody_may_be_read_by_other_pages(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        base = f"http://127.0.0.1:{server.http_port}"
        async with aiohttp.ClientSession() as http:
            for path in ("/", "/health", "/invite/x"):
                async with http.get(base + path) as answer:
                    assert "Access-Control-Allow-Origin" not in answer.headers
