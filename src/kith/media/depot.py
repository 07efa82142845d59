"""What the parts of a media server share: folder, database, blob store, and the threads for the disk."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from kith.base.clock import Clock
from kith.config import Config
from kith.media import records
from kith.media.database import Database
from kith.media.downloads import serving
from kith.media.folder import as_blob_error
from kith.media.records import Blob
from kith.media.stores import make_blobs
from kith.ports.blobs import BlobError

logger = structlog.get_logger("kith.media")
#: Threads for reading and writing files. A disk that hangs holds up media, and nothing else.
_THREADS = 8
_T = TypeVar("_T")


class Depot:
    """``uploading``: the blobs that something is being uploaded of at the moment, with the time of the loop
    when something came of them last. ``gathered``: how many bytes of uploads are in memory, to be written.
    """

    def __init__(self, config: Config, clock: Clock) -> None:
        self.config = config
        self.clock = clock
        self.disk = ThreadPoolExecutor(_THREADS, "kith-media-disk")
        self.database = Database(config.media_folder / "media.sqlite")
        self.blobs = make_blobs(config, self.disk, clock)
        self.uploading: dict[str, float] = {}
        self.gathered = 0
        self._spool = config.media_folder / "spool"

    async def start(self, recover: bool = True) -> None:
        """Opens everything. Raises MediaDatabaseError, BlobError.

        ``recover``: tidies the spool, which is for the media server alone.
        """
        await self.database.open()
        await self.on_disk(lambda: self._spool.mkdir(mode=0o700, parents=True, exist_ok=True))
        await self.blobs.start()
        if recover:
            await self._recover()

    async def stop(self) -> None:
        await self.blobs.stop()
        await self.database.close()
        self.disk.shutdown(wait=False)

    def now(self) -> int:
        """The time of day, in seconds since 1970."""
        return int(self.clock.now())

    def spool(self, blob: str) -> Path:
        """The file in which an upload is collected."""
        return self._spool / blob

    async def find(self, blob: str) -> Blob | None:
        """The record of a blob or an upload."""
        return await self.database.read(lambda db: records.find(db, blob))

    async def free(self) -> int:
        """How many bytes may still be written to the disk with the spool."""
        usage = await self.on_disk(lambda: shutil.disk_usage(self._spool))
        return usage.free - self.config.media_free_bytes

    async def complete(self, blob: Blob) -> Blob:
        """Moves an upload whose last byte has come to its place. Returns its new record. Raises BlobError."""
        await self.blobs.put(blob.id, self.spool(blob.id), blob.size, serving(blob))
        now = self.now()
        await self.database.write(lambda db: records.complete(db, blob.id, now))
        return blob._replace(completed=now, expires=None, token=None)

    async def remove(self, blob: str, orphaned_by: int | None = None) -> bool:
        """Removes a blob or an upload and everything about it. Returns whether it did. Raises BlobError.

        ``orphaned_by``: not unless it has been without claims since this time. The record goes first, so that
        nobody can claim a blob whose file is being removed.
        """
        now = self.now()
        if not await self.database.write(lambda db: records.doom(db, blob, now, orphaned_by)):
            return False
        await self.bury(blob)
        return True

    async def bury(self, blob: str) -> None:
        """Removes the files of a blob that has no record any more. Raises BlobError."""
        await self.on_disk(lambda: self.spool(blob).unlink(missing_ok=True))
        await self.blobs.remove(blob)
        await self.database.write(lambda db: records.buried(db, blob))

    async def on_disk(self, work: Callable[[], _T]) -> _T:
        """Does something on a thread for the disk. Raises BlobError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self.disk, work)
        except OSError as error:
            raise as_blob_error(error) from error
        except sqlite3.Error as error:
            raise BlobError(f"the media database: {error}") from error

    async def _recover(self) -> None:
        """Removes spool files that belong to nothing.

        The others may be longer than what was acknowledged, and are cut when the upload continues.
        """
        names = await self.on_disk(lambda: [path.name for path in self._spool.iterdir()])
        waiting = await self.database.read(records.incomplete)
        known = {blob.id for blob in waiting}
        for name in names:
            if name not in known:
                await self.on_disk(partial((self._spool / name).unlink, missing_ok=True))
