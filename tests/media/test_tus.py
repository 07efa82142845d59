"""tus 1.0: resumable uploads, with clients that Kith did not write and with requests of all kinds."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import shutil
import socket
from base64 import b64encode
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp
import aiotus.core
import pytest
from yarl import URL

from tests.conftest import RunningServer
from tests.media.uploading import Slot, Uploader

TUS = {"Tus-Resumable": "1.0.0"}
PART = TUS | {"Content-Type": "application/offset+octet-stream"}


def at(slot: Slot, offset: int, **more: str) -> dict[str, str]:
    """The head of a part."""
    return (
        slot.headers
        | PART
        | {"Upload-Offset": str(offset)}
        | {k.replace("_", "-"): v for k, v in more.items()}
    )


def sha256(data: bytes) -> str:
    return f"sha256 {b64encode(hashlib.sha256(data).digest()).decode()}"


async def offset(http: aiohttp.ClientSession, slot: Slot) -> int:
    async with http.head(slot.tus, headers=slot.headers | TUS) as answer:
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        return int(answer.headers["Upload-Offset"])


async def test_aiotus_uploads_in_parts(ada: Uploader) -> None:
    content = os.urandom(300_001)
    slot = await ada.slot(len(content))
    async with aiohttp.ClientSession() as http:
        server = await aiotus.core.configuration(http, URL(slot.tus))
        assert server.max_size == 2**31
        assert {"checksum", "expiration", "termination"} <= set(server.protocol_extensions)
        await aiotus.core.upload_buffer(
            http, URL(slot.tus), io.BytesIO(content), chunksize=100_000, headers=slot.headers
        )
        async with http.get(slot.get) as answer:
            assert await answer.read() == content


@pytest.mark.skipif(not shutil.which("node"), reason="needs Node.js")
async def test_tus_js_client_continues_what_a_closed_tab_has_begun(ada: Uploader, tmp_path: Path) -> None:
    content = os.urandom(900_001)
    (tmp_path / "file").write_bytes(content)
    slot = await ada.slot(len(content))
    wishes = {"url": slot.tus, "headers": slot.headers, "file": str(tmp_path / "file"), "chunkSize": 200_000}

    async def run(**more: int) -> dict[str, object]:
        command = "node", str(Path(__file__).with_name("tus_client.mjs")), json.dumps(wishes | more)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await asyncio.wait_for(process.communicate(), 30)
        return dict(json.loads(out))

    first = await run(abortAfter=2)
    assert first == {"parts": 2}
    async with aiohttp.ClientSession() as http:
        assert await offset(http, slot) >= 400_000
        assert await run() == {"parts": 3, "done": True}
        async with http.get(slot.get) as answer:
            assert await answer.read() == content


async def test_a_part_is_kept_only_at_the_right_offset(ada: Uploader) -> None:
    slot = await ada.slot(10)
    async with aiohttp.ClientSession() as http:
        for position, data, status in (
            (5, b"56789", 409),
            (0, b"01234", 204),
            (0, b"xxxxx", 409),
            (5, b"567890", 413),
            (5, b"56789", 204),
            (10, b"", 204),
        ):
            async with http.patch(slot.tus, data=data, headers=at(slot, position)) as answer:
                assert answer.status == status, (position, data)
                assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with http.get(slot.get) as answer:
            assert await answer.read() == b"0123456789"


async def test_a_part_with_a_wrong_digest_leaves_no_byte(ada: Uploader) -> None:
    slot = await ada.slot(10)
    async with aiohttp.ClientSession() as http:
        for checksum, status in (
            (sha256(b"other"), 460),
            ("md5 AAAA", 400),
            ("sha256 !", 400),
            (sha256(b"01234"), 204),
        ):
            async with http.patch(
                slot.tus, data=b"01234", headers=at(slot, 0, Upload_Checksum=checksum)
            ) as answer:
                assert answer.status == status
            assert await offset(http, slot) == (5 if status == 204 else 0)


async def test_the_answer_says_until_when_an_upload_can_be_continued(ada: Uploader) -> None:
    slot = await ada.slot(10)
    head = at(slot, 0)
    async with aiohttp.ClientSession() as http, http.patch(slot.tus, data=b"01234", headers=head) as answer:
        ends = parsedate_to_datetime(answer.headers["Upload-Expires"])
        now = parsedate_to_datetime(answer.headers["Date"])
        assert 86_000 < (ends - now).total_seconds() <= 86_400


async def test_an_upload_that_is_terminated_is_gone_and_costs_nothing(ada: Uploader) -> None:
    before = (await ada.ask("get", "<usage xmlns='urn:kith:media:0'/>"))[0].attrib
    slot = await ada.slot(1000)
    async with aiohttp.ClientSession() as http:
        async with http.patch(slot.tus, data=b"x" * 500, headers=at(slot, 0)) as answer:
            assert answer.status == 204
        async with http.delete(slot.tus, headers=slot.headers | TUS) as answer:
            assert answer.status == 204
    after = (await ada.ask("get", "<usage xmlns='urn:kith:media:0'/>"))[0].attrib
    assert after["bytes"] == before["bytes"]
    assert int(after["today"]) == int(before["today"]) + 500  # what came has cost something


async def test_an_empty_file_is_a_file(ada: Uploader) -> None:
    slot = await ada.slot(0)
    async with aiohttp.ClientSession() as http:
        assert await offset(http, slot) == 0
        async with http.get(slot.get) as answer:
            assert (answer.status, await answer.read()) == (200, b"")


async def test_another_version_of_tus_and_another_type_are_refused(ada: Uploader) -> None:
    slot = await ada.slot(10)
    wrong = at(slot, 0) | {"Tus-Resumable": "0.2.2"}
    async with aiohttp.ClientSession() as http:
        async with http.patch(slot.tus, data=b"0", headers=wrong) as answer:
            assert (answer.status, answer.headers["Tus-Version"]) == (412, "1.0.0")
        plain = at(slot, 0) | {"Content-Type": "text/plain"}
        async with http.patch(slot.tus, data=b"0", headers=plain) as answer:
            assert answer.status == 415
        async with http.patch(slot.tus, data=b"0", headers=at(slot, 0, Upload_Offset="-1")) as answer:
            assert answer.status == 400
        async with http.post(
            slot.tus, data=b"0", headers=at(slot, 0, X_HTTP_Method_Override="PATCH")
        ) as answer:
            assert answer.status == 204


async def half_a_part(media: RunningServer, slot: Slot, sent: bytes, length: int, **more: str) -> None:
    """Begins to send a part, and leaves the line open. Returns when the server has it."""
    head = at(slot, 0, Content_Length=str(length), Host="x", **more)
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    half_a_part.socket = wire = socket.create_connection(("127.0.0.1", media.media_http_port))  # type: ignore[attr-defined]
    wire.sendall(f"PATCH {URL(slot.tus).path} HTTP/1.1\r\n{lines}\r\n".encode() + sent)


async def test_of_two_at_once_the_later_one_is_told_so(media: RunningServer, ada: Uploader) -> None:
    slot = await ada.slot(1000)
    await half_a_part(media, slot, b"01234", 1000)
    slow = half_a_part.socket  # type: ignore[attr-defined]
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        statuses = set()
        while statuses != {423, 409}:
            slow.sendall(b"x")
            async with http.patch(slot.tus, data=b"", headers=at(slot, 0)) as answer:
                statuses |= {answer.status} - {204}
            if 423 in statuses:
                async with http.put(slot.put, data=b"0" * 1000, headers=slot.headers) as answer:
                    statuses.add(answer.status)


async def test_a_line_that_is_dead_gives_way_to_the_client_s_next_one(
    media: RunningServer, ada: Uploader
) -> None:
    """The train has left the tunnel: the client is back before the server knows that it was away."""
    slot = await ada.slot(10)
    await half_a_part(media, slot, b"01234", 10)
    async with aiohttp.ClientSession() as http, asyncio.timeout(30):
        while (there := await offset(http, slot)) != 5:
            await asyncio.sleep(0.1)
        async with http.patch(slot.tus, data=b"56789", headers=at(slot, there)) as answer:
            assert answer.status == 204
        async with http.get(slot.get) as answer:
            assert await answer.read() == b"0123456789"


@pytest.mark.parametrize("checked", [False, True])
async def test_a_part_that_breaks_off_counts_as_far_as_it_came(
    media: RunningServer, ada: Uploader, checked: bool
) -> None:
    slot = await ada.slot(10)
    more = {"Upload_Checksum": sha256(b"0123456789")} if checked else {}
    await half_a_part(media, slot, b"01234", 10, **more)
    half_a_part.socket.close()  # type: ignore[attr-defined]
    wanted = 0 if checked else 5
    async with aiohttp.ClientSession() as http:
        async with asyncio.timeout(10):
            while True:
                async with http.patch(slot.tus, data=b"", headers=at(slot, wanted)) as answer:
                    if answer.status == 204 and answer.headers["Upload-Offset"] == str(wanted):
                        break
        rest = b"0123456789"[wanted:]
        async with http.patch(slot.tus, data=rest, headers=at(slot, wanted)) as answer:
            assert answer.status == 204
        async with http.get(slot.get) as answer:
            assert await answer.read() == b"0123456789"


async def test_a_part_of_unknown_length_may_be_sent(ada: Uploader) -> None:
    async def pieces() -> object:
        yield b"01234"
        yield b"56789"

    slot = await ada.slot(10)
    async with aiohttp.ClientSession() as http:
        async with http.patch(slot.tus, data=pieces(), headers=at(slot, 0)) as answer:
            assert answer.status == 204
        async with http.put(slot.put, data=pieces(), headers=slot.headers) as answer:
            assert answer.status == 409
    other = await ada.slot(10)
    async with (
        aiohttp.ClientSession() as http,
        http.put(other.put, data=pieces(), headers=other.headers) as answer,
    ):
        assert answer.status == 411
