"""A media server in this process, whose clock a test sets, as message servers see it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config import Config
from kith.media.control import Control
from kith.media.depot import Depot
from kith.media.local import LocalMedia
from kith.media.remote import RemoteMedia
from kith.media.requests import Claim, GetUsage, MakeClaims, Media, Refusal, Release, Reserve, Usage
from kith.media.slots import Slot, sign
from kith.media.upkeep import Upkeep
from kith.media.uploads import Uploads

KEY = b"k" * 32
START = 1_800_000_000


class Desk:
    """``media``: what is asked; ``depot``: what is behind it. ``hours`` is how much later it is now."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.time = float(START)
        self.clock = Clock(lambda: self.time, lambda: self.time, lambda: self.time)
        settings = {"media_free_bytes": 0, **settings}
        self.depot = Depot(Config(data_dir=folder, **settings), self.clock)
        self.media: Media = LocalMedia(self.depot)
        self.uploads = Uploads(self.depot, KEY)

    def pass_time(self, seconds: float) -> None:
        self.time += seconds

    async def reserve(self, owner: str, size: int, **more: Any) -> str | Refusal:
        """A reserved upload: its id, or why not."""
        blob = Randomness().token(16)
        reply = await self.media.ask(Reserve(owner, f"{owner}@localhost", blob, size, "image/jpeg", **more))
        return reply if isinstance(reply, Refusal) else blob

    async def upload(self, owner: str, size: int = 1000, secret: bytes = b"", **more: Any) -> str:
        """A complete blob of random bytes."""
        claim = hashlib.sha256(secret).digest() if secret else b""
        blob = await self.reserve(owner, size, claim=claim, **more)
        assert isinstance(blob, str)
        await self.send(blob, owner, os.urandom(size), claim)
        return blob

    async def send(self, blob: str, owner: str, data: bytes, claim: bytes = b"") -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield data

        token = sign(Slot(blob, owner, len(data), "image/jpeg", int(self.time) + 300, claim), KEY)
        upload = await self.uploads.find(blob, token)
        done = await self.uploads.receive(upload, token, pieces())
        assert done.completed is not None

    async def claim(self, owner: str, *claims: Claim) -> Refusal | None:
        reply = await self.media.ask(MakeClaims(owner, f"{owner}@localhost", list(claims)))
        return reply if isinstance(reply, Refusal) else None

    async def release(self, owner: str, *blobs: str) -> Refusal | None:
        reply = await self.media.ask(Release(owner, list(blobs)))
        return reply if isinstance(reply, Refusal) else None

    async def usage(self, owner: str) -> Usage:
        reply = await self.media.ask(GetUsage(owner))
        assert isinstance(reply, Usage)
        return reply

    async def exists(self, blob: str) -> bool:
        """Whether a blob is there after what is done every few minutes."""
        await Upkeep(self.depot).run()
        there = await self.depot.blobs.size(blob) is not None
        assert there == (await self.depot.find(blob) is not None)
        return there


@asynccontextmanager
async def desk(folder: Path, kind: str = "local", **settings: Any) -> AsyncIterator[Desk]:
    """``kind``: ``local``, or ``remote`` for one that is asked over its control port."""
    made = Desk(folder, **settings)
    await made.depot.start()
    server: TestServer | None = None
    try:
        if kind == "remote":
            control = Control(made.media, KEY, made.clock)
            server = TestServer(control.app)
            await server.start_server()
            made.media = RemoteMedia(str(server.make_url("")), KEY, made.clock, Randomness())
            await made.media.start()
        yield made
    finally:
        if server is not None:
            await made.media.stop()
            await server.close()
        await made.depot.stop()
