"""Receives uploads: who may, from where, and how bytes get to the disk. Knows nothing of HTTP.

Bytes go to a spool file, and are synced before they are acknowledged. How many have been acknowledged is in
the database, so after a crash the file is cut to what the client knows of.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import os
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import Protocol

import structlog

from kith.media import records
from kith.media.depot import Depot
from kith.media.records import PATIENCE, Blob
from kith.media.slots import Slot, SlotInvalid, read
from kith.ports.blobs import BlobError, BlobFull

logger = structlog.get_logger("kith.media")
#: How many bytes may be lost of one long part if the server is killed.
_SYNC_EVERY = 32 * 1024 * 1024
#: Pieces are written together: a turn of a disk thread costs as much as writing 100 KB. Until so many bytes
#: have come, or the first of them has waited for so many seconds; and so many bytes may wait in all.
_TOGETHER, _AT_MOST, _ALL_WAITING = 256 * 1024, 0.1, 8 * 1024 * 1024
#: Seconds without a byte after which a request gives way to another one for the same blob, and how long that
#: waits for it.
_STALLED, _PATIENCE = 2.0, 5.0


def _now() -> float:
    return asyncio.get_running_loop().time()


class Digest(Protocol):
    """A hash function of `hashlib`."""

    def update(self, data: bytes, /) -> None: ...
    def digest(self) -> bytes: ...


class UploadError(Exception):
    """An upload is refused. ``status``: that of HTTP; ``wait``: seconds after which it may work."""

    def __init__(self, status: int, text: str, wait: int = 0) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.wait = wait


class Interrupted(Exception):
    """The client has gone, or was silent for too long, before everything came."""


class Uploads:
    """``key``: what slots are signed with."""

    def __init__(self, depot: Depot, key: bytes) -> None:
        self._depot = depot
        self._key = key
        self._aborts: dict[str, Callable[[], None]] = {}

    async def find(self, blob: str, token: str) -> Blob:
        """The upload, or the complete blob, that a token is for. Raises UploadError."""
        digest = hashlib.sha256(token.encode()).digest()
        upload = await self._depot.find(blob)
        begun = upload is not None and upload.token is not None
        if upload is not None and upload.token is not None and hmac.compare_digest(upload.token, digest):
            slot = None  # valid as long as the upload, also if the server's secret was replaced meanwhile
        else:
            try:
                slot = read(token, self._key)
            except SlotInvalid:
                raise UploadError(403, "the token is not valid") from None
            if slot.blob != blob or (begun and upload is not None and upload.completed is None):
                raise UploadError(403, "the token is for something else")
        now = self._depot.now()
        if upload is not None and upload.completed is not None:
            return upload
        if slot is not None and slot.expires <= now:
            raise UploadError(410, "the slot has expired; request another one")
        if upload is None:
            assert slot is not None
            return await self._depot.database.write(lambda db: self._believe(db, slot, now))
        if upload.expires is not None and upload.expires <= now:
            raise UploadError(410, "the upload has expired; request another slot")
        return upload

    def _believe(self, db: sqlite3.Connection, slot: Slot, now: int) -> Blob:
        """Makes the record of an upload that only its slot tells of."""
        if (found := records.find(db, slot.blob)) is not None:
            return found
        if records.has_ended(db, slot.blob):
            raise UploadError(410, "the upload has been removed; request another slot")
        records.name_owner(db, slot.owner, "")
        blob = records.new(slot.blob, slot.owner, slot.size, slot.type, slot.claim, now, slot.expires)
        records.reserve(db, blob, slot.until, lasting=False)
        return blob

    @asynccontextmanager
    async def alone(self, blob: str, abort: Callable[[], None]) -> AsyncIterator[None]:
        """Keeps others from uploading the same blob. Raises UploadError (423).

        ``abort``: ends the connection, if nothing comes over it and another request for the blob does: a
        client that has lost its line (in a tunnel) has another one long before the server knows.
        """
        await self.interrupt(blob)
        uploading = self._depot.uploading
        if blob in uploading:
            raise UploadError(423, "another request is uploading this file")
        uploading[blob] = _now()
        self._aborts[blob] = abort
        try:
            yield
        finally:
            uploading.pop(blob, None)
            self._aborts.pop(blob, None)

    async def interrupt(self, blob: str) -> None:
        """Ends a request of which nothing comes any more. What came of it is kept."""
        last = self._depot.uploading.get(blob)
        if last is None or _now() - last < _STALLED:
            return
        self._aborts[blob]()
        deadline = _now() + _PATIENCE
        while blob in self._depot.uploading and _now() < deadline:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    async def begin_again(self, upload: Blob) -> Blob:
        """Forgets what has come of an upload."""
        again = upload._replace(offset=0, crc=0)
        if upload.offset:
            await self._depot.database.write(
                lambda db: db.execute("UPDATE blob SET offset = 0, crc = 0 WHERE id = ?", (upload.id,))
            )
        return again

    async def receive(
        self,
        upload: Blob,
        token: str,
        pieces: AsyncIterator[bytes],
        checksum: tuple[Digest, bytes] | None = None,
        whole: bool = False,
    ) -> Blob:
        """Appends pieces to an upload, and makes a blob of it if it is complete then.

        ``whole``: the client sends everything again after an interruption, so it is synced once, in the end.
        ``checksum``: a hash function and what it has to give for the pieces; if it does not, nothing of them
        is kept. Returns the upload with its new offset. If the pieces end with `Interrupted`, what came
        before is kept, unless there is a checksum. Raises UploadError, Interrupted.
        """
        writing = Writing(self._depot, upload, hashlib.sha256(token.encode()).digest(), checksum, whole)
        with _refusing():
            return await writing.run(pieces)

    async def finish(self, upload: Blob) -> Blob:
        """Makes a blob of an upload whose last byte has come before. Raises UploadError."""
        with _refusing():
            if not upload.size:
                await self._depot.on_disk(self._depot.spool(upload.id).touch)
            return await self._depot.complete(upload)

    async def end(self, upload: Blob) -> None:
        """Removes an upload that is not complete. Raises UploadError."""
        with _refusing():
            await self._depot.remove(upload.id)


@contextmanager
def _refusing() -> Iterator[None]:
    """Makes errors of the disk and the blob store errors for the client. Raises UploadError."""
    try:
        yield
    except BlobFull:
        logger.warning("there is no room for media", todo="make room, or lower media_free_bytes")
        raise UploadError(507, "the server has no room for the file at the moment") from None
    except BlobError as error:
        logger.error("an upload failed", error=str(error))
        raise UploadError(503, "the server can't store the file at the moment", wait=30) from None


class Writing:
    """One request that appends to an upload."""

    def __init__(
        self,
        depot: Depot,
        upload: Blob,
        token: bytes,
        checksum: tuple[Digest, bytes] | None,
        whole: bool,
    ) -> None:
        self._depot = depot
        self._upload = upload
        self._token = token
        self._checksum = checksum
        self._syncs = checksum is None and not whole
        self._offset = upload.offset
        self._crc = upload.crc

    async def run(self, pieces: AsyncIterator[bytes]) -> Blob:
        """Raises UploadError, Interrupted, BlobError."""
        depot, upload = self._depot, self._upload
        if upload.size - upload.offset > await depot.free():
            raise BlobFull("less is free than media_free_bytes")
        descriptor = await depot.on_disk(self._open)
        try:
            interrupted = await self._take(descriptor, pieces)
            await depot.on_disk(lambda: os.fdatasync(descriptor))
        except BaseException:
            # what was not acknowledged goes at once: it may be why the disk is full
            with suppress(OSError, RuntimeError):
                depot.disk.submit(_cut, descriptor, self._upload.offset)
            raise
        depot.disk.submit(os.close, descriptor)
        done = await self._save()
        if interrupted is not None:
            raise interrupted
        if done.offset == done.size:
            self._moved(math.inf)  # storing it may take long, and is not to be interrupted
            return await depot.complete(done)
        return done

    def _open(self) -> int:
        """Opens the spool file at the end of what was acknowledged."""
        path = self._depot.spool(self._upload.id)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < self._offset:
                raise UploadError(409, "the server has lost what came before; request another slot")
            os.ftruncate(descriptor, self._offset)
            os.lseek(descriptor, self._offset, os.SEEK_SET)
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    async def _take(self, descriptor: int, pieces: AsyncIterator[bytes]) -> Interrupted | None:
        """Writes what comes. Returns the interruption after which the beginning is kept."""
        depot, unsynced = self._depot, 0
        try:
            async for together in gathered(pieces, depot, self._moved):
                await depot.on_disk(partial(self._write, descriptor, together))
                unsynced += sum(map(len, together))
                if unsynced >= _SYNC_EVERY:
                    unsynced = 0
                    if self._syncs:
                        await depot.on_disk(lambda: os.fdatasync(descriptor))
                        self._upload = await self._save()
                    if self._upload.size - self._offset > await depot.free():
                        raise BlobFull("less is free than media_free_bytes")
        except Interrupted as error:
            if self._checksum is not None:
                raise
            return error
        if self._checksum is not None and not hmac.compare_digest(
            self._checksum[0].digest(), self._checksum[1]
        ):
            raise UploadError(460, "the checksum is another one: nothing was kept")
        return None

    def _moved(self, time: float) -> None:
        """Notes when something came last."""
        if self._upload.id in self._depot.uploading:
            self._depot.uploading[self._upload.id] = time

    def _write(self, descriptor: int, pieces: list[bytes]) -> None:
        """Writes pieces. Called on a thread."""
        for piece in pieces:
            if self._offset + len(piece) > self._upload.size:
                raise UploadError(413, "this is more than the slot is for")
            rest = memoryview(piece)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            self._crc = zlib.crc32(piece, self._crc)
            if self._checksum is not None:
                self._checksum[0].update(piece)
            self._offset += len(piece)

    async def _save(self) -> Blob:
        """Records how far the upload has come, after it was synced."""
        values = self._offset, self._crc, self._depot.now() + PATIENCE, self._token, self._upload.id
        changed = await self._depot.database.write(
            lambda db: (
                db.execute(
                    "UPDATE blob SET offset = ?, crc = ?, expires = ?, token = ? WHERE id = ?", values
                ).rowcount
            )
        )
        if not changed:
            raise UploadError(410, "the upload has been removed")
        return self._upload._replace(offset=values[0], crc=values[1], expires=values[2], token=self._token)


async def gathered(
    pieces: AsyncIterator[bytes], depot: Depot, moved: Callable[[float], None]
) -> AsyncIterator[list[bytes]]:
    """Yields pieces in lists worth a turn of a disk thread. What came before an `Interrupted` is yielded too.

    ``moved`` is told when something comes. How small pieces are is up to the network and to what else the
    machine does, so without this the price of an upload would be, too. Slow clients hold little memory,
    since their pieces do not wait for more than a tenth of a second once another one has come.
    """
    together: list[bytes] = []
    size, since = 0, 0.0
    try:
        async for piece in pieces:
            now = _now()
            moved(now)
            if not together:
                since = now
            together.append(piece)
            size += len(piece)
            depot.gathered += len(piece)
            if size >= _TOGETHER or now - since >= _AT_MOST or depot.gathered > _ALL_WAITING:
                full, together = together, []
                depot.gathered -= size
                size = 0
                yield full
    except Interrupted:
        if together:
            yield together
        raise
    finally:
        depot.gathered -= size
    if together:
        yield together


def _cut(descriptor: int, size: int) -> None:
    try:
        os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)
