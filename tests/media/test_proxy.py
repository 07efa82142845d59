"""Files on other servers come through the media server, which can't be made to reach anything else."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from hypothesis import given
from hypothesis import strategies as st

from kith.config import Config
from kith.edge import public
from kith.edge.public import PublicResolver, is_own, is_public
from kith.media import foreign, proxy
from kith.media.foreign import NotFetchable, Permission, checked, sign
from kith.media.proxy import Proxy
from tests.clocks import SetClock
from tests.conftest import RunningServer
from tests.federation.world import Authority
from tests.media.conftest import serving
from tests.media.uploading import SERVICE, Uploader
from tests.raw import condition

KEY = b"k" * 32
NAME = "files.example.org"
DATA = os.urandom(1_000_000)

# -- which addresses ------------------------------------------------------------------------------------

PUBLIC = ["192.0.43.8", "8.8.8.8", "2606:4700::1111", "2a01:4f8::1", "::ffff:8.8.8.8"]
PRIVATE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    *(
        "169.254.169.254",
        "100.64.0.1",
        "100.127.255.255",
        "192.0.0.8",
        "192.0.2.1",
        "198.18.0.1",
        "224.0.0.1",
    ),
    *(
        "255.255.255.255",
        "240.0.0.1",
        "192.88.99.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%1",
        "fc00::1",
        "fd00:ec2::254",
    ),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::8.8.8.8", "ff02::1"),
    *(
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::1",
        "2002:7f00:1::1",
        "2001::1",
        "2001:db8::1",
        "fec0::1",
    ),
    *("", "localhost", "127.1", "0x7f.1", "2130706433", "8.8.8.8.8", "[::1]"),
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_lead_inwards_are_not_public(address: str) -> None:
    assert not is_public(address)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_no_address_is_public_that_is_private_in_any_of_its_forms(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(str(address)):
        assert address.is_global
        if isinstance(address, ipaddress.IPv6Address):
            inner = (address.ipv4_mapped, address.sixtofour, *(address.teredo or ()))
            assert all(one.is_global for one in inner if one is not None)


def test_addresses_of_this_machine_are_its_own() -> None:
    assert is_own("127.0.0.1")
    assert not is_own("192.0.2.1")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://files.example.org/a",
            "ftp://files.example.org/a",
            "file:///etc/passwd",
            "//files.example.org",
        ),
        *("https:///a", "https://", "", "https://a:b@files.example.org/", "https://files.example.org:22/"),
        *("https://files.example.org:25/", "https://files.example.org/a#k", "https://files.example.org/a b"),
        *(
            "https://127.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]:8443/",
            "https://10.0.0.1:8443/",
        ),
        *("https://[fe80::1%25eth0]/", "https://169.254.169.254/latest", "https://localhost/", "https://db/"),
        *(
            "https://2130706433/",
            "https://0x7f.0.0.1/",
            "https://0x7f000001/",
            "https://127.1/",
            "https://x.127.1/",
        ),
        *("https://0177.0.0.1/", "https://a.localhost/", "https://localhost./", "https://127.0.0.1./"),
        *(
            "https://fıles.example.org/",
            "https://files.example.org/" + "a" * 2000,
            "https://a.example:99999/",
        ),
        *("https://files.example.org/\r\nX: y", "https://files.example.org\\@10.0.0.1/", "https://[::1/"),
    ],
)
def test_what_is_no_address_of_a_file_on_a_public_server_is_refused(url: str) -> None:
    with pytest.raises(NotFetchable):
        checked(url)


@pytest.mark.parametrize(
    "url", ["https://files.example.org/a/b.jpg?c=%2F", "https://8.8.8.8:5443/x", "https://[2606:4700::1]/x"]
)
def test_an_address_is_kept_as_it_is(url: str) -> None:
    assert str(checked(url)) == url


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    for url in (text, f"https://{text}", f"https://{text}.example/{text}"):
        with contextlib.suppress(NotFetchable):
            checked(url)


# -- another server -------------------------------------------------------------------------------------


class Names(AbstractResolver):
    """Answers with addresses in turn, as a name server that wants to deceive does; the last one stays."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=one, port=port, family=_family(one), proto=0, flags=0)
            for one in found
        ]

    async def close(self) -> None: ...


def _family(address: str) -> int:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


async def test_only_public_addresses_of_a_name_are_connected() -> None:
    names = Names(["10.0.0.1", "8.8.8.8", "::1"], ["127.0.0.1"], ["::ffff:127.0.0.1"])
    resolver = PublicResolver(names)
    assert [one["host"] for one in await resolver.resolve(NAME, 443)] == ["8.8.8.8"]
    for _ in range(2):
        with pytest.raises(public.NotPublic):
            await resolver.resolve(NAME, 443)


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


class There:
    """Another server with files, and a proxy before it. ``answer`` is what it answers with."""

    def __init__(self) -> None:
        self.answer: Handler = self._file
        self.requests: list[web.BaseRequest] = []
        self.port = 0
        self.proxy_port = 0

    async def _file(self, request: web.BaseRequest) -> web.StreamResponse:
        wanted = request.http_range
        headers = {"ETag": '"1"', "Content-Type": "text/html", "Set-Cookie": "a=b", "Accept-Ranges": "bytes"}
        if wanted.start is None and wanted.stop is None:
            return web.Response(body=DATA, headers=headers)
        start, stop, _ = wanted.indices(len(DATA))
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(DATA)}"
        return web.Response(status=206, body=DATA[start:stop], headers=headers)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        return await self.answer(request)  # type: ignore[arg-type]

    def url(self, path: str = "/a.jpg", host: str = NAME) -> str:
        return f"https://{host}:{self.port}{path}"

    def token(self, url: str = "", expires: float = 2e9, owner: str = "1", key: bytes = KEY) -> str:
        permission = Permission(url or self.url(), owner, int(expires))
        return f"http://127.0.0.1:{self.proxy_port}/p/{sign(permission, key)}"


@contextlib.asynccontextmanager
async def proxied(
    authority: Authority, resolver: AbstractResolver, kind: Any = "private", trusted: bool = True
) -> AsyncIterator[There]:
    there = There()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*authority.certificate("files", names=NAME))
    runner = web.ServerRunner(web.Server(there.handle))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    there.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    config = Config(media_proxy=kind, federation_ca=authority.file if trusted else None)
    made = Proxy(config, SetClock(), KEY, resolver)
    app = web.Application()
    made.add_to(app.router)
    front = web.AppRunner(app)
    await front.setup()
    entry = web.TCPSite(front, "127.0.0.1", 0)
    await entry.start()
    there.proxy_port = entry._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
    try:
        yield there
    finally:
        await front.cleanup()
        await made.stop()
        await runner.cleanup()


@pytest.fixture
async def there(authority: Authority) -> AsyncIterator[There]:
    async with proxied(authority, Names(["127.0.0.1"])) as there:
        yield there


async def get(url: str, method: str = "GET", **headers: str) -> tuple[int, Any, bytes]:
    async with aiohttp.ClientSession() as http, http.request(method, url, headers=headers) as answer:
        return answer.status, answer.headers, await answer.read()


async def test_a_file_comes_as_bytes_that_no_browser_shows(there: There) -> None:
    status, headers, body = await get(there.token())
    assert (status, body) == (200, DATA)
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["Content-Disposition"] == "attachment"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["ETag"] == '"1"'
    assert "Set-Cookie" not in headers


async def test_ranges_and_head_are_passed_on(there: There) -> None:
    status, headers, body = await get(there.token(), Range="bytes=10-19")
    assert (status, body) == (206, DATA[10:20])
    assert headers["Content-Range"] == f"bytes 10-19/{len(DATA)}"
    status, headers, body = await get(there.token(), Range="bytes=-5")
    assert (status, body) == (206, DATA[-5:])
    status, headers, body = await get(there.token(), "HEAD")
    assert (status, body, headers["Content-Length"]) == (200, b"", str(len(DATA)))
    assert there.requests[-1].method == "HEAD"
    for wrong in ("bytes=0-1,5-6", "bytes=a-b", "lines=1-2", "bytes=" + "9" * 99):
        assert (await get(there.token(), Range=wrong))[0] == 416


async def test_the_other_server_learns_nothing_of_the_person(there: There) -> None:
    await get(
        there.token(), Cookie="a=b", Referer="https://here/", Authorization="Bearer x", Origin="https://h"
    )
    sent = {name.lower() for name in there.requests[0].headers}
    assert sent == {"host", "accept", "accept-encoding", "user-agent"}


async def test_a_permission_that_is_not_valid_is_of_no_use(there: There) -> None:
    good = there.token()
    assert (await get(good[:-2] + ("AA" if not good.endswith("AA") else "BB")))[0] == 403
    assert (await get(there.token(key=b"x" * 32)))[0] == 403
    assert (await get(good.rpartition("/")[0] + "/" + "A" * 60))[0] == 403
    assert (await get(good.rpartition("/")[0] + "/A"))[0] == 403
    assert (await get(there.token(expires=1.7e9)))[0] == 410
    assert there.requests == []


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "10.0.0.1"])
async def test_a_name_that_leads_inwards_is_not_connected(authority: Authority, address: str) -> None:
    async with proxied(authority, Names([address]), "on") as there:
        status, _, body = await get(there.token())
        assert status == 502
        assert there.requests == []
        assert b"127" not in body


async def test_an_address_that_leads_inwards_is_not_connected(authority: Authority) -> None:
    async with proxied(authority, Names(["127.0.0.1"]), "on") as there:
        for host in ("127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "2130706433"):
            assert (await get(there.token(there.url(host=host))))[0] == 502
        assert there.requests == []


async def test_a_name_that_changes_its_address_is_connected_where_it_was_checked(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: the first answer is public, the next is not. What was checked is what is connected."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    monkeypatch.setattr(public, "is_public", lambda text: text == "127.0.0.1")
    monkeypatch.setattr(public, "is_own", lambda text: False)
    async with proxied(authority, names, "on") as there:
        there.answer = closing
        assert (await get(there.token()))[0] == 200
        assert names.asked == [NAME]
        assert (await get(there.token()))[0] == 502
        assert len(there.requests) == 1


async def closing(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b"x", headers={"Connection": "close"})


async def test_a_redirect_inwards_or_to_plain_http_is_not_followed(authority: Authority) -> None:
    seen: list[str] = []

    class OnlyName(Names):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            seen.append(host)
            return await super().resolve(host, port, family)

    async with proxied(authority, OnlyName(["127.0.0.1"])) as there:
        for place in (
            f"http://{NAME}:{there.port}/",
            "https://user:pw@other.example/",
            "https://other.example:22/",
            "file:///etc/passwd",
            "gopher://other.example/",
            "https://" + "a" * 3000,
        ):

            async def move(request: web.Request, place: str = place) -> web.StreamResponse:
                return web.Response(status=302, headers={"Location": place})

            there.answer = move
            assert (await get(there.token()))[0] == 502
        assert set(seen) == {NAME}


async def test_redirects_are_followed_a_few_times(there: There) -> None:
    async def move(request: web.Request) -> web.StreamResponse:
        number = int(request.path.strip("/") or 0)
        if number == 3:
            return web.Response(body=b"there")
        return web.Response(status=302, headers={"Location": f"/{number + 1}"})

    there.answer = move
    assert (await get(there.token(there.url("/0"))))[::2] == (200, b"there")
    there.requests.clear()
    assert (await get(there.token(there.url("/-1"))))[0] == 502
    assert len(there.requests) == 4


async def test_a_certificate_that_nobody_vouches_for_is_refused(authority: Authority) -> None:
    async with proxied(authority, Names(["127.0.0.1"]), trusted=False) as there:
        assert (await get(there.token()))[0] == 502
    async with proxied(authority, Names(["127.0.0.1"])) as there:
        assert (await get(there.token(there.url(host="other.example.org"))))[0] == 502
        assert there.requests == []


async def test_a_file_that_is_too_large_is_refused_or_broken_off(
    there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "MAX_BYTES", 300_000)
    assert (await get(there.token()))[0] == 413
    assert (await get(there.token(), Range="bytes=0-99"))[0] == 206

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(OSError):
            while True:
                await response.write(bytes(50_000))
        return response

    there.answer = endless
    with pytest.raises(aiohttp.ClientPayloadError):
        await get(there.token())


async def test_a_compressed_answer_is_refused(there: There) -> None:
    async def bomb(request: web.Request) -> web.StreamResponse:
        return web.Response(body=gzip.compress(bytes(10_000_000)), headers={"Content-Encoding": "gzip"})

    there.answer = bomb
    assert (await get(there.token()))[0] == 502


@pytest.mark.parametrize(("status", "expected"), [(404, 404), (410, 410), (416, 416), (500, 502), (401, 502)])
async def test_errors_are_passed_on_without_their_content(there: There, status: int, expected: int) -> None:
    async def refuse(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="<script>secret</script>", headers={"X-Secret": "1"})

    there.answer = refuse
    got, headers, body = await get(there.token())
    assert got == expected
    assert b"secret" not in body
    assert "X-Secret" not in headers


async def test_a_part_that_nobody_asked_for_is_refused(there: There) -> None:
    async def part(request: web.Request) -> web.StreamResponse:
        return web.Response(status=206, body=b"x", headers={"Content-Range": "bytes 5-5/10"})

    there.answer = part
    assert (await get(there.token()))[0] == 502


@pytest.mark.parametrize("where", ["head", "body"])
async def test_a_server_that_falls_silent_is_given_up(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(proxy, "_SILENCE", 0.2)
    released = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        if where == "body":
            await response.prepare(request)
            await response.write(b"x")
        await released.wait()
        return response

    async with proxied(authority, Names(["127.0.0.1"])) as there:
        there.answer = silent
        if where == "head":
            assert (await get(there.token()))[0] == 504
        else:
            with pytest.raises(aiohttp.ClientPayloadError):
                await get(there.token())
        released.set()


async def test_a_slow_reader_holds_up_the_other_server_and_fills_no_memory(there: There) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(OSError):
            while sent < 200_000_000:
                await response.write(bytes(100_000))
                sent += 100_000
        return response

    there.answer = endless
    reader, writer = await asyncio.open_connection("127.0.0.1", there.proxy_port, limit=1000)
    path = "/" + there.token().partition("://")[2].partition("/")[2]
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    await reader.readline()
    before = -1
    while sent != before:
        before = sent
        await asyncio.sleep(0.3)
    assert sent < 20_000_000  # what the sockets hold
    writer.transport.abort()


async def test_one_account_can_not_take_all_places(there: There) -> None:
    released = asyncio.Event()

    async def wait(request: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response(body=b"x")

    there.answer = wait
    crowd = [asyncio.create_task(get(there.token())) for _ in range(proxy.MAX_OWN)]
    while len(there.requests) < proxy.MAX_OWN:
        await asyncio.sleep(0.01)
    status, headers, _ = await get(there.token())
    assert (status, headers["Retry-After"]) == (429, "10")
    other = asyncio.create_task(get(there.token(owner="2")))
    while len(there.requests) <= proxy.MAX_OWN:
        await asyncio.sleep(0.01)
    released.set()
    assert {status for status, _, _ in await asyncio.gather(*crowd, other)} == {200}
    assert (await get(there.token()))[0] == 200


async def test_a_client_that_goes_away_ends_the_request(there: There) -> None:
    ended = asyncio.Event()

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(100_000))
        except (OSError, asyncio.CancelledError):
            ended.set()
            raise

    there.answer = endless
    async with aiohttp.ClientSession() as http, http.get(there.token()) as answer:
        await answer.content.readany()
        answer.close()
    await asyncio.wait_for(ended.wait(), 10)


# -- a whole server -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Its name server is one that does not answer."""
    with serving(tmp_path_factory.mktemp("media") / "data", dns_server="127.0.0.1:9") as server:
        yield server
        assert "level=error" not in server.log.read_text()


async def fetch(person: Uploader, url: str) -> Any:
    return await person.ask("get", f"<fetch xmlns='urn:kith:media:0' url='{url}'/>", SERVICE)


async def test_an_account_gets_an_address_at_its_own_server(media: RunningServer, ada: Uploader) -> None:
    answer = await fetch(ada, "https://files.example.org/a.jpg")
    assert answer.get("type") == "result"
    url = answer[0].get("url")
    assert url.startswith(f"http://127.0.0.1:{media.media_http_port}/p/")
    assert foreign.VALID >= 3600
    status, headers, _ = await get(url)  # there is no such server
    assert status == 502
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://files.example.org/",
            "https://127.0.0.1:8443/",
            "https://localhost/",
            "",
            "https://f.example/a#k",
        ),
        "https://[::ffff:10.0.0.1]/",
    ],
)
async def test_an_address_that_is_not_fetched_is_not_acceptable(ada: Uploader, url: str) -> None:
    assert condition(await fetch(ada, url)) == "not-acceptable"


async def test_with_the_proxy_off_there_is_none(tmp_path: Path) -> None:
    made = Proxy(Config(media_proxy="off"), SetClock(), KEY)
    app = web.Application()
    made.add_to(app.router)
    assert not list(app.router.routes())
