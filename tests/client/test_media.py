"""Files in the SDK, by the fake server: sent, resumed, received, saved, forwarded, deleted."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from kith.client import (
    Client,
    Link,
    Media,
    MediaDamaged,
    MediaGone,
    MediaKind,
    MediaProgress,
    MediaRefused,
    Message,
    MessageChanged,
    MessageDeleted,
    NotChangeable,
    NotSendable,
    Place,
    State,
)
from kith.client.encryption import Encryption
from kith.client.media import cards
from kith.client.media.uploading import PART
from kith.client.testing import FakeServer
from kith.client.testing.uploads import Uploads
from tests.client.conftest import event, receive, until

MEGABYTE = 1024 * 1024


class Pair:
    """Ada and Ben, who are online, and the files that they have uploaded."""

    def __init__(self, server: FakeServer, stack: AsyncExitStack, ada: Client, ben: Client) -> None:
        assert server.uploads is not None
        self.server, self.stack, self.ada, self.ben = server, stack, ada, ben
        self.uploads: Uploads = server.uploads

    async def restart(self, client: Client) -> Client:
        await client.close()
        name = client.jid.partition("@")[0]
        return await self.stack.enter_async_context(self.server.client(name))

    async def got(self, count: int = 1) -> list[Message]:
        return await receive(self.ben, count)


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(FakeServer())
        ada = await stack.enter_async_context(server.client("ada"))
        ben = await stack.enter_async_context(server.client("ben"))
        yield Pair(server, stack, ada, ben)


def media(message: Message) -> Media:
    assert message.media is not None, message
    return message.media


def digest(path: Path) -> bytes:
    """What is compared, since a difference of megabytes takes for ever to print."""
    return hashlib.sha256(path.read_bytes()).digest()


def photo(folder: Path, size: tuple[int, int] = (320, 200)) -> Path:
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    exif[0x0112] = 6  # to be turned right
    picture = Image.radial_gradient("L").resize(size).convert("RGB")
    picture.save(folder / "photo.jpg", exif=exif, comment=b"a secret place")
    return folder / "photo.jpg"


async def test_a_picture_arrives_upright_without_metadata_and_the_server_sees_nothing_of_it(
    pair: Pair, tmp_path: Path
) -> None:
    done: list[tuple[int, int]] = []
    chat = pair.ada.chat(pair.ben.jid)
    sent = await chat.send_file(photo(tmp_path), caption="My garden", progress=lambda *at: done.append(at))
    assert sent.state is State.SENT or sent.state is State.QUEUED
    (got,) = await pair.got()
    found = media(got)
    assert (got.body, found.kind, found.type) == ("My garden", MediaKind.PICTURE, "image/jpeg")
    assert (found.width, found.height, len(found.preview) > 10) == (200, 320, True)
    (blob,) = pair.uploads.complete
    assert not bytes(blob.content).startswith(b"\xff\xd8")
    assert done[-1] == (blob.size, blob.size)
    path = await found.save(tmp_path / "saved.jpg")
    with Image.open(path) as picture:
        assert (picture.size, dict(picture.getexif()), picture.info.get("comment")) == ((200, 320), {}, None)
    assert b"secret" not in path.read_bytes()
    assert path.stat().st_size == found.size
    text = " ".join(text for entry in pair.server.account("ben").archive for text in entry.message.itertext())
    assert "garden" not in text
    assert "aesgcm" not in text
    assert "/m/" not in text


async def test_other_apps_get_one_address_and_then_the_caption(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts: list[str] = []
    encrypt = Encryption.encrypt

    async def note(self: Encryption, peer: str, body: str) -> Any:
        texts.append(body)
        return await encrypt(self, peer, body)

    monkeypatch.setattr(Encryption, "encrypt", note)
    await pair.ada.send_file(pair.ben.jid, photo(tmp_path), caption="My garden")
    await pair.ada.send(pair.ben.jid, "Nice?")
    await until(lambda: len(texts) == 3)
    assert texts[0].startswith("aesgcm://localhost:")
    assert texts[0].partition("#")[0].endswith(".jpg")
    assert len(texts[0].partition("#")[2]) == 24 + 64
    assert texts[1:] == ["My garden", "Nice?"]
    assert [one.body for one in await pair.got(2)] == ["My garden", "Nice?"]
    assert [one.body for one in pair.ben.history(pair.ada.jid)] == ["My garden", "Nice?"]
    assert [one.body for one in pair.ada.history(pair.ben.jid)] == ["My garden", "Nice?"]
    assert pair.ben.chat(pair.ada.jid).unread == 2


async def test_an_interrupted_upload_goes_on_where_it_was_also_after_a_restart_and_text_keeps_its_place(
    pair: Pair, tmp_path: Path
) -> None:
    content = hashlib.shake_256(b"file").digest(9 * MEGABYTE)
    (tmp_path / "book.pdf").write_bytes(content)
    await pair.ada.send(pair.ben.jid, "1")
    await pair.got()
    pair.uploads.parts = 1
    with pair.ada.events() as events:
        message = await pair.ada.send_file(pair.ben.jid, tmp_path / "book.pdf")  # it stays in the outbox
        assert (await event(events, MediaProgress)).total > len(content)
    assert message.state is State.QUEUED
    after = await pair.ada.send(pair.ben.jid, "2")
    assert after.state is State.QUEUED
    (tmp_path / "book.pdf").write_bytes(b"other content now")
    assert not any(blob.complete for blob in pair.uploads.blobs.values())
    (blob,) = pair.uploads.blobs.values()
    had = len(blob.content)
    assert 0 < had < blob.size
    ada = await pair.restart(pair.ada)
    pair.uploads.requests.clear()
    pair.uploads.parts = None
    got, text = await pair.got(2)
    assert (media(got).name, text.body) == ("book.pdf", "2")
    assert len(pair.uploads.blobs) == 1
    parts = [method for method, _ in pair.uploads.requests if method == "PATCH"]
    assert len(parts) == -(-(blob.size - had) // PART)
    saved = await media(got).save(tmp_path / "again.pdf")
    assert digest(saved) == hashlib.sha256(content).digest()
    await until(lambda: ada.queued() == 0)
    assert not list((ada._media.records.folder).iterdir())


async def test_what_was_sent_offline_goes_out_in_order(pair: Pair, tmp_path: Path) -> None:
    await pair.ada.send(pair.ben.jid, "0")
    await pair.got()
    await pair.server.stop()
    await until(lambda: pair.ada.link is not Link.ONLINE)
    (tmp_path / "a.txt").write_text("content of a")
    for number in range(3):
        await pair.ada.send(pair.ben.jid, f"text {number}")
        await pair.ada.send_file(pair.ben.jid, tmp_path / "a.txt", caption=f"file {number}")
    await pair.server.restart()
    pair.ada.reconnect()
    pair.ben.reconnect()
    got = await pair.got(6)
    wanted = [f"{kind} {number}" for number in range(3) for kind in ("text", "file")]
    assert [one.body for one in got] == wanted


async def test_a_download_that_is_cut_off_goes_on(pair: Pair, tmp_path: Path) -> None:
    content = hashlib.shake_256(b"film").digest(3 * MEGABYTE)
    (tmp_path / "film.bin").write_bytes(content)
    await pair.ada.send_file(pair.ben.jid, tmp_path / "film.bin")
    (got,) = await pair.got()
    pair.uploads.cut = 3
    assert digest(await media(got).save(tmp_path / "saved")) == hashlib.sha256(content).digest()


async def test_a_large_file_goes_in_segments(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith.client.media.sharing.MOST_WHOLE", MEGABYTE)
    content = hashlib.shake_256(b"large").digest(3 * MEGABYTE + 7)
    (tmp_path / "large.bin").write_bytes(content)
    await pair.ada.send_file(pair.ben.jid, tmp_path / "large.bin")
    (got,) = await pair.got()
    found = media(got)
    assert (found.url, found.segments is not None, found.size) == (None, True, len(content))
    assert digest(await found.save(tmp_path / "saved")) == hashlib.sha256(content).digest()
    (blob,) = pair.uploads.complete
    (tmp_path / "saved").unlink()
    blob.content[:] = blob.content[: MEGABYTE + 16] * 3 + blob.content[-23:]
    with pytest.raises(MediaDamaged):
        await found.save(tmp_path / "swapped")
    assert not (tmp_path / "swapped").exists()


@pytest.mark.parametrize("change", ["flip", "cut", "longer", "other"])
async def test_a_file_that_was_tampered_with_never_stands_under_its_name(
    pair: Pair, tmp_path: Path, change: str
) -> None:
    (tmp_path / "a.txt").write_text("content of a")
    await pair.ada.send_file(pair.ben.jid, tmp_path / "a.txt")
    (got,) = await pair.got()
    (blob,) = pair.uploads.complete
    match change:
        case "flip":
            blob.content[3] ^= 1
        case "cut":
            del blob.content[-1:]
        case "longer":
            blob.content += b"x"
        case _:
            blob.content[:] = bytes(len(blob.content))
    blob.size = len(blob.content)
    folder = tmp_path / "saved"
    folder.mkdir()
    (folder / "kept.txt").write_text("mine")
    for target in (folder, folder / "kept.txt"):
        with pytest.raises(MediaDamaged):
            await media(got).save(target)
    assert [file.name for file in folder.iterdir()] == ["kept.txt"]
    assert (folder / "kept.txt").read_text() == "mine"


async def test_forwarding_makes_a_claim_and_uploads_nothing(pair: Pair, tmp_path: Path) -> None:
    cyd = await pair.stack.enter_async_context(pair.server.client("cyd"))
    await pair.ada.send_file(pair.ben.jid, photo(tmp_path), caption="My garden")
    (got,) = await pair.got()
    await got.forward(cyd.jid)
    (again,) = await receive(cyd)
    assert (again.body, media(again).url) == ("My garden", media(got).url)
    assert len(pair.uploads.blobs) == 1
    assert [jid for jid, _ in pair.uploads.claims] == [pair.ben.jid]
    path = await media(again).save(tmp_path)
    with Image.open(path) as picture:
        assert picture.size == (200, 320)


async def test_deleting_a_message_releases_its_file_and_withdraws_the_caption_elsewhere(
    pair: Pair, tmp_path: Path
) -> None:
    sent = await pair.ada.send_file(pair.ben.jid, photo(tmp_path), caption="My garden")
    await pair.got()
    with pair.ben.events() as events:
        deleted = await sent.delete()
        assert (deleted.media, deleted.body) == (None, "")
        found = await event(events, MessageDeleted)
    assert found.message.media is None
    await until(lambda: pair.uploads.released)
    assert pair.uploads.released == list(pair.uploads.blobs)
    for client in (pair.ada, pair.ben):
        rows = client._db.sql.execute("SELECT extra FROM messages WHERE extra LIKE '%media%'").fetchall()
        assert rows == []
    assert not list(pair.ada._media.records.folder.iterdir())


async def test_a_file_that_is_gone_is_uploaded_again_by_its_sender(pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content of a")
    await pair.ada.send_file(pair.ben.jid, tmp_path / "a.txt")
    (got,) = await pair.got()
    before = media(got).url
    pair.uploads.blobs.clear()
    with pair.ben.events() as events:
        with pytest.raises(MediaGone, match="asked"):
            await media(got).save(tmp_path / "saved.txt")
        changed = await event(events, MessageChanged)
    assert media(changed.message).url not in (None, before)
    assert (await media(changed.message).save(tmp_path / "saved.txt")).read_text() == "content of a"


async def test_a_file_that_has_changed_is_not_encrypted_again_with_the_same_key(
    pair: Pair, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("content of a")
    await pair.ada.send_file(pair.ben.jid, tmp_path / "a.txt")
    (got,) = await pair.got()
    pair.uploads.blobs.clear()
    (tmp_path / "a.txt").write_text("other content")
    with pytest.raises(MediaGone):
        await media(got).save(tmp_path / "saved.txt")
    await until(lambda: pair.ada._media.missing._queue.empty())
    await pair.ada.send(pair.ben.jid, "still here")
    assert (await pair.got())[0].body == "still here"
    assert not pair.uploads.blobs


async def test_what_is_on_this_device_is_saved_without_the_network(pair: Pair, tmp_path: Path) -> None:
    await pair.ada.send_file(pair.ben.jid, photo(tmp_path))
    (got,) = await pair.got()
    first = await media(got).save(tmp_path / "first.jpg")
    pair.uploads.requests.clear()
    second = await media(got).save(tmp_path / "second.jpg")
    assert digest(first) == digest(second)
    assert not pair.uploads.requests


async def test_a_server_without_resumable_uploads_gets_the_file_at_once(pair: Pair, tmp_path: Path) -> None:
    pair.uploads.resumable = False
    (tmp_path / "a.txt").write_text("content of a")
    await pair.ada.send_file(pair.ben.jid, tmp_path / "a.txt")
    (got,) = await pair.got()
    assert [method for method, _ in pair.uploads.requests] == ["PUT"]
    assert (await media(got).save(tmp_path / "b.txt")).read_text() == "content of a"


async def test_without_encryption_a_file_is_shared_as_other_apps_know_it(pair: Pair, tmp_path: Path) -> None:
    sent = await pair.ada.send_file(pair.ben.jid, photo(tmp_path), encrypted=False)
    assert media(sent).encrypted is False
    (got,) = await pair.got()
    found = media(got)
    assert (got.encrypted, found.encrypted, found.kind) == (False, False, MediaKind.PICTURE)
    assert (found.width, found.height, found.size) == (200, 320, pair.uploads.complete[0].size)
    stanza = next(entry.message for entry in pair.server.account("ben").archive)
    body = stanza.findtext("{jabber:client}body")
    assert stanza.findtext("{jabber:x:oob}x/{jabber:x:oob}url") == body == found.url
    with Image.open(await found.save(tmp_path)) as picture:
        assert picture.size == (200, 320)
    pair.uploads.complete[0].content[100] ^= 1
    with pytest.raises(MediaDamaged):  # a digest protects nothing from its author, but from the way
        await pair.ben._media.fetching.save(found.__class__(**_fields(found) | {"row": 0}), tmp_path / "x")


def _fields(value: Media) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


async def test_cards_and_locations_arrive_as_what_they_are(pair: Pair) -> None:
    place = Place(48.137154, 11.576124, 20.0, "Town hall")
    await pair.ada.send_location(pair.ben.jid, place)
    card = cards.make("Grace; Hopper", phone="+1 555 0100")
    await pair.ada.send_contact(pair.ben.jid, card)
    where, who = await pair.got(2)
    assert media(where).place == place
    assert cards.name_of(media(who).card) == "Grace; Hopper"
    assert cards.numbers_of(media(who).card) == ["+15550100"]
    forwarded = await where.forward("ada@localhost")
    assert media(forwarded).place == place


async def test_a_cancelled_upload_leaves_nothing_and_lets_the_next_text_go(
    pair: Pair, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("content of a")
    await pair.ada.send(pair.ben.jid, "0")
    await pair.got()
    pair.uploads.parts = 0
    sent = await pair.ada.send_file(pair.ben.jid, tmp_path / "a.txt", caption="c")
    await pair.ada.send(pair.ben.jid, "1")
    pair.ada.cancel(sent)
    assert [one.body for one in await pair.got()] == ["1"]
    assert [one.body for one in pair.ada.history(pair.ben.jid)] == ["0", "1"]
    assert not list(pair.ada._media.records.folder.iterdir())


async def test_a_file_that_the_server_refuses_fails_and_the_text_behind_it_goes(
    pair: Pair, tmp_path: Path
) -> None:
    await pair.ada.send(pair.ben.jid, "0")
    await pair.got()
    await pair.ada._media.service._service()
    pair.ada._media.service._most = 5
    (tmp_path / "a.txt").write_text("content of a")
    with pytest.raises(MediaRefused, match="up to"):
        await pair.ada.send_file(pair.ben.jid, tmp_path / "a.txt")
    await pair.ada.send(pair.ben.jid, "1")
    assert [one.body for one in await pair.got()] == ["1"]
    failed = pair.ada.history(pair.ben.jid)[-2]
    assert failed.state is State.FAILED
    pair.ada._media.service._most = 0
    await pair.ada.resend(failed)
    (got,) = await pair.got()
    assert (await media(got).save(tmp_path / "b.txt")).read_text() == "content of a"


async def test_what_failed_is_sent_again_with_its_caption(pair: Pair, tmp_path: Path) -> None:
    await pair.ada.send(pair.ben.jid, "0")
    await pair.got()
    await pair.ada._media.service._service()
    pair.ada._media.service._most = 5
    with pytest.raises(MediaRefused):
        await pair.ada.send_file(pair.ben.jid, photo(tmp_path), caption="My garden")
    pair.ada._media.service._most = 0
    again = await pair.ada.resend(pair.ada.history(pair.ben.jid)[-1])
    (got,) = await pair.got()
    assert (got.body, media(got).kind) == ("My garden", MediaKind.PICTURE)
    await until(lambda: pair.ada.queued() == 0)
    rows = pair.ada._db.sql.execute("SELECT about, state FROM messages WHERE kind = 'caption'").fetchall()
    assert [about for about, _ in rows] == [again.id]
    with pytest.raises(NotChangeable):
        await again.edit("Another garden")


async def test_what_is_to_be_viewed_once_is_not_forwarded(pair: Pair, tmp_path: Path) -> None:
    await pair.ada.send_file(pair.ben.jid, photo(tmp_path), once=True)
    (got,) = await pair.got()
    assert media(got).once
    with pytest.raises(NotSendable):
        await got.forward("cyd@localhost")
    assert not pair.uploads.claims


async def test_a_file_of_another_app_is_uploaded_anew_when_it_is_forwarded(
    pair: Pair, tmp_path: Path
) -> None:
    cyd = await pair.stack.enter_async_context(pair.server.client("cyd"))
    await pair.ada.send_file(pair.ben.jid, photo(tmp_path), encrypted=False)
    (got,) = await pair.got()
    await got.forward(cyd.jid)
    (again,) = await receive(cyd)
    assert (again.encrypted, media(again).encrypted, media(again).kind) == (True, True, MediaKind.PICTURE)
    assert len(pair.uploads.blobs) == 2
    assert digest(await media(again).save(tmp_path)) == digest(await media(got).save(tmp_path / "x.jpg"))
