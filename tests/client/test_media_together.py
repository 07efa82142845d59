"""Albums, voice messages that were listened to, and videos in several qualities, by the fake server."""

from __future__ import annotations

import hashlib
import json
import os
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import tostring

import pytest
from PIL import Image

from kith.client import (
    Client,
    Event,
    Media,
    MediaDamaged,
    MediaKind,
    Message,
    MessageChanged,
    NotChangeable,
    NotSendable,
)
from kith.client.extra import Extra
from kith.client.media.limits import MOST_WHOLE
from kith.client.media.segments import SegmentCipher
from kith.client.media.values import Rendition
from kith.client.testing import FakeServer
from kith.client.testing.uploads import Blob
from tests.client.conftest import event, receive, until


class Trio:
    """Ada with a phone and a laptop, and Ben."""

    def __init__(self, server: FakeServer, ada: Client, laptop: Client, ben: Client) -> None:
        self.server, self.ada, self.laptop, self.ben = server, ada, laptop, ben


@pytest.fixture
async def three() -> AsyncIterator[Trio]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(FakeServer())
        ada = await stack.enter_async_context(server.client("ada"))
        laptop = await stack.enter_async_context(server.client("ada", device="laptop"))
        ben = await stack.enter_async_context(server.client("ben"))
        yield Trio(server, ada, laptop, ben)


def photos(folder: Path, count: int) -> list[Path]:
    found = [folder / f"{number}.jpg" for number in range(count)]
    for number, path in enumerate(found):
        Image.new("RGB", (64 + number, 48), (number * 40, 90, 20)).save(path)
    return found


def media(message: Message) -> Media:
    assert message.media is not None
    return message.media


def recording(folder: Path) -> Path:
    path = folder / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(os.urandom(16_000))
    return path


# -- albums -----------------------------------------------------------------------------------------------


async def test_an_album_arrives_in_order_under_one_id_with_its_captions(three: Trio, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    sent = await three.ada.send_album(
        three.ben.jid,
        photos(tmp_path, 3),
        captions=["the first", ""],
        progress=lambda done, total: seen.append((done, total)),
    )
    got = [one for one in await receive(three.ben, 3) if one.media is not None]
    assert [media(one).width for one in got] == [64, 65, 66]
    assert [one.body for one in got] == ["the first", "", ""]
    assert len({media(one).album for one in [*got, *sent]}) == 1
    assert media(got[0]).album
    assert [one.row for one in three.ben.album(got[1])] == [one.row for one in got]
    assert seen[-1][0] == seen[-1][1]
    assert len({total for _, total in seen}) == 1


async def test_of_an_album_that_can_not_be_prepared_nothing_is_sent(three: Trio, tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("no picture")
    paths = photos(tmp_path, 2)
    for wrong in ([*paths, text], paths[:1], [*paths, tmp_path / "missing.jpg"]):
        with pytest.raises((NotSendable, OSError)):
            await three.ada.send_album(three.ben.jid, wrong)
    assert three.ada.history(three.ben.jid) == []
    assert three.server.uploads is not None
    assert not three.server.uploads.blobs
    folder = three.ada._media.records.folder
    assert not folder.exists() or not [path for path in folder.iterdir() if path.is_file()]


async def test_who_uses_an_albums_id_without_being_its_author_is_not_in_it(
    three: Trio, tmp_path: Path
) -> None:
    sent = await three.ada.send_album(three.ben.jid, photos(tmp_path, 2))
    got = await receive(three.ben, 2)
    picture = photos(tmp_path, 1)[0]
    made = replace(three.ben._prepare(picture, False, False).media, album=media(sent[0]).album)
    await three.ben._send_prepared(three.ada.jid, picture, False, made, True, None, None)
    assert [one.row for one in three.ben.album(got[0])] == [one.row for one in got]


# -- listened to ------------------------------------------------------------------------------------------


async def heard_of(events: AsyncIterator[Event]) -> Message:
    """The next message that was listened to."""
    while True:
        found = await event(events, MessageChanged)
        if isinstance(found.message, Message) and media(found.message).heard:
            return found.message


async def test_a_voice_message_that_was_listened_to_is_marked_on_all_devices(
    three: Trio, tmp_path: Path
) -> None:
    await three.ben.send_voice(three.ada.jid, recording(tmp_path))
    (got,) = await receive(three.ada)
    (elsewhere,) = await receive(three.laptop)
    assert not media(got).heard
    with three.ben.events() as news, three.laptop.events() as own:
        heard = await got.heard()
        assert media(heard).heard
        told = await heard_of(news)
        also = await heard_of(own)
    assert not told.incoming
    assert also.row == elsewhere.row
    assert len(three.ben.history(three.ada.jid)) == 1  # the note is no message


async def test_a_note_that_something_was_heard_shows_nothing_to_the_server(
    three: Trio, tmp_path: Path
) -> None:
    await three.ben.send_voice(three.ada.jid, recording(tmp_path))
    (got,) = await receive(three.ada)
    archive = three.server.account("ben").archive
    before = len(archive)
    await got.heard()
    await until(lambda: len(archive) > before)
    note = tostring(archive[-1].message).decode()
    assert "<body" not in note
    assert "<payload" not in note
    assert (got.origin or got.id) not in note
    assert "encrypted" in note


async def test_only_voice_messages_of_others_are_listened_to(three: Trio, tmp_path: Path) -> None:
    mine = await three.ada.send_voice(three.ben.jid, recording(tmp_path))
    (text,) = [await three.ada.send(three.ben.jid, "no sound")]
    for wrong in (mine, text):
        with pytest.raises(NotChangeable):
            await wrong.heard()


def test_what_a_sender_says_does_not_mark_a_message_as_heard() -> None:
    voice = {"kind": "voice", "url": "https://x.example/m/a", "key": "A" * 43 + "=", "iv": "A" * 16}
    found = Extra.unsealed({"media": [voice | {"heard": True, "opened": True}], "opened": True})
    assert found.media is not None
    assert not found.media.heard
    marked = replace(found, media=replace(found.media, heard=True))
    assert "opened" not in json.dumps(marked.sealed())
    again = Extra.parse(marked.stored() or "")
    assert again.media is not None
    assert again.media.heard


# -- qualities, and streaming -----------------------------------------------------------------------------


def put(three: Trio, name: str, data: bytes) -> str:
    """Uploads a blob. Returns its address."""
    uploads = three.server.uploads
    assert uploads is not None
    blob = uploads.blobs[name] = Blob(len(data), "")
    blob.content += data
    return f"http://{uploads.domain}:{uploads.port}/m/{name}/a.bin"


def rendition(three: Trio, key: bytes, name: str, parts: list[bytes], height: int) -> Rendition:
    cipher = SegmentCipher(key, name)
    sealed = [cipher.seal(at, part, at == len(parts) - 1) for at, part in enumerate(parts)]
    index = json.dumps({"segments": [[len(one), at * 2000] for at, one in enumerate(sealed)]}).encode()
    body, tail = b"".join(sealed), cipher.seal_index(index)
    url = put(three, f"{name:a<22}", body + tail)
    return Rendition(name, url, "video/mp4", len(body), len(tail), height * 16 // 9, height, height * 1000)


async def test_the_qualities_of_a_video_are_chosen_and_streamed(three: Trio, tmp_path: Path) -> None:
    key = os.urandom(32)
    small, large = [[os.urandom(3000) for _ in range(5)] for _ in range(2)]
    streams = (rendition(three, key, "240", small, 240), rendition(three, key, "720", large, 720))
    video = Media(MediaKind.VIDEO, "a.mp4", "video/mp4", streams=streams, key=key)
    await three.ada._send_media(three.ben.jid, video, True)
    (got,) = await receive(three.ben)
    found = media(got)
    assert [one.name for one in found.renditions] == ["720", "240"]
    assert [piece async for piece in found.stream("240")] == small
    assert [piece async for piece in found.stream()] == large  # by default, the best
    path = await found.save(tmp_path / "small.mp4", rendition="240")
    assert path.read_bytes() == b"".join(small)
    with pytest.raises(NotSendable, match="240"):
        await found.save(tmp_path / "none.mp4", rendition="1080")
    assert not (tmp_path / "none.mp4").exists()


async def collect(pieces: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for piece in pieces:
        into.append(piece)


async def test_a_rendition_that_was_cut_off_or_changed_ends_with_an_error(three: Trio) -> None:
    key = os.urandom(32)
    parts = [os.urandom(3000) for _ in range(4)]
    good = rendition(three, key, "240", parts, 240)
    await three.ada._send_media(three.ben.jid, Media(MediaKind.VIDEO, streams=(good,), key=key), True)
    (got,) = await receive(three.ben)
    assert three.server.uploads is not None
    blob = three.server.uploads.blobs[f"{'240':a<22}"]
    whole = bytes(blob.content)
    for changed in (whole[:3016] + whole[6032:9048] + whole[3016:6032] + whole[9048:], whole[:-40]):
        blob.content, blob.size = bytearray(changed), len(changed)
        seen: list[bytes] = []
        with pytest.raises(MediaDamaged):
            await collect(media(got).stream("240"), seen)
        assert seen == parts[: len(seen)]


async def test_a_large_file_is_streamed_before_all_of_it_is_there(
    three: Trio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith.client.media.sharing.MOST_WHOLE", 100_000)
    assert MOST_WHOLE > 100_000
    large = tmp_path / "large.bin"
    large.write_bytes(os.urandom(3 * 1024 * 1024 + 5))
    await three.ada.send_file(three.ben.jid, large, as_document=True)
    (got,) = await receive(three.ben)
    assert media(got).segments is not None
    digest, sizes = hashlib.sha256(), []
    async for piece in media(got).stream():
        digest.update(piece)
        sizes.append(len(piece))
    assert len(sizes) >= 3
    assert digest.digest() == hashlib.sha256(large.read_bytes()).digest()
    small = tmp_path / "small.bin"
    small.write_bytes(b"x" * 5000)
    await three.ada.send_file(three.ben.jid, small, as_document=True)
    (got,) = await receive(three.ben)
    assert b"".join([piece async for piece in media(got).stream()]) == b"x" * 5000
