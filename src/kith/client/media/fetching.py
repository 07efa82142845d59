"""Downloads files: decrypted as they arrive, and in their place only once they are authenticated."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final, Protocol

from kith.client.errors import MediaDamaged, NotSendable
from kith.client.media.http import MediaHTTP
from kith.client.media.names import free_path, safe_name, words
from kith.client.media.placing import PartFile
from kith.client.media.records import MediaRecords
from kith.client.media.segments import SegmentReader, plain_size
from kith.client.media.service import MediaService
from kith.client.media.values import Media, Progress
from kith.client.media.whole import PlainReader, WholeReader

#: The largest file whose size its sender did not say, in bytes.
MOST_UNKNOWN: Final = 4 * 1024 * 1024 * 1024
_WRITTEN_AT_ONCE = 1024 * 1024


class _Reader(Protocol):
    def update(self, data: bytes) -> bytes: ...
    def finish(self) -> bytes: ...


class Fetching:
    """Saves the files of messages."""

    def __init__(self, records: MediaRecords, service: MediaService, http: MediaHTTP) -> None:
        self._records = records
        self._service = service
        self._http = http

    async def save(
        self, media: Media, path: Path, progress: Progress | None = None, rendition: str = ""
    ) -> tuple[Path, PartFile]:
        """Saves a file at a path, or in a folder. Returns where, and what was written.

        ``rendition``: the name of one, in place of the file.

        Raises MediaDamaged, MediaGone, MediaUnreachable, OSError, NotSendable.
        """
        if not media.kind.is_file:
            raise NotSendable("There is no file to save.")
        into_folder = path.is_dir()
        folder = path if into_folder else path.parent
        local = None if rendition else await self._here(media)
        part = PartFile(folder)
        try:
            if local is not None:
                await asyncio.to_thread(_copy, local, part)
            else:
                await self._fetch(media, part, progress, rendition)
            final = await asyncio.to_thread(_commit, part, media, path, into_folder)
        except BaseException:
            part.discard()
            raise
        return final, part

    async def _here(self, media: Media) -> Path | None:
        """The file, if it is on this device and unchanged."""
        found = self._records.file(media.row) if media.row else None
        same = found is not None and await asyncio.to_thread(has_digest, *found)
        return found[0] if found is not None and same else None

    async def stream(self, media: Media, rendition: str = "") -> AsyncIterator[bytes]:
        """Yields the file's authenticated bytes in order. Raises as `save`."""
        if not media.kind.is_file:
            raise NotSendable("There is no file to save.")
        if rendition or (media.address is None and media.streams):
            from kith.client.media.renditions import stream_rendition

            async for piece in stream_rendition(self, media, rendition):
                yield piece
        elif (local := await self._here(media)) is not None:
            async for piece in _read(local):
                yield piece
        elif media.segments is not None and not media.url:
            reader, most = _reader(media)
            async for data in self.download(media.segments[0], most):
                if piece := reader.update(data):
                    yield piece
            yield reader.finish()
        else:
            with tempfile.TemporaryDirectory(dir=self._records.make_folder()) as folder:
                part = PartFile(Path(folder))
                await self._fetch(media, part, None, "")
                final = Path(folder) / "file"
                await asyncio.to_thread(part.commit, final)
                async for piece in _read(final):
                    yield piece

    async def _fetch(self, media: Media, part: PartFile, progress: Progress | None, rendition: str) -> None:
        url = media.address
        if rendition or (url is None and media.streams):
            from kith.client.media.renditions import fetch_video

            await fetch_video(self, media, part, progress, rendition)
            return
        if url is None:
            raise MediaDamaged("The message does not say where its file is.")
        reader, most = _reader(media)
        buffer = bytearray()
        async for data in self.download(url, most, progress):
            buffer += reader.update(data)
            if len(buffer) >= _WRITTEN_AT_ONCE:
                await asyncio.to_thread(part.write, bytes(buffer))
                buffer.clear()
        buffer += reader.finish()
        await asyncio.to_thread(part.write, bytes(buffer))
        _check(media, part)

    async def download(
        self, url: str, most: int, progress: Progress | None = None, start: int = 0
    ) -> AsyncIterator[bytes]:
        """The bytes at an address from ``start`` on.

        They come through our own server if they are of another one, and ours does that.
        """
        if not self._http.is_own(url) and (found := await self._service.proxied(url)):
            self._http.note_origin(found)
            url = found
        async for data in self._http.fetch(url, most, progress, start):
            yield data


def _reader(media: Media) -> tuple[_Reader, int]:
    """What decrypts a file, and the most bytes that it may have on the server."""
    if media.segments is not None and not media.url:
        size = plain_size(media.segments[1])
        if media.size is not None and media.size != size:
            raise MediaDamaged("The file's description is wrong.")
        return SegmentReader(media.key), media.segments[1]
    most = MOST_UNKNOWN if media.size is None else media.size
    if media.key:
        return WholeReader(media.key, media.iv), most + 16
    return PlainReader(), most


def _check(media: Media, part: PartFile) -> None:
    """Compares the file with its description. Raises MediaDamaged."""
    if media.size is not None and part.size != media.size:
        raise MediaDamaged("The file is shorter than its description says.")
    if media.digest and part.digest != media.digest:
        raise MediaDamaged("The file is another one than its description says.")


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, _WRITTEN_AT_ONCE):
            yield piece


def _copy(source: Path, part: PartFile) -> None:
    with source.open("rb") as file:
        shutil.copyfileobj(file, part, 1024 * 1024)


def _commit(part: PartFile, media: Media, path: Path, into_folder: bool) -> Path:
    if not into_folder:
        part.commit(path)
        return path
    name = safe_name(media.name or words(media.kind), media.type)
    while True:
        final = free_path(path, name)
        try:
            part.commit(final, replaces=False)
        except FileExistsError:
            continue  # another program was quicker
        return final


def has_digest(path: Path, digest: bytes) -> bool:
    """Whether a file is there and has a SHA-256. It may be large, so call it in a thread."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest() == digest
    except OSError:
        return False
