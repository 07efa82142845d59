"""Files in the SDK on a real server: its media server, its certificate, its claims."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from kith.client import MediaKind, MessageDeleted, Place
from kith.client.media.service import MediaService, Slot
from tests.client.conftest import People, event, receive
from tests.client.test_media import digest, media, photo

MEGABYTE = 1024 * 1024


async def test_files_go_through_the_media_server_and_claims_keep_them(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kith.client.media.sharing.MOST_WHOLE", 5 * MEGABYTE)
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    content = hashlib.shake_256(b"large").digest(9 * MEGABYTE + 5)
    (tmp_path / "large.bin").write_bytes(content)
    await people.has_keys(ada, ben.jid)
    await ada.send_file(ben.jid, photo(tmp_path), caption="My garden")
    sent = await ada.send_file(ben.jid, tmp_path / "large.bin")
    await ada.send_location(ben.jid, Place(48.1, 11.5))
    picture, large, place = await receive(ben, 3)
    assert (picture.body, media(picture).kind) == ("My garden", MediaKind.PICTURE)
    assert media(place).place == Place(48.1, 11.5)
    assert digest(await media(large).save(tmp_path / "saved.bin")) == hashlib.sha256(content).digest()
    saved = await media(picture).save(tmp_path / "saved.jpg")
    assert saved.stat().st_size == media(picture).size
    usage = await ada.media_usage()
    assert usage.bytes > 9 * MEGABYTE
    again = await large.forward((await people.open(people.account("cyd"))).jid)
    assert media(again).segments == media(large).segments
    await sent.delete()
    async with asyncio.timeout(20):
        while (await ada.media_usage()).bytes > MEGABYTE:
            await asyncio.sleep(0.1)
    assert (await ben.media_usage()).bytes > 9 * MEGABYTE


async def test_files_of_groups_reach_all_members_and_a_file_of_zero_bytes_is_one(
    people: People, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben, cyd = [await people.open(people.account(name)) for name in ("ada", "ben", "cyd")]
    group = (await ada.make_group("Tea", [ben.jid, cyd.jid])).jid
    await ada.change_group(group, expire=7 * 86400)
    asked: list[float] = []
    slot = MediaService.slot

    async def note(self: MediaService, *wanted: Any) -> Slot:
        asked.append(wanted[-1])
        return await slot(self, *wanted)

    monkeypatch.setattr(MediaService, "slot", note)
    for client in (ben, cyd):
        await people.has_keys(ada, client.jid)
    await ada.send_file(group, photo(tmp_path), caption="My garden")
    (tmp_path / "empty.txt").write_text("")
    sent = await ada.send_file(group, tmp_path / "empty.txt")
    for client in (ben, cyd):
        found, empty = await receive(client, 2)
        assert (found.body, found.author, found.encrypted) == ("My garden", ada.jid, True)
        assert (await media(found).save(tmp_path)).stat().st_size == media(found).size
        assert (await media(empty).save(tmp_path)).read_bytes() == b""
        assert [one.body for one in client.history(group) if not one.change] == ["My garden", ""]
    assert asked == [8 * 86400, 8 * 86400]  # the claim ends a day after the message
    with ben.events() as events:
        await sent.delete()
        deleted = await event(events, MessageDeleted)
    assert deleted.message.media is None
