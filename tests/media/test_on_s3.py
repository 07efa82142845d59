"""The same tests of uploads and downloads as for a folder, on a server that keeps its files in S3."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.conftest import RunningServer, free_ports
from tests.media.conftest import serving
from tests.media.faulty import Line, line
from tests.media.seaweed import BUCKET, KEY, S3, SECRET
from tests.media.test_tus import *  # noqa: F403
from tests.media.test_upload import *  # noqa: F403
from tests.media.uploading import Uploader
from tests.raw import online


def settings(endpoint: str, prefix: str) -> dict[str, str]:
    return {
        "media_store": "s3",
        "media_s3_endpoint": endpoint,
        "media_s3_bucket": BUCKET,
        "media_s3_region": "us-east-1",
        "media_s3_prefix": prefix,
        "media_s3_key_id": KEY,
        "media_s3_secret": SECRET,
    }


@pytest.fixture(scope="module")
def media(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Downloads pass through this server, so that everything can be compared."""
    own = settings(s3.endpoint, "through") | {"media_s3_direct": "off"}
    with serving(tmp_path_factory.mktemp("media") / "data", **own) as server:
        yield server
        assert "level=error" not in server.log.read_text()
        assert not list((server.data_dir / "media").glob("blobs/*/*"))


@pytest.fixture(scope="module")
def direct(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, int]]:
    """Downloads come from the bucket, which is reached by a port at which nobody listens at the start."""
    (port,) = free_ports(1)
    own = settings(f"http://127.0.0.1:{port}", "direct")
    with serving(tmp_path_factory.mktemp("media") / "data", **own) as server:
        yield server, port


@pytest.fixture
async def there(s3: S3, direct: tuple[RunningServer, int]) -> AsyncIterator[Line]:
    """The line between the server and the bucket."""
    async with line(s3.port, direct[1]) as (there, _):
        yield there


async def test_downloads_are_redirected_to_signed_addresses(
    direct: tuple[RunningServer, int], there: Line
) -> None:
    server, port = direct
    data = os.urandom(100_000)
    slot = await Uploader(server, "ada").put(data, name="a.jpg", type="image/jpeg")
    async with aiohttp.ClientSession() as http:
        async with http.get(slot.get, allow_redirects=False) as answer:
            assert answer.status == 302
            assert answer.headers["Location"].startswith(
                f"http://127.0.0.1:{port}/{BUCKET}/direct/{slot.blob}?"
            )
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert answer.headers["Cache-Control"] == "no-store"
        async with http.get(slot.get, headers={"Range": "bytes=10-19"}) as answer:
            assert (answer.status, await answer.read()) == (206, data[10:20])
            assert answer.headers["Content-Type"] == "image/jpeg"
        async with http.get(slot.get, headers={"If-None-Match": f'"{slot.blob}"'}) as answer:
            assert answer.status == 304
        async with http.head(slot.get, allow_redirects=False) as answer:  # a signature is for GET alone
            assert (answer.status, answer.headers["Content-Length"]) == (200, "100000")


async def test_the_apps_policy_permits_the_bucket(direct: tuple[RunningServer, int]) -> None:
    server, port = direct
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.http_port}/") as answer,
    ):
        policy = answer.headers.get("Content-Security-Policy", "")
    if "connect-src" in policy:  # the web app was built
        assert f"http://127.0.0.1:{port}" in policy.partition("connect-src")[2].partition(";")[0]


@pytest.mark.parametrize("fault", ["gone", "stalled", "status"])
async def test_without_its_bucket_the_server_asks_to_wait_and_loses_nothing(
    s3: S3, direct: tuple[RunningServer, int], fault: str
) -> None:
    server, port = direct
    ada, data = Uploader(server, "ada"), os.urandom(300_000)
    slot = await ada.slot(len(data))
    tus = {**slot.headers, "Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
    async with AsyncExitStack() as stack:
        if fault != "gone":
            there, _ = await stack.enter_async_context(line(s3.port, port))
            there.stalled, there.status = fault == "stalled", 500 * (fault == "status")
        http = await stack.enter_async_context(aiohttp.ClientSession())
        upload = asyncio.ensure_future(http.patch(slot.tus, data=data, headers={**tus, "Upload-Offset": "0"}))
        if fault == "stalled":  # others are answered at once meanwhile
            client = await online(server.port, "ben")
            begin = time.monotonic()
            for _ in range(20):
                await client.ping()
            assert time.monotonic() - begin < 2
            client.abort()
            there.cut_after, there.stalled = 0, False
        async with await upload as answer:
            assert answer.status == 503
            assert int(answer.headers["Retry-After"]) > 0
        async with http.get(slot.get) as answer:
            assert answer.status == 404
    async with line(s3.port, port), aiohttp.ClientSession() as http:
        async with http.head(slot.tus, headers=tus) as answer:
            assert answer.status == 200
        offset = answer.headers["Upload-Offset"]
        rest = data[int(offset) :]
        async with http.patch(slot.tus, data=rest, headers={**tus, "Upload-Offset": offset}) as answer:
            assert answer.status == 204, await answer.text()
        async with http.get(slot.get) as answer:
            assert (answer.status, await answer.read()) == (200, data)


async def test_verification_reads_the_bucket_and_finds_what_is_wrong_there(
    s3: S3, media: RunningServer, ada: Uploader
) -> None:
    good, cut, gone = [await ada.put(os.urandom(5000)) for _ in range(3)]
    client: Any = s3.client()
    client.put_object(Bucket=BUCKET, Key=f"through/{cut.blob}", Body=b"x" * 4999)
    client.delete_object(Bucket=BUCKET, Key=f"through/{gone.blob}")
    done = media.kith("media", "verify", check=False)
    assert done.returncode == 1
    found = done.stdout + done.stderr
    assert good.blob not in found
    assert all(blob in found for blob in (cut.blob, gone.blob)), found
    client.put_object(Bucket=BUCKET, Key=f"through/{cut.blob}", Body=b"x" * 5000)
    assert cut.blob in media.kith("media", "verify", check=False).stdout


async def test_a_file_that_the_bucket_has_lost_is_not_there_any_more(s3: S3, tmp_path: Path) -> None:
    own = settings(s3.endpoint, "lost") | {"media_s3_direct": "off"}
    with serving(tmp_path / "data", **own) as server:
        data = os.urandom(100_000)
        slot = await Uploader(server, "ada").put(data)
        client: Any = s3.client()
        await asyncio.to_thread(client.delete_object, Bucket=BUCKET, Key=f"lost/{slot.blob}")
        async with aiohttp.ClientSession() as http, http.get(slot.get) as answer:
            assert answer.status == 404  # the app asks whoever has sent it
        assert "a file is missing" in server.log.read_text()
