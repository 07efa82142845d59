"""How the web app is served, and who can log in without TLS: a browser on the same machine."""

from __future__ import annotations

import asyncio
import gzip
import os
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.conftest import RunningServer, running

ROOT = Path(__file__).parents[2]
SCRIPT = b"console.log('Kith')\n" * 40
OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a build looks like, and a file beside it that nobody may have."""
    folder = tmp_path_factory.mktemp("app") / "dist"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Kith</title>")
    (folder / "admin.html").write_text("<!doctype html><title>Operators")
    (folder / "icon-192.png").write_bytes(b"a picture")
    (folder / "sw.js").write_text("// nothing yet")
    (folder / "manifest.webmanifest").write_text("{}")
    (folder / ".ready").write_text("")
    (folder / "assets" / "app-1a2b.js").write_bytes(SCRIPT)
    (folder / "assets" / "app-1a2b.js.gz").write_bytes(gzip.compress(SCRIPT))
    (folder / "assets" / "app-1a2b.js.br").write_bytes(b"as if")
    (folder.parent / "secret.txt").write_text("secret")
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[RunningServer]:
    """With the settings that people have."""
    data = tmp_path_factory.mktemp("kith") / "data"
    with running(data, allow_plaintext="off", web_dir=str(folder)) as server:
        yield server


@pytest.fixture
async def http(server: RunningServer) -> AsyncIterator[aiohttp.ClientSession]:
    base = f"http://127.0.0.1:{server.http_port}"
    async with aiohttp.ClientSession(base, auto_decompress=False) as session:
        yield session


@pytest.mark.parametrize("path", ["/", "/link", "/index.html"])
async def test_the_page_is_asked_for_anew_each_time(http: aiohttp.ClientSession, path: str) -> None:
    async with http.get(path) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "<title>Kith" in await answer.text()


@pytest.mark.parametrize("path", ["/admin", "/admin.html"])
async def test_the_page_for_operators_may_do_less_than_the_app(
    http: aiohttp.ClientSession, path: str
) -> None:
    async with http.get(path) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "<title>Operators" in await answer.text()
        policy = dict(one.split(" ", 1) for one in answer.headers["Content-Security-Policy"].split("; "))
        assert policy["default-src"] == policy["worker-src"] == policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["require-trusted-types-for"] == "'script'"
        assert "(self)" not in answer.headers["Permissions-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"


async def test_what_has_its_hash_in_its_name_is_kept_for_ever(http: aiohttp.ClientSession) -> None:
    async with http.get("/assets/app-1a2b.js", headers={"Accept-Encoding": "identity"}) as answer:
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert "immutable" in answer.headers["Cache-Control"]
        assert await answer.read() == SCRIPT
    for path in ("/sw.js", "/manifest.webmanifest"):
        async with http.get(path) as answer:
            assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
        ("br; q=0.000", None),
    ],
)
async def test_it_comes_as_small_as_the_browser_takes_it(
    http: aiohttp.ClientSession, accepted: str, encoding: str | None
) -> None:
    async with http.get("/assets/app-1a2b.js", headers={"Accept-Encoding": accepted}) as answer:
        assert answer.headers.get("Content-Encoding") == encoding
        assert answer.headers["Vary"] == "Accept-Encoding"
        body = await answer.read()
    assert {"br": b"as if", "gzip": gzip.compress(SCRIPT), None: SCRIPT}[encoding][:4] == body[:4]


async def test_what_a_browser_has_is_not_sent_again(http: aiohttp.ClientSession) -> None:
    tags = set()
    for accepted in ("gzip", "br", "identity"):
        asked = {"Accept-Encoding": accepted}
        async with http.get("/assets/app-1a2b.js", headers=asked) as answer:
            tag = answer.headers["ETag"]
        tags.add(tag)
        async with http.get("/assets/app-1a2b.js", headers=asked | {"If-None-Match": tag}) as answer:
            assert answer.status == 304
            assert not await answer.read()
        async with http.get("/assets/app-1a2b.js", headers=asked | {"If-None-Match": '"other"'}) as answer:
            assert answer.status == 200
    assert len(tags) == 3


async def test_a_browser_that_follows_a_wrong_link_gets_a_page_that_says_so(
    http: aiohttp.ClientSession,
) -> None:
    async with http.get("/no/such/page", headers={"Accept": "text/html,*/*"}) as answer:
        assert answer.status == 404
        assert answer.content_type == "text/html"
        assert "Content-Security-Policy" in answer.headers
        assert "<title>Kith" in await answer.text()
    async with http.get("/no/such/page", headers={"Accept": "application/json"}) as answer:
        assert answer.status == 404
        assert answer.content_type == "text/plain"
    async with http.post("/no/such/page", headers={"Accept": "text/html"}) as answer:
        assert answer.status == 404
        assert answer.content_type == "text/plain"


async def test_whoever_asks_for_the_sign_of_the_page_by_habit_gets_it(http: aiohttp.ClientSession) -> None:
    async with http.get("/favicon.ico") as answer:
        assert answer.status == 200
        assert answer.content_type == "image/png"
        assert await answer.read() == b"a picture"


async def test_a_head_is_answered_without_a_body(http: aiohttp.ClientSession) -> None:
    async with http.head("/", headers={"Accept-Encoding": "identity"}) as answer:
        assert answer.status == 200
        assert int(answer.headers["Content-Length"]) > 10
        assert not await answer.read()


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/assets/..%2f..%2fsecret.txt",
        "/.ready",
        "/assets/",
        "/assets/app-1a2b.js.gz",
        "//etc/passwd",
    ],
)
async def test_nothing_else_can_be_had(server: RunningServer, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(25):
        said = await reader.read()
    writer.close()
    assert said.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 400 ")), said


async def test_the_policy_leaves_no_place_for_others_script(
    http: aiohttp.ClientSession, server: RunningServer
) -> None:
    for path in ("/", "/assets/app-1a2b.js", "/sw.js"):
        async with http.get(path) as answer:
            policy = dict(
                rule.strip().partition(" ")[::2]
                for rule in answer.headers["Content-Security-Policy"].split(";")
            )
            assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
            assert policy["script-src"] == policy["style-src"] == "'self'"
            host = f"127.0.0.1:{server.http_port}"
            media = f"http://127.0.0.1:{server.media_http_port} https://localhost:{server.media_https_port}"
            assert policy["connect-src"] == f"'self' ws://{host} wss://{host} {media}"
            assert "unsafe" not in str(policy)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert "camera=(self)" in answer.headers["Permissions-Policy"]
            assert "microphone=(self)" in answer.headers["Permissions-Policy"]
    async with http.get("/", headers={"Host": "a;script-src *"}) as answer:
        assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
        assert "*" not in answer.headers["Content-Security-Policy"]


async def test_the_server_says_where_to_open_it(server: RunningServer) -> None:
    assert f"Open http://localhost:{server.http_port} in a browser" in server.log.read_text()


def test_a_folder_without_an_app_is_an_error(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data", web_dir=str(tmp_path))
    with pytest.raises(RuntimeError, match=r"can't serve the web app: no index\.html"):
        server.start()


async def offered(server: RunningServer, **headers: str) -> bool:
    """Whether a WebSocket with such headers is offered a login."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    url = f"http://127.0.0.1:{server.http_port}/xmpp-websocket"
    async with (
        aiohttp.ClientSession(headers=sent) as http,
        http.ws_connect(url, protocols=("xmpp",), timeout=aiohttp.ClientWSTimeout(ws_close=20)) as socket,
    ):
        await socket.send_str(OPEN)
        said = ""
        while "features" not in said:
            said += await socket.receive_str(timeout=20)
    return "HT-SHA-256-NONE" in said


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
async def test_a_browser_on_this_machine_can_log_in_without_tls(server: RunningServer, name: str) -> None:
    host = f"{name}:{server.http_port}"
    assert await offered(server, Host=host, Origin=f"http://{host}")


async def test_behind_a_proxy_that_has_tls_people_can_log_in(server: RunningServer) -> None:
    assert await offered(server, Host="chat.example", X_Forwarded_Proto="https", X_Forwarded_For="192.0.2.7")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://chat.example", "Host": "chat.example"},
        {"Origin": "https://chat.example", "Host": "localhost:8080"},
        {"Origin": "http://chat.example", "Host": "127.0.0.1:8080"},
        {"Origin": "http://localhost:8080", "Host": "localhost:8080", "X-Forwarded-For": "192.0.2.7"},
        {"Origin": "http://localhost:8080", "Host": "localhost:8080", "Via": "1.1 proxy"},
        {"Origin": "http://localhost:8080", "Host": "localhost:8080", "X-Forwarded-Proto": "http"},
        {"Origin": "http://localhost:9090", "Host": "localhost:8080"},
        {"Origin": "http://[::1", "Host": "localhost:8080"},
        {"Origin": "null", "Host": "localhost:8080"},
    ],
    ids=str,
)
async def test_nobody_else_is_offered_a_login_without_tls(
    server: RunningServer, headers: dict[str, str]
) -> None:
    assert not await offered(server, **headers)


def test_a_wheel_has_the_app_in_it_and_serves_it(tmp_path: Path) -> None:
    """So that it takes no Node where Kith is installed with pip."""
    subprocess.run(
        [ROOT / ".tools" / "bin" / "uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path],
        cwd=ROOT,
        check=True,
        timeout=100,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as held:
        held.extractall(tmp_path / "site")
    where = "from kith.edge.webapp import WebApp, built; WebApp(built()); print(built())"
    done = subprocess.run(
        [sys.executable, "-c", where],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == str(tmp_path / "site" / "kith" / "webapp")
