"""Blobs in a folder, one file each."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar

from kith.ports.blobs import BlobError, BlobFull, BlobMissing, Serving, is_blob_id

#: The size of the pieces of `FolderBlobs.read`: what each slow reader holds in memory.
_PIECE = 64 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)
_T = TypeVar("_T")


def as_blob_error(error: OSError) -> BlobError:
    """An error of the file system as one of the blob store."""
    if isinstance(error, FileNotFoundError):
        return BlobMissing("the file is missing; restore it, or run: kith media verify")
    kind = BlobFull if error.errno in _FULL else BlobError
    return kind(error.strerror or str(error))


def sync_folder(folder: Path) -> None:
    """Makes what was renamed within a folder survive a power failure. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FolderBlobs:
    """A `kith.ports.blobs.Blobs` in a folder. A blob is in the folder of the first two characters of its id.

    All work with the disk is done on the threads of ``disk``.
    """

    def __init__(self, folder: Path, disk: Executor) -> None:
        self._folder = folder
        self._disk = disk
        self._made: set[str] = set()

    async def start(self) -> None:
        await self._do(self._check)

    def _check(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = self._folder / f".write-{os.getpid()}"
        probe.touch()
        probe.unlink()

    async def stop(self) -> None:
        pass

    async def put(self, blob: str, spool: Path, size: int, serving: Serving) -> None:
        await self._do(lambda: self._put(blob, spool, size))

    def _put(self, blob: str, spool: Path, size: int) -> None:
        place = self.path(blob)
        try:
            descriptor = os.open(spool, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            if place.exists() and place.stat().st_size == size:
                return  # an earlier call was interrupted after this
            raise
        try:
            if os.fstat(descriptor).st_size != size:
                raise BlobError("the spool file has another size")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if place.parent.name not in self._made:
            place.parent.mkdir(mode=0o700, exist_ok=True)
            sync_folder(self._folder)
            self._made.add(place.parent.name)
        os.rename(spool, place)
        sync_folder(place.parent)

    async def size(self, blob: str) -> int | None:
        def look() -> int | None:
            try:
                return self.path(blob).stat().st_size
            except FileNotFoundError:
                return None

        return await self._do(look)

    def path(self, blob: str) -> Path:
        if not is_blob_id(blob):
            raise ValueError("not the id of a blob")
        return self._folder / blob[:2] / blob

    async def address(self, blob: str, serving: Serving) -> str | None:
        return None

    async def read(self, blob: str, start: int, end: int) -> AsyncIterator[bytes]:
        descriptor = await self._do(lambda: os.open(self.path(blob), os.O_RDONLY | os.O_CLOEXEC))
        try:
            while start < end:
                piece = await self._do(partial(os.pread, descriptor, min(_PIECE, end - start), start))
                if not piece:
                    raise BlobError("the file is shorter than it was")
                start += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    async def remove(self, blob: str) -> None:
        await self._do(lambda: self.path(blob).unlink(missing_ok=True))

    async def all(self) -> AsyncIterator[str]:
        for folder in await self._do(lambda: sorted(self._folder.iterdir())):
            if len(folder.name) == 2:
                names = await self._do(partial(os.listdir, folder))
                for name in names:
                    if is_blob_id(name):
                        yield name

    async def free(self) -> int | None:
        return await self._do(lambda: shutil.disk_usage(self._folder).free)

    async def _do(self, work: Callable[[], _T]) -> _T:
        """Does something on a thread. Raises BlobError."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._disk, work)
        except OSError as error:
            raise as_blob_error(error) from error
