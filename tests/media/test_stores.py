"""Blob stores keep what they promise: a folder and S3, through the same tests."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kith.media.folder import FolderBlobs
from kith.media.s3 import Bucket, S3Blobs
from kith.ports.blobs import BlobError, BlobMissing, Blobs, Serving
from tests.media.seaweed import BUCKET, KEY, S3, SECRET

SEALED = Serving("application/octet-stream", "attachment")


def bucket(there: S3, prefix: str) -> Bucket:
    return Bucket(BUCKET, there.endpoint, "us-east-1", prefix, KEY, SECRET)


@pytest.fixture(params=["folder", "s3"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Blobs]:
    disk = ThreadPoolExecutor(2)
    store: Blobs
    if request.param == "folder":
        store = FolderBlobs(tmp_path / "blobs", disk)
    else:
        store = S3Blobs(bucket(request.getfixturevalue("s3"), f"/test/{secrets.token_hex(4)}/"))
    await store.start()
    yield store
    await store.stop()
    disk.shutdown()


def blob() -> str:
    return secrets.token_urlsafe(16)


@pytest.fixture
def spool(tmp_path: Path) -> Callable[[bytes], Path]:
    def write(data: bytes) -> Path:
        path = tmp_path / secrets.token_hex(8)
        path.write_bytes(data)
        return path

    return write


async def content(store: Blobs, blob: str, start: int, end: int) -> bytes:
    pieces = [piece async for piece in store.read(blob, start, end)]
    assert all(0 < len(piece) <= 2**20 for piece in pieces)
    return b"".join(pieces)


@pytest.mark.parametrize("size", [0, 1, 1000, 2**20, 20_000_001])
async def test_what_is_put_can_be_read(store: Blobs, spool: Callable[[bytes], Path], size: int) -> None:
    data, name = os.urandom(size), blob()
    path = spool(data)
    assert await store.size(name) is None
    await store.put(name, path, size, SEALED)
    assert not path.exists()
    assert await store.size(name) == size
    assert await content(store, name, 0, size) == data
    for start, end in ((0, 1), (size - 1, size), (size // 3, size // 2), (size, size)):
        if 0 <= start <= end <= size:
            assert await content(store, name, start, end) == data[start:end]


async def test_putting_again_after_an_interruption_is_safe(
    store: Blobs, spool: Callable[[bytes], Path]
) -> None:
    name, path = blob(), spool(b"first")
    await store.put(name, path, 5, SEALED)
    await store.put(name, path, 5, SEALED)  # the file is gone, the blob is there
    assert await content(store, name, 0, 5) == b"first"
    with pytest.raises(BlobError):
        await store.put(blob(), path, 5, SEALED)
    with pytest.raises(BlobError):
        await store.put(name, path, 6, SEALED)


async def test_a_spool_file_of_another_size_is_not_kept(store: Blobs, spool: Callable[[bytes], Path]) -> None:
    name, path = blob(), spool(b"short")
    with pytest.raises(BlobError):
        await store.put(name, path, 50, SEALED)
    assert path.exists()
    assert await store.size(name) is None


async def test_what_is_removed_is_gone_and_may_be_removed_again(
    store: Blobs, spool: Callable[[bytes], Path]
) -> None:
    name = blob()
    await store.put(name, spool(b"x"), 1, SEALED)
    for _ in range(2):
        await store.remove(name)
        assert await store.size(name) is None
    with pytest.raises(BlobError):
        await content(store, name, 0, 1)


async def test_all_blobs_are_listed(store: Blobs, spool: Callable[[bytes], Path]) -> None:
    names = {blob() for _ in range(12)}
    await asyncio.gather(*(store.put(name, spool(b"x"), 1, SEALED) for name in names))
    assert {name async for name in store.all()} == names


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "a" * 21, "a" * 23, "a/b" + "c" * 19, "ä" * 22]
)
async def test_what_is_no_id_never_reaches_the_store(
    store: Blobs, spool: Callable[[bytes], Path], name: str
) -> None:
    with pytest.raises(ValueError, match="id of a blob"):
        await store.put(name, spool(b"x"), 1, SEALED)
    for work in (store.size(name), store.remove(name), content(store, name, 0, 1)):
        with pytest.raises(ValueError, match="id of a blob"):
            await work


async def test_what_the_store_has_not_is_told_from_what_it_can_not_give(
    store: Blobs, spool: Callable[[bytes], Path]
) -> None:
    name = blob()
    await store.put(name, spool(b"x" * 100), 100, SEALED)
    await store.remove(name)
    with pytest.raises(BlobMissing):
        await content(store, name, 0, 100)


async def test_a_bucket_that_is_gone_is_no_missing_file(s3: S3) -> None:
    there = S3Blobs(bucket(s3, "/x/")._replace(name="another"))
    there._open()  # it would not start
    with pytest.raises(BlobError) as caught:
        await content(there, blob(), 0, 1)
    assert not isinstance(caught.value, BlobMissing)
