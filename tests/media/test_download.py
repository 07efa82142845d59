"""Downloads: ranges, validators, caching, and what browsers may do. Plain, over TLS, and by aiohttp."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.conftest import RunningServer
from tests.media.uploading import Slot, Uploader

TRUSTING = ssl._create_unverified_context()
#: How a request comes: as browsers write it, over TLS, or in a way that only aiohttp reads.
WAYS = ["plain", "tls", "aiohttp"]


@pytest.fixture(params=WAYS)
async def way(request: pytest.FixtureRequest, media: RunningServer) -> AsyncIterator[aiohttp.ClientSession]:
    port = media.media_https_port if request.param == "tls" else media.media_http_port
    scheme = "https" if request.param == "tls" else "http"
    # a field that makes the request unusual
    headers = {"Expect": ""} if request.param == "aiohttp" else {}
    connector = aiohttp.TCPConnector(ssl=TRUSTING)
    async with aiohttp.ClientSession(
        f"{scheme}://127.0.0.1:{port}", connector=connector, headers=headers
    ) as http:
        yield http


def path(slot: Slot) -> str:
    return "/m/" + slot.get.partition("/m/")[2]


@pytest.mark.parametrize("size", [5000, 3_000_000])
async def test_one_range_of_a_file(ada: Uploader, way: aiohttp.ClientSession, size: int) -> None:
    content = os.urandom(size)
    where = path(await ada.put(content, type="image/jpeg"))
    tag = ""
    for wanted, status, first, last in (
        ("", 200, 0, size),
        ("bytes=0-0", 206, 0, 1),
        ("bytes=100-1099", 206, 100, 1100),
        ("bytes=4000-", 206, 4000, size),
        ("bytes=-10", 206, size - 10, size),
        (f"bytes=-{10 * size}", 206, 0, size),
        (f"bytes=10-{10 * size}", 206, 10, size),
        ("bytes=5-4", 200, 0, size),
        ("bytes=0-1,5-6", 200, 0, size),
        ("pages=1-2", 200, 0, size),
        ("bytes=--1", 200, 0, size),
    ):
        headers = {"Range": wanted} if wanted else {}
        async with way.get(where, headers=headers) as answer:
            assert answer.status == status, wanted
            assert await answer.read() == content[first:last], wanted
            if status == 206:
                assert answer.headers["Content-Range"] == f"bytes {first}-{last - 1}/{size}"
            tag = answer.headers["ETag"]
    for wanted in (f"bytes={size}-", "bytes=-0"):
        async with way.get(where, headers={"Range": wanted}) as answer:
            assert answer.status == 416
            assert answer.headers["Content-Range"] == f"bytes */{size}"
    for known, status in ((tag, 206), ('"other"', 200), (f"W/{tag}", 200)):
        async with way.get(where, headers={"Range": "bytes=0-9", "If-Range": known}) as answer:
            assert answer.status == status
            assert len(await answer.read()) == (10 if status == 206 else size)
    async with way.head(where) as answer:
        assert (answer.status, answer.headers["Content-Length"]) == (200, str(size))
    async with way.get(where) as answer:  # the connection is still in step
        assert await answer.read() == content


async def test_what_was_downloaded_is_not_sent_again(ada: Uploader, way: aiohttp.ClientSession) -> None:
    where = path(await ada.put(b"0123456789"))
    async with way.get(where) as answer:
        tag = answer.headers["ETag"]
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert not tag.startswith("W/")
    for known, status in ((tag, 304), (f'"x", {tag}', 304), (f"W/{tag}", 304), ("*", 304), ('"x"', 200)):
        async with way.get(where, headers={"If-None-Match": known}) as answer:
            assert answer.status == status
            assert answer.headers["ETag"] == tag


@pytest.mark.parametrize(
    ("type", "shown", "disposition"),
    [
        ("image/jpeg", "image/jpeg", "inline"),
        ("video/mp4", "video/mp4", "inline"),
        ("audio/ogg", "audio/ogg", "inline"),
        ("image/svg+xml", "application/octet-stream", "attachment"),
        ("text/html", "application/octet-stream", "attachment"),
        ("application/xhtml+xml", "application/octet-stream", "attachment"),
        ("application/pdf", "application/octet-stream", "attachment"),
        ("text/javascript", "application/octet-stream", "attachment"),
        ("image/jpeg\r\nX-Evil: 1", "application/octet-stream", "attachment"),
        ("IMAGE/SVG+XML; charset=utf-8", "application/octet-stream", "attachment"),
    ],
)
async def test_nothing_that_was_uploaded_can_run(
    ada: Uploader, way: aiohttp.ClientSession, type: str, shown: str, disposition: str
) -> None:
    escaped = type.replace("\r", "&#13;").replace("\n", "&#10;")
    where = path(await ada.put(b"<script>alert(1)</script>", type=escaped, name="evil.html"))
    async with way.get(where) as answer:
        headers = answer.headers
        assert (headers["Content-Type"], headers["Content-Disposition"]) == (shown, disposition)
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert "X-Evil" not in headers


async def conversation(port: int, sent: bytes) -> bytes:
    """What the server answers to bytes, and then to a request that asks it to close."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    try:
        return answer + await asyncio.wait_for(reader.read(), 20)
    except ConnectionError:
        return answer
    finally:
        writer.close()


async def test_requests_that_come_in_pieces_or_several_at_once(media: RunningServer, ada: Uploader) -> None:
    small, large = os.urandom(2000), os.urandom(2_000_000)
    first, second = path(await ada.put(small)), path(await ada.put(large))
    ask = (
        b"".join(
            f"GET {where} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-99\r\n\r\n".encode()
            for where in (first, second, first, second)
        )
        + f"GET {second} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
    )
    reader, writer = await asyncio.open_connection("127.0.0.1", media.media_http_port)
    for at in range(0, len(ask), 37):
        writer.write(ask[at : at + 37])
        await asyncio.sleep(0)
    answers = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    assert answers.count(b"HTTP/1.1 206") == 4
    assert answers.count(small[:100]) == 2
    assert answers.endswith(large)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /m/%s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /m/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
        b"GET /m/%s HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n",
        b"GET /m/%s HTTP/1.0\r\n\r\n",
        b"GET /m/%s HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"GET /m/%s?query HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /m/%s HTTP/1.1\nHost: x\n\n",
        b"GET  /m/%s HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /m/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        b"GET /m/%s HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /m/%s\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_odd_is_answered_as_http_says(media: RunningServer, ada: Uploader, head: bytes) -> None:
    """And a second request that is hidden in it is none."""
    where = path(await ada.put(b"0123456789")).removeprefix("/m/").encode()
    answer = await conversation(media.media_http_port, head.replace(b"%s", where))
    assert answer.startswith(b"HTTP/1.")
    assert answer.count(b"HTTP/1.") <= 2


async def test_a_client_that_goes_away_in_the_middle_harms_nobody(
    media: RunningServer, ada: Uploader
) -> None:
    where = path(await ada.put(os.urandom(8_000_000)))
    for _ in range(20):
        reader, writer = await asyncio.open_connection("127.0.0.1", media.media_http_port)
        writer.write(f"GET {where} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readexactly(1000)
        writer.transport.abort()
    async with asyncio.timeout(20):
        while held(media):
            await asyncio.sleep(0.05)


def held(media: RunningServer) -> list[str]:
    """The blobs that the server has open."""
    found = []
    for descriptor in Path(f"/proc/{media.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(descriptor))
    return [name for name in found if "/blobs/" in name]


async def test_who_asks_and_does_not_read_takes_no_memory(media: RunningServer, ada: Uploader) -> None:
    where = path(await ada.put(os.urandom(60_000)))
    ask = f"GET {where} HTTP/1.1\r\nHost: x\r\n\r\n".encode() * 2000  # 120 MB to be answered
    process = psutil.Process(media.pid)
    writers = []
    before = process.memory_info().rss
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", media.media_http_port, limit=1024)
        writer.write(ask)
        writers.append(writer)
    async with aiohttp.ClientSession() as http:
        for _ in range(20):
            await asyncio.sleep(0.1)
            async with http.get(f"http://127.0.0.1:{media.media_http_port}{where}") as answer:
                assert len(await answer.read()) == 60_000
    assert process.memory_info().rss - before < 20_000_000
    for writer in writers:
        writer.transport.abort()


async def test_unknown_paths_say_nothing(media: RunningServer, way: aiohttp.ClientSession) -> None:
    for where in (
        "/",
        "/m/",
        "/m/x/y",
        "/m/" + "A" * 22,
        "/m/" + "A" * 22 + "/a.jpg",
        "/u/" + "A" * 22 + "/a",
    ):
        async with way.get(where) as answer:
            assert answer.status in (404, 405)
            assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
