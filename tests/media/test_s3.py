"""What is special about S3: signed addresses, types, and a bucket that is slow, fails or is gone."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from kith.media.s3 import Bucket, S3Blobs, _options
from kith.media.upkeep import Upkeep
from kith.media.uploads import UploadError
from kith.ports.blobs import BlobError, Serving
from tests.media.desk import Desk
from tests.media.faulty import Line, line
from tests.media.seaweed import BUCKET, KEY, S3, SECRET
from tests.media.test_stores import SEALED, blob, content, spool

__all__ = ["spool"]
PICTURE = Serving("image/jpeg", "inline")
PATIENCE = 0.6


@pytest.fixture
async def faulty(s3: S3) -> AsyncIterator[tuple[S3Blobs, Line]]:
    """A store whose connections go through a line with faults."""
    async with line(s3.port) as (there, port):
        prefix = f"faulty/{secrets.token_hex(4)}"
        where = Bucket(BUCKET, f"http://127.0.0.1:{port}", "us-east-1", prefix, KEY, SECRET)
        store = S3Blobs(where, patience=PATIENCE)
        await store.start()
        yield store, there


async def test_a_signed_address_gives_the_file_with_its_type_and_ranges(
    s3: S3, spool: Callable[[bytes], Path]
) -> None:
    store = S3Blobs(Bucket(BUCKET, s3.endpoint, "us-east-1", "signed", KEY, SECRET))
    await store.start()
    data, name = os.urandom(9_000_000), blob()  # in several parts
    await store.put(name, spool(data), len(data), PICTURE)
    address = await store.address(name, PICTURE)
    assert address is not None
    assert await store.address(name, PICTURE) == address  # a browser's cache knows it by its address
    async with aiohttp.ClientSession() as http:
        async with http.get(address) as answer:
            assert await answer.read() == data
            assert answer.headers["Content-Type"] == "image/jpeg"
            assert answer.headers["Content-Disposition"] == "inline"
            assert "immutable" in answer.headers["Cache-Control"]
        async with http.get(address, headers={"Range": "bytes=8999990-"}) as answer:
            assert answer.status == 206
            assert await answer.read() == data[-10:]
        for other in (address.replace(name, blob()), address.partition("?")[0], address[:-3] + "000"):
            async with http.get(other) as answer:
                assert answer.status == 403
    assert await S3Blobs(Bucket("b"), direct=False).address(name, PICTURE) is None


async def test_a_bucket_that_refuses_the_key_is_found_at_the_start(s3: S3) -> None:
    for key, secret in ((KEY, "wrong"), ("nobody", SECRET)):
        store = S3Blobs(Bucket(BUCKET, s3.endpoint, "us-east-1", "", key, secret), patience=3)
        with pytest.raises(BlobError) as error:
            await store.start()
        assert SECRET not in str(error.value)
        assert "\n" not in str(error.value)


async def test_a_bucket_that_does_not_answer_is_waited_for(spool: Callable[[bytes], Path], s3: S3) -> None:
    """The server starts without it, and uses it as soon as it is there."""
    async with line(s3.port) as (_, port):
        pass  # nobody listens there any more
    where = Bucket(BUCKET, f"http://127.0.0.1:{port}", "us-east-1", "late", KEY, SECRET)
    store = S3Blobs(where, patience=PATIENCE)
    await store.start()
    name, path = blob(), spool(b"late")
    with pytest.raises(BlobError):
        await store.put(name, path, 4, SEALED)
    assert path.exists()
    async with line(s3.port, port):
        await store.put(name, path, 4, SEALED)
        assert await content(store, name, 0, 4) == b"late"


@pytest.mark.parametrize("fault", ["stalled", "cut_after", "status"])
async def test_half_a_file_never_stands_under_its_name(
    faulty: tuple[S3Blobs, Line], spool: Callable[[bytes], Path], fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith.media.s3._SLOWEST", 100 * 2**20)
    store, there = faulty
    data, name = os.urandom(20_000_000), blob()
    path = spool(data)
    setattr(there, fault, {"stalled": True, "cut_after": 3_000_000, "status": 500}[fault])
    if fault == "status":
        there.cut_after = 0  # for the connections that are open already
    begin = time.monotonic()
    with pytest.raises(BlobError):
        await store.put(name, path, len(data), SEALED)
    assert time.monotonic() - begin < 20 * PATIENCE
    there.heal()
    assert await store.size(name) is None
    assert path.read_bytes() == data  # for the next attempt
    await store.put(name, path, len(data), SEALED)
    assert await content(store, name, 0, len(data)) == data


@pytest.mark.parametrize("fault", ["stalled", "cut_answers_after", "status"])
async def test_a_file_that_breaks_off_is_an_error(
    faulty: tuple[S3Blobs, Line], spool: Callable[[bytes], Path], fault: str
) -> None:
    store, there = faulty
    data, name = os.urandom(6_000_000), blob()
    await store.put(name, spool(data), len(data), SEALED)
    setattr(there, fault, {"stalled": True, "cut_answers_after": 50_000, "status": 503}[fault])
    if fault == "status":
        there.cut_answers_after = 0  # for the connections that are open already
    got = bytearray()

    async def read() -> None:
        async for piece in store.read(name, 0, len(data)):
            got.extend(piece)

    with pytest.raises(BlobError):
        await read()
    assert got == data[: len(got)]
    assert len(got) < len(data)
    there.heal()
    assert await content(store, name, 0, len(data)) == data


async def test_a_lost_connection_is_made_again_where_it_broke(
    faulty: tuple[S3Blobs, Line], spool: Callable[[bytes], Path]
) -> None:
    store, there = faulty
    data, name = os.urandom(6_000_000), blob()
    await store.put(name, spool(data), len(data), SEALED)
    there.cut_answers_after = 2_500_000
    assert await content(store, name, 0, len(data)) == data
    assert there.connections > 1


async def test_a_slow_bucket_holds_up_nobody_but_those_who_wait_for_it(
    faulty: tuple[S3Blobs, Line], spool: Callable[[bytes], Path]
) -> None:
    store, there = faulty
    there.stalled = True
    puts = [asyncio.ensure_future(store.put(blob(), spool(b"x"), 1, SEALED)) for _ in range(20)]
    lag = 0.0
    for _ in range(50):
        begin = time.monotonic()
        await asyncio.sleep(0.01)
        lag = max(lag, time.monotonic() - begin)
    assert lag < 0.3  # the loop itself goes on
    for put in puts:
        put.cancel()
    await asyncio.gather(*puts, return_exceptions=True)
    there.heal()
    assert await asyncio.wait_for(store.size(blob()), 10) is None


def test_the_key_comes_from_the_settings_or_from_where_aws_tools_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    found: Any = _options(Bucket("b", "http://e", "r", "", "settings", "s"))
    assert found == {
        "endpoint": "http://e",
        "region": "r",
        "access_key_id": "settings",
        "secret_access_key": "s",
    }
    assert _options(Bucket("b")) == {}
    file.write_text(
        "[default]\naws_access_key_id = file\naws_secret_access_key = %secret\n"
        "[other]\naws_access_key_id = other\naws_secret_access_key = o\n"
    )
    assert _options(Bucket("b")) == {"access_key_id": "file", "secret_access_key": "%secret"}
    monkeypatch.setenv("AWS_PROFILE", "other")
    assert _options(Bucket("b")) == {"access_key_id": "other", "secret_access_key": "o"}
    monkeypatch.setenv("AWS_PROFILE", "none")
    assert _options(Bucket("b")) == {}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "environment")  # which the library reads itself
    assert _options(Bucket("b")) == {}


async def test_keys_in_the_environment_are_used(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    store = S3Blobs(Bucket(BUCKET, s3.endpoint))
    await store.start()
    assert await store.size(blob()) is None


async def test_errors_do_not_show_signatures(
    faulty: tuple[S3Blobs, Line], caplog: pytest.LogCaptureFixture
) -> None:
    store, there = faulty
    there.status = 403
    there.cut_after = 0
    with caplog.at_level(logging.DEBUG), pytest.raises(BlobError) as error:
        await store.size(blob())
    for text in (str(error.value), caplog.text):
        assert "X-Amz" not in text
        assert "http://" not in text


async def test_the_cors_rules_of_the_documentation_let_the_app_read_after_a_redirect(
    s3: S3, spool: Callable[[bytes], Path]
) -> None:
    """A browser that was redirected from the media server names its origin ``null``."""
    page = (Path(__file__).parents[2] / "docs" / "media.md").read_text()
    client: Any = s3.client()
    rules = json.JSONDecoder().raw_decode(page, page.index('{"CORSRules"'))[0]
    client.put_bucket_cors(Bucket=BUCKET, CORSConfiguration=rules)
    lifecycle = json.JSONDecoder().raw_decode(page, page.index('{"Rules"'))[0]
    client.put_bucket_lifecycle_configuration(Bucket=BUCKET, LifecycleConfiguration=lifecycle)
    store = S3Blobs(Bucket(BUCKET, s3.endpoint, "us-east-1", "cors", KEY, SECRET))
    await store.start()
    name = blob()
    await store.put(name, spool(b"0123456789"), 10, SEALED)
    address = await store.address(name, SEALED)
    assert address is not None
    async with aiohttp.ClientSession() as http:
        fields = {"Origin": "null", "Range": "bytes=2-3"}
        async with http.get(address, headers=fields) as answer:
            assert (answer.status, await answer.read()) == (206, b"23")
            assert answer.headers["Access-Control-Allow-Origin"] in ("*", "null")
            exposed = answer.headers["Access-Control-Expose-Headers"].lower()
            assert "content-range" in exposed
        fields = {
            "Origin": "null",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "range",
        }
        async with http.options(address, headers=fields) as answer:
            assert answer.status in (200, 204)
            assert answer.headers["Access-Control-Allow-Origin"] in ("*", "null")


async def test_an_upload_that_the_bucket_could_not_take_is_finished_later(s3: S3, tmp_path: Path) -> None:
    """Without its client, and without holding up the start of the server."""
    async with line(s3.port) as (_, port):
        pass
    settings = {
        "media_store": "s3",
        "media_s3_bucket": BUCKET,
        "media_s3_endpoint": f"http://127.0.0.1:{port}",
    }
    settings |= {"media_s3_region": "us-east-1", "media_s3_key_id": KEY, "media_s3_secret": SECRET}
    desk = Desk(tmp_path, **settings)
    await desk.depot.start()
    blob = await desk.reserve("1", 1000)
    assert isinstance(blob, str)
    with pytest.raises(UploadError) as error:
        await desk.send(blob, "1", bytes(1000))
    assert error.value.status == 503
    await desk.depot.stop()
    again = Desk(tmp_path, **settings)
    async with line(s3.port, port) as (there, _):
        there.status = 500
        await asyncio.wait_for(again.depot.start(), 15)
        found = await again.depot.find(blob)
        assert found is not None
        assert found.completed is None
        await Upkeep(again.depot).finish()  # it fails again, and that is no error
        there.heal()
        await Upkeep(again.depot).finish()
        found = await again.depot.find(blob)
        assert found is not None
        assert found.completed is not None
        assert await again.depot.blobs.size(blob) == 1000
        assert not again.depot.spool(blob).exists()
        await again.depot.stop()
