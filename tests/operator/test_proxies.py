"""The examples for reverse proxies in `packaging/proxies`, run by the real programs."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from websockets.asyncio.client import connect

from tests.conftest import RunningServer, free_ports, running
from tests.federation.world import Authority

EXAMPLES = Path(__file__).parents[2] / "packaging" / "proxies"
HOST = "chat.example.org"
_START_SECONDS = 30


@dataclass
class Files:
    """Where a proxy under test has its things, and its ports."""

    folder: Path
    kith: int
    http: int
    https: int
    certificate: Path
    key: Path


def example(name: str, *replacements: tuple[str, str]) -> str:
    """An example for the ports and files of a test. Each text that is replaced has to be there."""
    text = (EXAMPLES / name).read_text()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    return text


def nginx(files: Files) -> list[str]:
    text = example(
        "nginx.conf",
        ("listen 80;", f"listen 127.0.0.1:{files.http};"),
        ("    listen [::]:80;\n", ""),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{files.https} ssl http2;"),
        ("    listen [::]:443 ssl http2;\n", ""),
        ("127.0.0.1:8080", f"127.0.0.1:{files.kith}"),
        ("/etc/letsencrypt/live/chat.example.org/fullchain.pem", str(files.certificate)),
        ("/etc/letsencrypt/live/chat.example.org/privkey.pem", str(files.key)),
    )
    (files.folder / "kith.conf").write_text(text)
    paths = "".join(
        f"{kind}_temp_path {files.folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (files.folder / "nginx.conf").write_text(
        f"daemon off; pid {files.folder}/pid; error_log stderr; worker_processes 1;\n"
        f"events {{}}\nhttp {{ access_log off;\n{paths}include {files.folder}/kith.conf;\n}}\n"
    )
    return ["/usr/sbin/nginx", "-e", "stderr", "-c", str(files.folder / "nginx.conf")]


def caddy(files: Files) -> list[str]:
    options = (
        f"{{\n\thttp_port {files.http}\n\thttps_port {files.https}\n\tadmin off\n\tlocal_certs\n"
        f"\tskip_install_trust\n\tstorage file_system {files.folder}/store\n}}\n"
    )
    text = example("Caddyfile", ("127.0.0.1:8080", f"127.0.0.1:{files.kith}"))
    (files.folder / "Caddyfile").write_text(options + text)
    return ["/usr/bin/caddy", "run", "--adapter", "caddyfile", "--config", str(files.folder / "Caddyfile")]


def haproxy(files: Files) -> list[str]:
    both = files.folder / "both.pem"
    both.write_bytes(files.certificate.read_bytes() + files.key.read_bytes())
    text = example(
        "haproxy.cfg",
        ("bind :80\n", f"bind 127.0.0.1:{files.http}\n"),
        ("bind :443 ", f"bind 127.0.0.1:{files.https} "),
        ("/etc/haproxy/chat.example.org.pem", str(both)),
        ("127.0.0.1:8080", f"127.0.0.1:{files.kith}"),
    )
    (files.folder / "haproxy.cfg").write_text(text)
    return ["/usr/sbin/haproxy", "-db", "-f", str(files.folder / "haproxy.cfg")]


@dataclass
class Proxy:
    """The ports of a proxy that runs before a server."""

    http: int
    https: int


@pytest.fixture(scope="module", params=[nginx, caddy, haproxy], ids=lambda make: make.__name__)
def proxy(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    make: Callable[[Files], list[str]] = request.param
    folder = tmp_path_factory.mktemp(make.__name__)
    with running(folder / "data", domain=HOST, public_url=f"https://{HOST}", allow_plaintext="off") as server:
        yield from _proxy(make, server, folder)


def _proxy(make: Callable[[Files], list[str]], server: RunningServer, folder: Path) -> Iterator[Proxy]:
    http, https = free_ports(2)
    files = Files(folder, server.http_port, http, https, *Authority(folder).certificate("proxy", names=HOST))
    command = make(files)
    assert shutil.which(command[0]), f"{command[0]} is missing: tests/interop/debian-packages.txt"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=os.environ | {"HOME": str(folder)}
        )
        try:
            _listens(https, folder / "log", process)
            yield Proxy(http, https)
        finally:
            process.terminate()
            process.wait(20)


def _listens(port: int, log: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as plain:
                _context().wrap_socket(plain, server_hostname=HOST).close()
            return
        except OSError:  # Caddy refuses handshakes until it has made its certificate
            time.sleep(0.05)
    raise RuntimeError(f"the proxy did not start:\n{log.read_text()}")


def _context() -> ssl.SSLContext:
    """Whose certificate it is does not matter here."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _ask(proxy: Proxy, method: str, path: str, json: object = None, **headers: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.request(
            method,
            f"https://127.0.0.1:{proxy.https}{path}",
            json=json,
            headers={"Host": HOST} | {name.replace("_", "-"): value for name, value in headers.items()},
            ssl=_context(),
            server_hostname=HOST,
        ) as answer,
    ):
        return answer.status, await answer.text()


async def test_the_app_and_the_api_are_there_and_private(proxy: Proxy) -> None:
    status, text = await _ask(proxy, "GET", "/api/openapi.json")
    assert (status, '"title":"Kith"' in text) == (200, True)
    status, text = await _ask(proxy, "POST", "/api/links", {}, Origin=f"https://{HOST}")
    assert status == 201, text
    status, text = await _ask(proxy, "POST", "/api/links", {}, Origin="https://elsewhere.example")
    assert status == 403, text


async def test_a_login_over_websocket_is_offered_with_its_mechanisms(proxy: Proxy) -> None:
    async with connect(
        f"wss://{HOST}/xmpp-websocket",
        host="127.0.0.1",
        port=proxy.https,
        ssl=_context(),
        subprotocols=["xmpp"],  # type: ignore[list-item]
        origin=f"https://{HOST}",  # type: ignore[arg-type]
    ) as websocket:
        await websocket.send(f"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='{HOST}' version='1.0'/>")
        assert "<open " in str(await websocket.recv())
        assert "SCRAM-SHA-256" in str(await websocket.recv())


async def test_nobody_gets_round_a_limit_by_naming_other_addresses(proxy: Proxy) -> None:
    """A client's X-Forwarded-For is thrown away, or comes before what the proxy has seen."""
    statuses = [
        (await _ask(proxy, "POST", "/api/links", {}, X_Forwarded_For=f"203.0.113.{number}"))[0]
        for number in range(62)
    ]
    assert set(statuses[:50]) == {201}
    assert statuses[-1] == 429


async def test_plain_http_leads_to_https(proxy: Proxy) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://127.0.0.1:{proxy.http}/invite", headers={"Host": HOST}, allow_redirects=False
        ) as answer,
    ):
        assert answer.status in (301, 308)
        assert answer.headers["Location"].startswith(f"https://{HOST}")
