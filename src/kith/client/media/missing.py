"""Files that are gone from the server: their senders' devices are asked to upload them again.

Both are sealed in encrypted messages without a text (docs/media.md, Missing blobs). Only those are answered
who have got the message, and a few times a day.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from xml.etree.ElementTree import Element

from omemo.types import OMEMOException
from slixmpp.exceptions import IqError, IqTimeout

from kith.client import stanzas
from kith.client.database import Database
from kith.client.decrypted import Decrypted
from kith.client.encryption import Encryption
from kith.client.errors import ClientError, MediaUnreachable
from kith.client.events import Event, MessageChanged
from kith.client.extra import Extra, Upload
from kith.client.groups.records import GroupRecords
from kith.client.history import History
from kith.client.key_work import Interrupted, KeyWork
from kith.client.media.fetching import has_digest
from kith.client.media.records import MediaRecords
from kith.client.media.segments import SEGMENT, claim_of, claim_secret
from kith.client.media.service import MediaService, blob_of
from kith.client.media.uploading import Uploading, located, upload_name
from kith.client.media.values import Media
from kith.client.media.whole import seal_segments, seal_whole
from kith.client.message import Message
from kith.client.rate_limits import RateLimits
from kith.client.sealed import seal
from kith.client.stream import Stream

_log = logging.getLogger(__name__)
_MOST_WAITING = 20
_FAILURES = (ClientError, OMEMOException, IqError, IqTimeout, Interrupted, OSError)


class MissingFiles:
    """Works in a task of its own."""

    def __init__(
        self,
        stream: Stream,
        database: Database,
        history: History,
        encryption: Encryption,
        key_work: KeyWork,
        records: MediaRecords,
        service: MediaService,
        uploading: Uploading,
        groups: GroupRecords,
        accepted: Callable[[str], bool],
        publish: Callable[[Event], None],
    ) -> None:
        self._stream = stream
        self._db = database
        self._history = history
        self._encryption = encryption
        self._key_work = key_work
        self._records = records
        self._service = service
        self._uploading = uploading
        self._groups = groups
        self._accepted = accepted
        self._publish = publish
        self._own = str(stream.requested_jid.bare)
        self._queue: asyncio.Queue[tuple[str, Upload]] = asyncio.Queue()
        self._asked = RateLimits(1, 1)
        self._answers = RateLimits(3, 3, now=_slowly)
        self._uploads = RateLimits(30, 30, now=_slowly)

    async def ask(self, message: Message) -> bool:
        """Asks the devices of a message's author to upload its file again. False if that can't help.

        A file is asked for once an hour at most.
        """
        url = None if message.media is None else message.media.address
        if url is None or not message.encrypted or not message.incoming:
            return False
        if not self._accepted(message.author) and not self._groups.shared(message.author):
            return False  # it would show that this device is online
        if not self._asked.allow(message.row):
            return True
        try:
            await self._send(message.author, Upload(message.origin or message.id, url))
        except _FAILURES as error:
            _log.info("the file of message %d could not be asked for: %r", message.row, error)
            self._db.rollback()
            return False
        return True

    def take(self, upload: Upload, sender: str, decrypted: Decrypted) -> None:
        """Somebody asks for a file, or has uploaded one again."""
        if not decrypted.trust.sound:
            return
        if upload.at:
            self._take_answer(upload, sender)
        elif self._queue.qsize() < _MOST_WAITING:
            self._queue.put_nowait((sender, upload))

    def _take_answer(self, upload: Upload, sender: str) -> None:
        for message in self._history.with_origin(upload.id):
            media = message.media
            author = message.author if message.incoming else self._own
            if media is None or author != sender or media.address != upload.url:
                continue
            size = media.segments[1] if media.segments else 0
            changed = self._records.set_media(message, located(media, upload.at, size))
            self._db.commit()
            self._publish(MessageChanged(changed))

    async def run(self) -> None:
        """Answers requests until it is cancelled."""
        while True:
            sender, upload = await self._queue.get()
            try:
                await self._answer(sender, upload)
            except _FAILURES as error:
                _log.info("a file could not be uploaded again for %s: %r", sender, error)
                self._db.rollback()

    async def _answer(self, sender: str, upload: Upload) -> None:
        message = self._requested(sender, upload)
        if message is None or message.media is None or not message.media.key:
            return
        media, found = message.media, self._records.file(message.row)
        if found is None or not await asyncio.to_thread(has_digest, *found):
            return
        if not self._answers.allow((sender, upload.id)) or not self._uploads.allow(sender):
            return
        sealed = self._records.make_folder() / secrets.token_hex(16)
        try:
            digest = await asyncio.to_thread(_encrypt_again, found[0], sealed, media)
            if digest != found[1]:
                raise MediaUnreachable("the file changed meanwhile")  # the same key must not encrypt it
            located_again = await self._upload(sealed, media)
        finally:
            sealed.unlink(missing_ok=True)
        self._records.set_media(message, located_again)
        self._records.note_claim(message.row, [blob_of(located_again.address or "")])
        self._db.commit()
        await self._send(sender, Upload(upload.id, upload.url, located_again.address or ""))

    def _requested(self, sender: str, upload: Upload) -> Message | None:
        """Our message with the file, if the sender has got it: it was encrypted for them before."""
        for message in self._history.with_origin(upload.id):
            if message.incoming or message.deleted or not message.encrypted or message.media is None:
                continue
            if message.media.address != upload.url:
                continue
            if message.group:
                number = self._history.number_of(message)
                if self._groups.was_there(message.peer, sender, number):
                    return message
            elif sender in (message.peer, self._own):
                return message
        return None

    async def _upload(self, sealed: Path, media: Media) -> Media:
        size = sealed.stat().st_size
        claim = claim_of(claim_secret(media.key))
        slot = await self._service.slot(upload_name(media), size, "application/octet-stream", claim)
        if not await self._uploading.send(sealed, slot, lambda done, total: None):
            raise MediaUnreachable("The server does not accept its own slots.")
        return located(media, slot.get, size)

    async def _send(self, peer: str, upload: Upload) -> None:
        element, key = await self._key_work.run(self._encryption.encrypt_key(peer))
        self._db.commit()
        await self._db.flush()
        stanza = self._stream.make_message(peer, mtype="chat")
        stanza["id"] = str(uuid.uuid4())
        for child in (element, seal(Extra(upload=upload), key), Element(f"{{{stanzas.HINTS}}}store")):
            stanza.append(child)
        self._stream.send(stanza)


def _slowly() -> float:
    """A clock for which a day is an hour long, so that limits are for days."""
    return time.monotonic() / 24


def _encrypt_again(source: Path, target: Path, media: Media) -> bytes:
    """Encrypts a file as before. Returns its SHA-256: only what is the same may be published."""
    with source.open("rb") as plain, target.open("xb", buffering=SEGMENT) as sealed:
        if media.segments is not None:
            return seal_segments(plain, sealed, media.key)[1]
        return seal_whole(plain, sealed, media.key, media.iv)[1]
