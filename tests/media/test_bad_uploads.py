"""Bad uploads: full disks, slow and endless clients, expired slots. Clear errors, never half a blob."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from kith.media import uploads
from kith.media.slots import Slot, sign
from kith.media.upkeep import Upkeep
from kith.media.uploads import Interrupted, UploadError
from kith.media.verifying import Finding, verify
from kith.ports.blobs import BlobError, BlobFull
from tests.conftest import RunningServer
from tests.media.conftest import serving
from tests.media.desk import KEY, Desk, desk
from tests.media.uploading import Uploader
from tests.raw import online


def token_for(one: Desk, blob: str, size: int) -> str:
    return sign(Slot(blob, "1", size, "image/jpeg", int(one.time) + 300), KEY)


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for one in data:
        yield one


async def begun(one: Desk, size: int) -> tuple[str, str]:
    blob = await one.reserve("1", size)
    assert isinstance(blob, str)
    return blob, token_for(one, blob, size)


async def expect_nothing(one: Desk, blob: str) -> None:
    assert await one.depot.blobs.size(blob) is None
    record = await one.depot.find(blob)
    assert record is None or record.completed is None


async def test_a_disk_that_fills_up_is_said_and_what_was_acknowledged_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as one:
        blob, token = await begun(one, 1000)
        await one.uploads.receive(await one.uploads.find(blob, token), token, pieces(b"a" * 400))

        def full(self: object, descriptor: int, piece: bytes) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(uploads.Writing, "_write", full)
        with pytest.raises(UploadError) as refused:
            await one.uploads.receive(await one.uploads.find(blob, token), token, pieces(b"b" * 600))
        assert refused.value.status == 507
        monkeypatch.undo()
        upload = await one.uploads.find(blob, token)
        assert upload.offset == 400
        done = await one.uploads.receive(upload, token, pieces(b"b" * 600))
        assert done.completed is not None
        assert one.depot.blobs.path(blob).read_bytes() == b"a" * 400 + b"b" * 600  # type: ignore[union-attr]


@pytest.mark.parametrize(("error", "status"), [(BlobFull("full"), 507), (BlobError("gone"), 503)])
async def test_a_store_that_fails_is_tried_again_when_the_client_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BlobError, status: int
) -> None:
    async with desk(tmp_path) as one:
        blob, token = await begun(one, 10)

        async def fail(*_: object) -> None:
            raise error

        monkeypatch.setattr(one.depot.blobs, "put", fail)
        with pytest.raises(UploadError) as refused:
            await one.uploads.receive(await one.uploads.find(blob, token), token, pieces(b"0123456789"))
        assert refused.value.status == status
        await expect_nothing(one, blob)
        monkeypatch.undo()
        upload = await one.uploads.find(blob, token)
        assert (upload.offset, upload.completed) == (10, None)
        assert (await one.uploads.finish(upload)).completed is not None
        assert await one.depot.blobs.size(blob) == 10


async def test_a_server_that_stops_before_the_blob_is_in_its_place_finishes_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(tmp_path) as one:
        first, token = await begun(one, 10)
        second, other = await begun(one, 10)

        async def fail(*_: object) -> None:
            raise BlobError("killed")

        monkeypatch.setattr(one.depot.blobs, "put", fail)
        for blob, proof in ((first, token), (second, other)):
            with pytest.raises(UploadError):
                await one.uploads.receive(await one.uploads.find(blob, proof), proof, pieces(b"0123456789"))
        # of the second, the file was moved already
        place = one.depot.blobs.path(second)
        assert place is not None
        place.parent.mkdir()
        one.depot.spool(second).rename(place)
        monkeypatch.undo()
    async with desk(tmp_path) as again:
        await Upkeep(again.depot).run()  # as a server does when it starts
        for blob in (first, second):
            record = await again.depot.find(blob)
            assert record is not None
            assert record.completed is not None
            assert again.depot.blobs.path(blob).read_bytes() == b"0123456789"  # type: ignore[union-attr]
        assert not list((tmp_path / "media" / "spool").iterdir())


async def test_an_endless_part_ends_at_the_size_of_the_slot(tmp_path: Path) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 300

    async with desk(tmp_path) as one:
        blob, token = await begun(one, 1000)
        with pytest.raises(UploadError) as refused:
            await one.uploads.receive(await one.uploads.find(blob, token), token, endless())
        assert refused.value.status == 413
        await expect_nothing(one, blob)
        assert (await one.uploads.find(blob, token)).offset == 0


async def test_slots_and_uploads_expire(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        late, token = await begun(one, 10)
        slow, other = await begun(one, 10)
        await one.uploads.receive(await one.uploads.find(slow, other), other, pieces(b"01234"))
        one.pass_time(301)
        with pytest.raises(UploadError) as refused:
            await one.uploads.find(late, token)
        assert refused.value.status == 410
        assert (await one.uploads.find(slow, other)).offset == 5  # it was begun in time
        one.pass_time(86_400)
        with pytest.raises(UploadError) as refused:
            await one.uploads.find(slow, other)
        assert refused.value.status == 410
        await one.exists(slow)
        assert not list((tmp_path / "media" / "spool").iterdir())
        assert (await one.usage("1")).bytes == 0


async def test_what_a_disk_has_lost_is_not_taken_for_what_came(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        blob, token = await begun(one, 10)
        await one.uploads.receive(await one.uploads.find(blob, token), token, pieces(b"01234"))
        one.depot.spool(blob).write_bytes(b"01")
        with pytest.raises(UploadError) as refused:
            await one.uploads.receive(await one.uploads.find(blob, token), token, pieces(b"56789"))
        assert refused.value.status == 409
        await expect_nothing(one, blob)


async def test_an_interruption_between_pieces_keeps_what_came(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"0123"
        raise Interrupted

    async with desk(tmp_path) as one:
        blob, token = await begun(one, 10)
        with pytest.raises(Interrupted):
            await one.uploads.receive(await one.uploads.find(blob, token), token, broken())
        assert (await one.uploads.find(blob, token)).offset == 4
        checked = hashlib.sha256(), hashlib.sha256(b"4567").digest()
        with pytest.raises(Interrupted):
            await one.uploads.receive(await one.uploads.find(blob, token), token, broken(), checked)
        assert (await one.uploads.find(blob, token)).offset == 4


async def test_verify_finds_what_is_missing_damaged_or_unknown(tmp_path: Path) -> None:
    async with desk(tmp_path) as one:
        good, missing, damaged, short = [await one.upload("1") for _ in range(4)]
        for blob, change in ((damaged, b"x" * 1000), (short, b"x")):
            one.depot.blobs.path(blob).write_bytes(change)  # type: ignore[union-attr]
        one.depot.blobs.path(missing).unlink()  # type: ignore[union-attr]
        stray = one.depot.blobs.path("A" * 22)
        assert stray is not None
        stray.parent.mkdir()
        stray.write_bytes(b"stray")
        found = {one.blob: one.fault async for one in verify(one.depot) if isinstance(one, Finding)}
        assert found == {missing: "missing", damaged: "damaged", short: "damaged", "A" * 22: "unknown"}
        assert good not in found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 4 MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.geteuid() or not shutil.which("mount") or subprocess.run(command, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=False)


async def test_on_a_full_disk_uploads_fail_clearly_and_messages_go_on(
    tmp_path: Path, small_disk: Path
) -> None:
    with serving(tmp_path / "data", media_dir=str(small_disk), media_free_bytes="0") as media:
        ada = Uploader(media, "ada")
        kept = await ada.put(os.urandom(1_000_000))
        # both fit, but not together
        first, second = [await ada.slot(2_000_000) for _ in range(2)]
        async with aiohttp.ClientSession() as http:
            statuses = []
            for slot in (first, second):
                async with http.put(slot.put, data=os.urandom(2_000_000), headers=slot.headers) as answer:
                    statuses.append(answer.status)
            assert statuses == [201, 507]
            async with http.get(second.get) as answer:
                assert answer.status == 404
            async with http.get(kept.get) as answer:
                assert len(await answer.read()) == 1_000_000
        asked = "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='3000000'/>"
        refused = await ada.ask("get", asked)
        assert "resource-constraint" in refused[-1][0].tag
        client = await online(media.port, "ada")
        await client.ping()
        client.abort()
        assert not [path for path in (small_disk / "spool").iterdir() if path.stat().st_size]
        assert "no room for media" in media.log.read_text()
        with contextlib.suppress(OSError), (small_disk / "others").open("wb", 0) as file:
            while True:  # not even for what the database has to write
                file.write(b"x" * 4096)
        answers = [await ada.ask("get", asked.replace("3000000", "1")) for _ in range(3)]
        for answer in answers:
            if answer.get("type") == "error":
                assert "resource-constraint" in answer[-1][0].tag
        async with aiohttp.ClientSession() as http:
            async with http.put(second.put, data=os.urandom(2_000_000), headers=second.headers) as answer:
                assert answer.status in (410, 507)
            async with http.get(kept.get) as answer:
                assert len(await answer.read()) == 1_000_000
        assert "Traceback" not in media.log.read_text()


async def test_slow_senders_hold_up_nobody(media: RunningServer, ada: Uploader) -> None:
    """100 uploads of which a byte comes now and then; one that is quick passes them."""
    slots = [await ada.slot(10_000) for _ in range(4)]
    writers = []
    for number in range(100):
        slot = slots[number % 4]
        _, writer = await asyncio.open_connection("127.0.0.1", media.media_http_port)
        path = "/u/" + slot.put.partition("/u/")[2]
        lines = f"Host: x\r\nAuthorization: {slot.headers['Authorization']}\r\nContent-Length: 10000\r\n"
        writer.write(f"PUT {path} HTTP/1.1\r\n{lines}\r\nabc".encode())
        writers.append(writer)
    async with asyncio.timeout(20):
        quick = await ada.put(os.urandom(100_000))
        async with aiohttp.ClientSession() as http, http.get(quick.get) as answer:
            assert answer.status == 200
    for writer in writers:
        writer.transport.abort()


async def test_slots_are_given_to_one_account_only_so_fast(media: RunningServer) -> None:
    client = await online(media.port, "ben", presence=None)
    try:
        ask = "<request xmlns='urn:xmpp:http:upload:0' filename='a' size='1'/>"
        answers = [await client.iq("get", ask, "upload.localhost") for _ in range(250)]
    finally:
        client.abort()
    refused = [answer for answer in answers if answer.get("type") == "error"]
    assert 0 < len(refused) < 50
    error = refused[-1][-1]
    assert "resource-constraint" in error[0].tag
    retry = next(one for one in error if one.tag == "{urn:xmpp:http:upload:0}retry")
    assert retry.get("stamp", "").endswith("Z")
