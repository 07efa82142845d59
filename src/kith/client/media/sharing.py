"""The part of `kith.client.Client` that sends, forwards and saves files, cards and locations."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from kith.client import sendable
from kith.client.errors import MediaGone, NotChangeable, NotSendable
from kith.client.events import MessageChanged, MessageDeleted, MessageReceived
from kith.client.extra import Extra
from kith.client.media import cards
from kith.client.media.limits import IV_BYTES, KEY_BYTES, MOST_WHOLE
from kith.client.media.service import Usage, blob_of
from kith.client.media.values import Media, MediaKind, Place, Progress
from kith.client.message import Draft, Kind, Link, Message, State, Trust
from kith.client.writing import Writing

if TYPE_CHECKING:
    from kith.client.media.prepared import Prepared


#: As many as the web app sends at once.
_MOST_IN_ALBUM: Final = 30


class _Sealed(NamedTuple):
    """A file that is encrypted in our folder, and its description. ``digest``: SHA-256 of the plaintext."""

    file: Path
    media: Media
    size: int
    digest: bytes


class Sharing(Writing):
    """Files go through the outbox as texts do, also while offline, and in their order."""

    async def send_file(
        self,
        peer: str,
        path: Path | str,
        *,
        caption: str = "",
        as_document: bool = False,
        high_quality: bool = False,
        once: bool = False,
        encrypted: bool | None = None,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> Message:
        """Sends a file. Returns once it is on the wire or, without a connection, stored in the outbox.

        Pictures are made smaller (with ``high_quality``: less), turned upright, and like videos rid of
        metadata; ``as_document`` sends any file as it is. What is sent is copied and encrypted before this
        returns, so the file may be changed or deleted then. An upload that was interrupted goes on, also
        after a restart. ``once``: apps let it be viewed once. ``progress`` is called with the bytes that are
        uploaded, and all; so are `MediaProgress` events.

        ``encrypted``, ``reply_to``, and what is raised: see `send`. Also raises OSError, MediaRefused (too
        large, or more than the account may store) and LibraryMissing.
        """
        peer, encrypted = await self._checked(peer, caption, encrypted, reply_to)
        made = await asyncio.to_thread(self._prepare, Path(path), as_document, high_quality)
        media = replace(made.media, caption=caption, once=once)
        return await self._send_prepared(peer, made.path, made.made, media, encrypted, reply_to, progress)

    async def send_voice(
        self,
        peer: str,
        path: Path | str,
        *,
        encrypted: bool | None = None,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> Message:
        """Sends a recording as a voice message, which apps show with its waveform. Raises as `send_file`.

        The recording can have any format that PyAV reads.
        """
        peer, encrypted = await self._checked(peer, "", encrypted, reply_to)
        made = await asyncio.to_thread(self._prepare_voice, Path(path))
        return await self._send_prepared(
            peer, made.path, made.made, made.media, encrypted, reply_to, progress
        )

    async def send_location(self, peer: str, place: Place, *, encrypted: bool | None = None) -> Message:
        """Sends a location. Raises what `send` raises."""
        if not (abs(place.latitude) <= 90 and abs(place.longitude) <= 180):
            raise NotSendable("There is no such place.")
        sendable.check_characters(place.name)
        return await self._send_media(peer, Media(MediaKind.LOCATION, place=place), encrypted)

    async def send_contact(self, peer: str, card: str, *, encrypted: bool | None = None) -> Message:
        """Sends a contact card, a vCard 4 (`kith.client.media.cards.make`). Raises what `send` raises."""
        if not cards.is_card(card) or len(card) > 8192:
            raise NotSendable("A contact card is a vCard of at most 8 KiB.")
        sendable.check_characters(card)
        return await self._send_media(peer, Media(MediaKind.CONTACT, card=card), encrypted)

    async def forward(self, message: Message, peer: str) -> Message:
        """Sends a message to somebody else. A file is not uploaded again if our server has it.

        Raises what `send` and `send_file` raise, and MediaGone.
        """
        current = self._history.get(message.row)
        media = current.media
        if media is None:
            return await self.send(peer, current.body)
        if media.once:
            raise NotSendable("This is to be viewed once, and can't be forwarded.")
        media = replace(media, album="", caption=current.body, heard=False)
        if not media.kind.is_file:
            return await self._send_media(peer, media, None)
        peer, encrypted = await self._checked(peer, media.caption, None, None)
        address = media.address or ""
        shared = bool(media.key) and encrypted and self._media.http.is_own(address) and bool(blob_of(address))
        if shared and not media.streams:
            found = self._queue_media(peer, media, encrypted, None)
            self._media.records.wait(found.row, "", 0)
            return await self._go(found, None)
        folder = self._media.records.make_folder()
        path = await self._save(current, folder / secrets.token_hex(16), None)
        plain = replace(media, url=None, segments=None, streams=(), key=b"", iv=b"")
        return await self._send_prepared(peer, path, True, plain, encrypted, None, None)

    async def send_album(
        self,
        peer: str,
        paths: Sequence[Path | str],
        *,
        captions: Sequence[str] = (),
        high_quality: bool = False,
        encrypted: bool | None = None,
        reply_to: Message | None = None,
        progress: Progress | None = None,
    ) -> list[Message]:
        """Sends two to 30 pictures and videos, which apps show as one message. Returns the message of each.

        ``captions``: of the first ones; an empty one is none. Everything is prepared before anything is sent,
        so either all of it goes out or nothing. ``progress`` counts all files together. Raises what
        `send_file` raises, and NotSendable if something is neither picture nor video.
        """
        if not 2 <= len(paths) <= _MOST_IN_ALBUM or len(captions) > len(paths):
            raise NotSendable(f"An album has two to {_MOST_IN_ALBUM} pictures and videos.")
        texts = [*captions, *[""] * (len(paths) - len(captions))]
        for text in texts:
            peer, encrypted = await self._checked(peer, text, encrypted, reply_to)
        made: list[Prepared] = []
        sealed: list[_Sealed] = []
        album = secrets.token_hex(16)
        try:
            for path in paths:
                one = await asyncio.to_thread(self._prepare, Path(path), False, high_quality)
                made.append(one)
                if one.media.kind not in (MediaKind.PICTURE, MediaKind.VIDEO):
                    raise NotSendable(f"{Path(path).name} is neither a picture nor a video.")
            for one, text in zip(made, texts, strict=True):
                media = replace(one.media, caption=text, album=album)
                sealed.append(await self._seal(one.path, media, bool(encrypted)))
        except BaseException:
            for one in made:
                if one.made:
                    one.path.unlink(missing_ok=True)
            for done in sealed:
                done.file.unlink(missing_ok=True)
            raise
        messages = []
        for number, (one, file) in enumerate(zip(made, sealed, strict=True)):
            answered = None if number else reply_to
            messages.append(self._queue_sealed(peer, one.path, one.made, file, bool(encrypted), answered))
        together = None if progress is None else _together(progress, [file.size for file in sealed])
        sent = [
            self._go(message, None if together is None else together(number))
            for number, message in enumerate(messages)
        ]
        return list(await asyncio.gather(*sent))

    def album(self, message: Message) -> list[Message]:
        """The messages of the album that a message belongs to, in order; the message alone if to none."""
        return self._history.album(self._history.get(message.row))

    async def heard(self, message: Message) -> Message:
        """Notes that we have listened to a voice message, and tells its sender and our other devices.

        The sender is told only where that is encrypted, and if they may know when we are online (`accept`).
        Goes through the outbox. Returns the message as it is now. Raises NotChangeable if it is no voice
        message of somebody else.
        """
        target = self._history.get(message.row)
        if not target.incoming or target.media is None or target.media.kind is not MediaKind.VOICE:
            raise NotChangeable("This is no voice message of somebody else.")
        changed = self._history.set_heard(target)
        if changed is None:
            return target
        if target.encrypted and (target.group or self.accepted(target.peer)):
            id = target.origin or target.id
            self._queue(
                Draft(
                    peer=target.peer,
                    id="",
                    body="",
                    incoming=False,
                    encrypted=True,
                    trust=Trust.VERIFIED,
                    time=datetime.now(UTC),
                    state=State.QUEUED,
                    kind=Kind.HEARD,
                    about=id,
                    author=self.jid if target.group else None,
                    extra=Extra(heard=id).stored(),
                )
            )
        self._db.commit()
        self._publish(MessageChanged(changed))
        self._outbox.wake()
        return changed

    async def stream_media(self, media: Media, rendition: str = "") -> AsyncIterator[bytes]:
        """The plaintext of a file, piece by piece. See `Media.stream`."""
        current = self._history.get(media.row).media or media
        async for piece in self._media.fetching.stream(current, rendition):
            yield piece

    async def save_media(
        self, media: Media, path: Path | str, progress: Progress | None = None, rendition: str = ""
    ) -> Path:
        """Saves the file of a message. See `Media.save`."""
        return await self._save(self._history.get(media.row), Path(path), progress, rendition)

    async def _save(
        self, message: Message, path: Path, progress: Progress | None, rendition: str = ""
    ) -> Path:
        media = message.media
        if media is None:
            raise NotSendable("The message brings no file any more.")

        def report(done: int, total: int) -> None:
            if progress is not None:
                progress(done, total)
            self._media.on_progress(message, done, total, False)

        try:
            final, part = await self._media.fetching.save(media, path, report, rendition)
        except MediaGone:
            if await self._media.missing.ask(message):
                raise MediaGone(
                    "The server does not have the file any more. Its sender was asked to upload it again."
                ) from None
            raise
        ours = final.parent == self._media.records.folder
        if not ours and not rendition:
            self._media.records.note_file(message.row, final.absolute(), part.digest, part.size, False)
            self._db.commit()
        return final

    async def media_usage(self) -> Usage:
        """How much the account has stored on the media server, and may store.

        Raises MediaRefused and MediaUnreachable.
        """
        return await self._media.service.usage()

    def cancel(self, message: Message) -> None:
        """Stops the upload of a file. Its message is removed, as if it had never been sent.

        Does nothing if the file was uploaded already.
        """
        current = self._history.get(message.row)
        if self._media.records.of_message(message.row) is None:
            return
        self._media.uploading.cancel(message.row)
        for caption in self._history.captions(current):
            self._history.remove(caption)
        self._history.remove(current)
        self._media.records.forget_file(current.row)
        self._db.commit()
        self._publish(MessageDeleted(replace(current, deleted=True, body="", media=None), current))
        self._outbox.uploaded(current)

    # how it is sent

    async def _checked(
        self, peer: str, caption: str, encrypted: bool | None, reply_to: Message | None
    ) -> tuple[str, bool]:
        """The address, and whether to encrypt. Raises as `send`, before anything is prepared."""
        from kith.client.media.http import libraries

        libraries()
        peer, encrypted, _ = await self._destination(peer, encrypted, reply_to)
        if caption:
            sendable.check_text(caption, encrypted, self._stream.max_bytes)
        return peer, encrypted

    def _prepare(self, path: Path, as_document: bool, high_quality: bool) -> Prepared:
        from kith.client.media.prepared import prepare

        folder = self._media.records.make_folder()
        return prepare(path, folder, as_document=as_document, high_quality=high_quality)

    def _prepare_voice(self, path: Path) -> Prepared:
        from kith.client.media.prepared import UnreadableMedia
        from kith.client.media.sounds import prepare_voice

        try:
            return prepare_voice(path, self._media.records.make_folder())
        except UnreadableMedia as error:
            raise NotSendable(f"{path.name} can't be sent as a voice message: {error}.") from None

    async def _send_prepared(
        self,
        peer: str,
        path: Path,
        made: bool,
        media: Media,
        encrypted: bool,
        reply_to: Message | None,
        progress: Progress | None,
    ) -> Message:
        """Encrypts a file, queues its message, and waits as `send` does. ``made``: it is in our folder."""
        try:
            sealed = await self._seal(path, media, encrypted)
        except BaseException:
            if made:
                path.unlink(missing_ok=True)
            raise
        return await self._go(self._queue_sealed(peer, path, made, sealed, encrypted, reply_to), progress)

    async def _seal(self, path: Path, media: Media, encrypted: bool) -> _Sealed:
        """Encrypts a file, or copies what is not to be encrypted, into our folder."""
        sealed = self._media.records.make_folder() / secrets.token_hex(16)
        try:
            media, size, digest = await asyncio.to_thread(_seal, path, sealed, media, encrypted)
        except BaseException:
            sealed.unlink(missing_ok=True)
            raise
        return _Sealed(sealed, media, size, digest)

    def _queue_sealed(
        self, peer: str, path: Path, made: bool, file: _Sealed, encrypted: bool, reply_to: Message | None
    ) -> Message:
        """Queues the message of an encrypted file. The caller commits (`_go`)."""
        message = self._queue_media(peer, file.media, encrypted, reply_to)
        self._media.records.wait(message.row, file.file.name, file.size)
        size = file.media.size or 0
        self._media.records.note_file(message.row, path.absolute(), file.digest, size, made)
        return message

    def _queue_media(self, peer: str, media: Media, encrypted: bool, reply_to: Message | None) -> Message:
        """Queues the message of a file, and the caption for other apps. The caller commits (`_go`)."""
        group = self._groups.knows(peer)
        draft = Draft(
            peer=peer,
            id="",
            body=media.caption,
            incoming=False,
            encrypted=encrypted,
            trust=Trust.VERIFIED if encrypted else Trust.PLAIN,
            time=datetime.now(UTC),
            state=State.QUEUED,
            reply_to=None if reply_to is None else self._reply_id(reply_to),
            author=self.jid if group else None,
            extra=Extra(media=media).stored(),
        )
        message = self._queue(draft)
        if media.caption:
            self._queue_caption(message)
        return message

    def _queue_caption(self, message: Message) -> None:
        """Queues the caption of a file once more, as a text for apps that know no captions."""
        id = message.origin or message.id
        self._queue(
            Draft(
                peer=message.peer,
                id="",
                body=message.body,
                incoming=False,
                encrypted=message.encrypted,
                trust=message.trust,
                time=message.time,
                state=State.QUEUED,
                kind=Kind.CAPTION,
                about=id,
                author=self.jid if message.group else None,
                extra=Extra(caption=id).stored() if message.encrypted else None,
            )
        )

    def _requeued(self, message: Message) -> None:
        self._history.drop_captions(message)
        if message.media is not None and message.body:
            self._queue_caption(message)
        self._media.uploading.wake()

    async def _go(self, message: Message, progress: Progress | None) -> Message:
        if progress is not None:
            self._media.uploading.watchers[message.row] = progress
        self._history.mark_read(message.peer, message)
        self._history.note_written(message.peer)
        self._db.commit()
        self._publish(MessageReceived(message))
        known = message.group or self._contacts.known(message.peer)
        if self.link is Link.ONLINE and not known:
            self._contacts.add(message.peer, self._nickname)
        self._media.uploading.wake()
        await self._outbox.wait_until_sent(message)
        return self._history.get(message.row)

    async def _send_media(self, peer: str, media: Media, encrypted: bool | None) -> Message:
        """Sends what has no file to upload."""
        peer, encrypted, _ = await self._destination(peer, encrypted, None)
        return await self._go(self._queue_media(peer, media, encrypted, None), None)


def _together(progress: Progress, sizes: Sequence[int]) -> Callable[[int], Progress]:
    """The progress of several files as that of one."""
    done = [0] * len(sizes)

    def of(number: int) -> Progress:
        def report(bytes: int, total: int) -> None:
            done[number] = bytes
            progress(sum(done), sum(sizes))

        return report

    return of


def _seal(path: Path, sealed: Path, media: Media, encrypted: bool) -> tuple[Media, int, bytes]:
    """Encrypts a file under a new key. Returns its description, the bytes of the ciphertext, its SHA-256."""
    from kith.client.media.placing import placed
    from kith.client.media.segments import sealed_size
    from kith.client.media.whole import copy_plain, seal_segments, seal_whole

    key, iv = (os.urandom(KEY_BYTES), os.urandom(IV_BYTES)) if encrypted else (b"", b"")
    with path.open("rb") as source, placed(sealed) as target:
        if not encrypted:
            size, digest = copy_plain(source, target)
        elif path.stat().st_size > MOST_WHOLE:
            size, digest = seal_segments(source, target, key)
            if target.size != sealed_size(size):
                raise NotSendable(f"{path} changed while it was read.")
            iv = b""
        else:
            size, digest = seal_whole(source, target, key, iv)
            if size > MOST_WHOLE:
                raise NotSendable(f"{path} changed while it was read.")
        length = target.size
    return replace(media, key=key, iv=iv, size=size, digest=digest), length, digest
