"""Files in the SDK on a real server: its media server, its certificate, its claims."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest

from kith.client import MediaKind, Place
from tests.client.conftest import People, receive
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
