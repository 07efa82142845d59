"""Uploads the files of queued messages, in a task of its own, and tells the outbox when one is there.

A file is encrypted before its message is queued, and its ciphertext is in our folder until it is uploaded. So
it does not matter what becomes of the original meanwhile, and no key ever encrypts two contents.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from kith.client.database import Database
from kith.client.errors import ClientError, MediaError, MediaGone, MediaRefused, MediaUnreachable
from kith.client.history import History
from kith.client.media.http import MediaHTTP, libraries
from kith.client.media.names import type_of
from kith.client.media.records import MediaRecords, Waiting
from kith.client.media.segments import claim_of, claim_secret
from kith.client.media.service import MediaService, Slot, blob_of
from kith.client.media.values import Media, Progress
from kith.client.message import Message

_log = logging.getLogger(__name__)
#: Bytes of a part of a resumable upload.
PART: Final = 1024 * 1024
_PORTION: Final = 256 * 1024
_AT_ONCE = 3
_DAY = 86400.0
_LONGEST_PAUSE = 60.0
#: HTTP: the slot is not valid any more, or the upload is gone, so another slot is needed.
_SLOT_OVER = (401, 403, 404, 410)
_MOST_SLOTS = 3


class Uploading:
    """``changed(message)``: a message has its file, or ``failed(message, error)``: never gets it.

    ``stalled(message)``: it takes longer, since the server can't be reached now.
    """

    def __init__(
        self,
        database: Database,
        history: History,
        records: MediaRecords,
        service: MediaService,
        http: MediaHTTP,
        progress: Callable[[Message, int, int, bool], None],
        expires: Callable[[str], int],
    ) -> None:
        """``expires(group)``: after how many seconds its messages disappear; 0: never."""
        self._expires = expires
        self._db = database
        self._history = history
        self._records = records
        self._service = service
        self._http = http
        self._progress = progress
        self._wake = asyncio.Event()
        self._running: dict[int, asyncio.Task[None]] = {}
        self._pauses: dict[int, float] = {}
        self.online = False
        self.watchers: dict[int, Progress] = {}
        """The ``progress`` of callers, by the rows of their messages."""
        self.changed: Callable[[Message], None] = lambda message: None
        self.failed: Callable[[Message, ClientError], None] = lambda message, error: None
        self.stalled: Callable[[Message], None] = lambda message: None

    def wake(self) -> None:
        """There may be something to upload, or to release."""
        self._wake.set()

    def on_link_changed(self, online: bool) -> None:
        """The connection is up, or down. What waits for it is tried again at once."""
        self.online = online
        if online:
            self._pauses.clear()
            self._records.look_again()
            self._wake.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        self._records.tidy()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                self._begin()
                if self.online:
                    await self._release()
        finally:
            for task in self._running.values():
                task.cancel()
            await asyncio.gather(*self._running.values(), return_exceptions=True)

    def cancel(self, row: int) -> None:
        """A file is not wanted any more."""
        if (task := self._running.get(row)) is not None:
            task.cancel()
        waiting = self._records.of_message(row)
        self._records.done(row)
        self._db.commit()
        self._records.discard(waiting)

    def _begin(self) -> None:
        for waiting in self._records.waiting():
            if len(self._running) >= _AT_ONCE or not self.online:
                return
            if waiting.row not in self._running and waiting.row not in self._pauses:
                task = asyncio.create_task(self._upload(waiting))
                self._running[waiting.row] = task
                task.add_done_callback(partial(self._ended, waiting.row))

    def _ended(self, row: int, task: asyncio.Task[None]) -> None:
        self._running.pop(row, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("the file of message %d could not be uploaded: %r", row, error)
            self._pause(row, _LONGEST_PAUSE)
        self._wake.set()

    async def _upload(self, waiting: Waiting) -> None:
        message = self._history.get(waiting.row)
        try:
            media = message.media
            if media is None:
                self._records.done(waiting.row)
                self._db.commit()
                return
            if waiting.file:
                media, blob = await self._put(waiting, media, message)
            else:
                media, blob = await self._claim(media, message)
        except (MediaUnreachable, OSError) as error:
            _log.info("the file of message %d has to wait: %s", waiting.row, error)
            self._pause(waiting.row, getattr(error, "retry_in", 0.0))
            self.stalled(message)
            return
        except ClientError as error:
            self.failed(message, error)
            return
        self._records.set_media(message, media)
        self._records.done(waiting.row)
        self._records.note_claim(waiting.row, [blob])
        self._db.commit()
        self._records.discard(waiting)
        self.watchers.pop(waiting.row, None)
        self.changed(self._history.get(waiting.row))

    def _pause(self, row: int, at_least: float) -> None:
        """Tries again later, or as soon as the connection comes back."""
        last = self._pauses.get(row, 0.5)
        self._pauses[row] = pause = min(max(last * 2, at_least), max(_LONGEST_PAUSE, at_least))

        def over() -> None:
            if self._pauses.get(row) == pause:
                del self._pauses[row]
            self._wake.set()

        asyncio.get_running_loop().call_later(pause, over)

    # one file

    async def _put(self, waiting: Waiting, media: Media, message: Message) -> tuple[Media, str]:
        """Uploads the ciphertext of a file. Returns the media with its address, and the blob."""
        path = self._records.folder / waiting.file
        if not path.exists():
            raise MediaRefused("The file is not on this device any more. Send it again.")
        slot = waiting.slot
        claim = claim_of(claim_secret(media.key)) if media.key else ""

        def report(done: int, total: int) -> None:
            if (watcher := self.watchers.get(waiting.row)) is not None:
                watcher(done, total)
            self._progress(message, done, total, True)

        for _ in range(_MOST_SLOTS):
            if slot is None:
                wanted = upload_name(media), waiting.size, _slot_type(media), claim
                slot = await self._service.slot(*wanted, self._lasts(message))
                self._records.note_slot(waiting.row, slot)
                self._db.commit()
                self._http.note_origin(slot.get)
            if await self.send(path, slot, report):
                return located(media, slot.get, waiting.size), slot.blob or blob_of(slot.get)
            slot = None
            self._records.note_slot(waiting.row, None)
            self._db.commit()
        raise MediaUnreachable("The server does not accept its own slots.")

    async def send(self, path: Path, slot: Slot, report: Progress) -> bool:
        """Uploads a file to a slot. Returns False if another slot is needed.

        Raises MediaUnreachable, MediaRefused.
        """
        aiohttp = libraries()
        import aiotus

        try:
            with path.open("rb") as file:
                if slot.resumable:
                    await self._resumable(slot, file, path.stat().st_size, report)
                else:
                    await self._whole(slot, file, path.stat().st_size, report)
        except aiohttp.ClientResponseError as error:
            return _judged(error.status, error.message)
        except (aiohttp.ClientError, TimeoutError, aiotus.ProtocolError) as error:
            reason = str(error) or type(error).__name__
            raise MediaUnreachable(f"The file could not be uploaded: {reason}") from None
        return True

    async def _resumable(self, slot: Slot, file: BinaryIO, size: int, report: Progress) -> None:
        import yarl
        from aiotus import core

        await core.upload_buffer(
            self._http.session(self._http.is_own(slot.resumable)),
            yarl.URL(slot.resumable, encoded=True),
            _Watched(file, size, report),  # type: ignore[arg-type]
            ssl=self._http.tls(slot.resumable),
            chunksize=PART,
            headers=slot.headers,
        )
        report(size, size)

    async def _whole(self, slot: Slot, file: BinaryIO, size: int, report: Progress) -> None:
        """For servers that know nothing else: what is interrupted begins anew."""
        headers = slot.headers | {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        session = self._http.session(self._http.is_own(slot.put))
        async with session.put(
            slot.put,
            data=_portions(_Watched(file, size, report)),
            headers=headers,
            ssl=self._http.tls(slot.put),
            allow_redirects=False,
        ) as answer:
            if answer.status not in (200, 201, 204, 409):  # 409: the server has all of it already
                answer.raise_for_status()
                raise MediaUnreachable(f"The server does not take the file (HTTP {answer.status}).")
        report(size, size)

    async def _claim(self, media: Media, message: Message) -> tuple[Media, str]:
        """Makes a claim to the file of a forwarded message."""
        blob = blob_of(media.address or "")
        try:
            await self._service.claim(blob, claim_secret(media.key), self._lasts(message))
        except MediaGone:
            raise MediaGone("The server does not have the file any more.") from None
        return media, blob

    def _lasts(self, message: Message) -> float:
        """For how many seconds the file is needed, with a day for clocks and the time that it waits; or 0."""
        seconds = self._expires(message.peer) if message.group else 0
        return seconds + _DAY if seconds else 0

    async def _release(self) -> None:
        """Releases the claims of deleted messages."""
        if not self._records.give_up():
            return
        self._db.commit()
        for blob in self._records.to_release():
            try:
                await self._service.release(blob)
            except MediaUnreachable:
                self._records.look_again()
                return  # when there is something to do again, or with the next connection
            except MediaError as error:
                _log.debug("%s was not released: %s", blob, error)
            self._records.released(blob)
            self._db.commit()
        self._records.drop_released()
        self._db.commit()


class _Watched:
    """A file that tells how far it was read."""

    def __init__(self, file: BinaryIO, size: int, report: Progress) -> None:
        self._file = file
        self._size = size
        self._report = report

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def read(self, most: int = -1) -> bytes:
        self._report(self._file.tell(), self._size)
        return self._file.read(most)


async def _portions(file: _Watched) -> AsyncIterator[bytes]:
    while data := await asyncio.to_thread(file.read, _PORTION):
        yield data


def _judged(status: int, text: str) -> bool:
    """What an error of HTTP means for an upload. False: another slot is needed."""
    if status in _SLOT_OVER:
        return False
    if status == 413:
        raise MediaRefused("The server does not take a file of this size.")
    raise MediaUnreachable(f"The server does not take the file now (HTTP {status} {text}).")


def upload_name(media: Media) -> str:
    """The name that the server sees: a random one, with the extension of the file for other apps."""
    import secrets

    suffix = Path(media.name).suffix.lower()
    suffix = suffix if 1 < len(suffix) <= 8 and suffix[1:].isalnum() and suffix.isascii() else ""
    name = media.name if not media.encrypted else secrets.token_hex(8) + suffix
    return name[-100:] or "file"


def _slot_type(media: Media) -> str:
    """Ciphertext is of no type. Other files get theirs."""
    return "application/octet-stream" if media.encrypted else media.type or type_of(media.name)


def located(media: Media, url: str, sealed: int) -> Media:
    """The media with the address of its blob, which has so many bytes. Large files have no iv."""
    in_segments = media.key and not media.iv
    return replace(media, segments=(url, sealed)) if in_segments else replace(media, url=url)
