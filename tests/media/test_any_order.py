"""Whatever comes in which order, is cut, repeated or lost to a crash: the same bytes, or a clear refusal."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import tempfile
from base64 import b64encode
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.test_utils import TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from kith.media.http import MediaWeb
from kith.media.proxy import Proxy
from kith.media.slots import Slot, sign
from tests.media.conftest import serving
from tests.media.desk import KEY, Desk
from tests.media.uploading import Uploader

SIZE = 3000
PART = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
#: Where a part begins and ends: a little before, at or after where the upload is.
PLACES = st.integers(-700, 700)
LENGTHS = st.integers(0, 1500)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("part"), PLACES | st.just(0), LENGTHS, st.sampled_from(["", "right", "wrong"])),
        st.tuples(st.just("cut"), PLACES | st.just(0), LENGTHS, st.booleans()),
        st.tuples(st.just("twice"), LENGTHS),
        st.tuples(st.just("put"), st.booleans()),
        st.tuples(st.just("crash"), st.integers(0, 200)),
        st.tuples(st.just("later"), st.sampled_from([10.0, 400.0, 80_000.0])),
        st.tuples(st.just("end")),
    ),
    max_size=12,
)


class Run:
    """One upload to a media server in this process. ``offset``: how far it is; None if it is gone."""

    def __init__(self, folder: Path) -> None:
        self.desk = Desk(folder)
        self.folder = folder
        self.content = os.urandom(SIZE)
        self.offset: int | None = 0
        self.blob = ""

    async def open(self) -> None:
        await self.desk.depot.start()
        depot = self.desk.depot
        self.web = MediaWeb(depot, self.desk.uploads, Proxy(depot.config, depot.clock, KEY))
        self.server = TestServer(self.web.app)
        await self.server.start_server()
        self.http = aiohttp.ClientSession(self.server.make_url("/"))

    async def close(self) -> None:
        await self.http.close()
        await self.server.close()
        await self.desk.depot.stop()

    async def begin(self) -> None:
        blob = await self.desk.reserve("1", SIZE)
        assert isinstance(blob, str)
        self.blob = blob
        token = sign(Slot(blob, "1", SIZE, "image/jpeg", int(self.desk.time) + 300), KEY)
        self.headers = {"Authorization": f"Bearer {token}", **PART}

    async def step(self, step: tuple[Any, ...]) -> None:
        match step:
            case ("part", place, length, checksum):
                await self.part(place, length, checksum)
            case ("cut", place, length, checked):
                await self.cut(place, length, checked)
            case ("twice", length):
                at = self.offset
                if at is not None and at + length < SIZE:
                    await asyncio.gather(*(self.raw(at, self.content[at : at + length]) for _ in range(2)))
                    self.offset = await self.look()
                    assert self.offset == at + length
            case ("put", whole):
                await self.put(whole)
            case ("crash", tail):
                await self.crash(tail)
            case ("later", seconds):
                self.desk.pass_time(seconds)
                await self.expect_expiry(seconds)
            case ("end",):
                async with self.http.delete(f"/u/{self.blob}", headers=self.headers) as answer:
                    if self.offset == SIZE:
                        assert answer.status == 409
                    elif self.offset is not None:
                        assert answer.status == 204
                        self.offset = None

    async def raw(self, at: int, data: bytes, **headers: str) -> int:
        fields = self.headers | {"Upload-Offset": str(at)} | headers
        async with self.http.patch(f"/u/{self.blob}", data=data, headers=fields) as answer:
            return answer.status

    async def part(self, place: int, length: int, checksum: str) -> None:
        at = max(0, (self.offset or 0) + place)
        data = (self.content + b"more" * 100)[at : at + length]
        digest = hashlib.sha256(data if checksum == "right" else data + b"x").digest()
        more = {"Upload-Checksum": f"sha256 {b64encode(digest).decode()}"} if checksum else {}
        status = await self.raw(at, data, **more)
        if self.offset is None:
            assert status in (403, 410)
        elif at != self.offset:
            assert status == 409
        elif self.offset == SIZE:
            assert status == 204
        elif at + len(data) > SIZE:
            assert status == 413
        elif checksum == "wrong":
            assert status == 460
        else:
            assert status == 204
            self.offset = at + len(data)

    async def cut(self, place: int, length: int, checked: bool) -> None:
        """A part of which only the beginning comes."""
        at = max(0, (self.offset or 0) + place)
        data = self.content[at : at + length]
        fields = self.headers | {"Upload-Offset": str(at), "Content-Length": str(len(data) + 100)}
        if checked:
            fields["Upload-Checksum"] = f"sha256 {b64encode(hashlib.sha256(data).digest()).decode()}"
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(f"PATCH /u/{self.blob} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode() + data)
        await writer.drain()
        writer.close()
        del reader
        await asyncio.sleep(0.01)  # usually the server has seen it then; if not, less has come
        while self.desk.depot.uploading:
            await asyncio.sleep(0.001)
        if self.offset is None:
            return
        now = await self.look()
        if checked or at != self.offset or at + len(data) + 100 > SIZE:
            assert now == self.offset
        else:
            assert now is not None
            assert self.offset <= now <= at + len(data)
        self.offset = now

    async def put(self, whole: bool) -> None:
        data = self.content if whole else self.content[:-1]
        async with self.http.put(f"/u/{self.blob}/a", data=data, headers=self.headers) as answer:
            status = answer.status
        if self.offset is None:
            assert status in (403, 410)
        elif self.offset == SIZE:
            assert status == 409
        elif not whole:
            assert status == 413
        else:
            assert status == 201
            self.offset = SIZE

    async def crash(self, tail: int) -> None:
        """The server ends at once; in the spool file is more than it has said."""
        await self.close()
        spool = self.desk.depot.spool(self.blob)
        if spool.exists():
            with spool.open("ab") as file:
                file.write(os.urandom(tail))
        old = self.desk
        self.desk = Desk(self.folder)
        self.desk.time = old.time
        await self.open()

    async def expect_expiry(self, seconds: float) -> None:
        if self.offset is None or self.offset == SIZE:
            return
        found = await self.desk.depot.find(self.blob)
        assert found is not None
        assert found.expires is not None
        over = found.expires <= self.desk.time
        late = found.token is None and self.desk.time >= found.created + 300  # nothing came in time
        if over or late:
            assert await self.raw(self.offset, b"") == 410
            self.offset = None

    async def look(self) -> int | None:
        async with self.http.head(f"/u/{self.blob}", headers=self.headers) as answer:
            if answer.status != 200:
                assert answer.status in (403, 410)
                return None
            return int(answer.headers["Upload-Offset"])

    async def expect_whole_or_nothing(self) -> None:
        async with self.http.get(f"/m/{self.blob}/a") as answer:
            if self.offset == SIZE:
                assert answer.status == 200
                assert await answer.read() == self.content
            else:
                assert answer.status == 404

    async def finish(self) -> None:
        """In the end the client continues where the server says that it is."""
        if (at := await self.look()) is None:
            assert self.offset is None
            return
        assert at == self.offset
        assert await self.raw(at, self.content[at:]) == 204
        self.offset = SIZE
        await self.expect_whole_or_nothing()


async def run(steps: list[tuple[Any, ...]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one = Run(Path(folder))
        await one.open()
        try:
            await one.begin()
            for step in steps:
                await one.step(step)
                await one.expect_whole_or_nothing()
            await one.finish()
        finally:
            await one.close()


@settings(max_examples=60)
@given(steps=STEPS)
def test_any_order_gives_the_same_bytes_or_a_clear_refusal(steps: list[tuple[Any, ...]]) -> None:
    asyncio.run(run(steps))


async def test_a_server_that_is_killed_again_and_again_gets_every_byte(tmp_path: Path) -> None:
    """SIGKILL while parts come; the client asks where it is and goes on, as after a tunnel."""
    content = os.urandom(3_000_000)
    dice = random.Random(20)
    with serving(tmp_path / "data") as media:
        slot = await Uploader(media, "ada").slot(len(content))
        headers = slot.headers | PART
        kills = 0
        while True:
            try:
                async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(20)) as http:
                    async with http.head(slot.tus, headers=headers) as answer:
                        assert answer.status == 200
                        at = int(answer.headers["Upload-Offset"])
                    async with http.get(slot.get) as answer:
                        assert answer.status == (200 if at == len(content) else 404)
                    if at == len(content):
                        break
                    part = content[at : at + 400_000]
                    sending = asyncio.create_task(
                        _patch(http, slot.tus, part, headers | {"Upload-Offset": str(at)})
                    )
                    if kills < 5:
                        await asyncio.sleep(dice.uniform(0.0, 0.02))
                        media.kill()
                        kills += 1
                        await asyncio.gather(sending, return_exceptions=True)
                        media.start()
                    else:
                        assert await sending == 204
            except aiohttp.ClientError:
                continue
        async with aiohttp.ClientSession() as http, http.get(slot.get) as answer:
            assert await answer.read() == content
        assert not list((media.data_dir / "media" / "spool").iterdir())


async def _patch(http: aiohttp.ClientSession, url: str, data: bytes, headers: dict[str, str]) -> int:
    async with http.patch(url, data=data, headers=headers) as answer:
        return answer.status
