"""XEP-0156: a web client is led to where it can log in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree.ElementTree import fromstring

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.conftest import RunningServer, running

REL = "urn:xmpp:alt-connections:websocket"
LINK = "{http://docs.oasis-open.org/ns/xri/xrd-1.0}Link"


def make(folder: Path, *names: str) -> tuple[Path, Path]:
    """A certificate for these names, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return paths


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
        own = {f"wss://localhost:{server.https_port}/xmpp-websocket"}
        assert await links(server, Host="localhost:80") == own
        assert await links(server, Host="[::1]:80") == {f"wss://[::1]:{server.https_port}/xmpp-websocket"}
        assert await links(server, Host="localhost", X_Forwarded_Proto="https") == {
            "wss://localhost/xmpp-websocket"
        }


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:443", "203.0.113.7", "localhost.evil.example"]
)
async def test_a_host_that_is_not_this_server_is_not_repeated(tmp_path: Path, host: str) -> None:
    with running(tmp_path / "data", allow_plaintext="off") as server:
        own = {f"wss://localhost:{server.https_port}/xmpp-websocket"}
        assert await links(server, Host=host) == await links(server, secure=True, Host=host) == own
        proxied = await links(server, Host=host, X_Forwarded_Proto="https")
        assert proxied == {"wss://localhost/xmpp-websocket"}


async def test_a_host_that_the_certificate_is_for_is_this_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    certificate, key = make(data, "chat.example", "*.web.example")
    settings = {"certificate": str(certificate), "private_key": str(key), "allow_plaintext": "off"}
    with running(data, **settings) as server:
        for host in ("chat.example", "a.web.example"):
            expected = {f"wss://{host}:{server.https_port}/xmpp-websocket"}
            assert await links(server, Host=host) == expected
        assert await links(server, Host="a.b.web.example") == {
            f"wss://localhost:{server.https_port}/xmpp-websocket"
        }


async def media_link(server: RunningServer, secure: bool = False, **headers: str) -> tuple[str, str]:
    """The media server's origin for a page, and the canonical one."""
    port, scheme = (server.https_port, "https") if secure else (server.http_port, "http")
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"{scheme}://127.0.0.1:{port}/.well-known/host-meta.json"
    async with aiohttp.ClientSession(headers=sent) as http, http.get(url, ssl=False) as answer:
        (link,) = [link for link in (await answer.json())["links"] if link["rel"] == "urn:kith:media:0"]
    return link["href"], link["properties"]["urn:kith:media:0#canonical"]


async def test_a_page_finds_the_media_server_at_the_host_that_it_came_from(tmp_path: Path) -> None:
    with running(tmp_path / "data", allow_plaintext="off") as server:
        plain, tls = server.media_http_port, server.media_https_port
        canonical = f"https://localhost:{tls}"
        assert await media_link(server, secure=True) == (f"https://127.0.0.1:{tls}", canonical)
        assert await media_link(server) == (f"http://127.0.0.1:{plain}", canonical)  # this machine
        assert await media_link(server, Host="localhost:80") == (f"http://localhost:{plain}", canonical)
        assert await media_link(server, secure=True, Host="[::1]:80") == (f"https://[::1]:{tls}", canonical)
        for more in ({}, {"secure": True}, {"X_Forwarded_Proto": "https"}):
            assert await media_link(server, Host="evil.example", **more) == (canonical, canonical)  # type: ignore[arg-type]
        assert await media_link(server, X_Forwarded_Proto="https") == (canonical, canonical)
        proxied = await media_link(server, Host="127.0.0.1", X_Forwarded_For="192.0.2.7")
        assert proxied == (f"https://127.0.0.1:{tls}", canonical)


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
            for path, status in (("/", 200), ("/health", 200), ("/invite/x", 404), ("/api/pin", 401)):
                async with http.get(base + path) as answer:
                    assert answer.status == status  # it is there
                    assert "Access-Control-Allow-Origin" not in answer.headers
