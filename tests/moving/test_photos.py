"""`kith import` removes metadata from pictures that everybody may see, as uploads do."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from PIL import Image

from kith.base.clock import Clock
from kith.features.pubsub import Nodes
from kith.media.jobs.pool import PicturePool
from tests.media.hostile import drawing, exif, huge_head, saved
from tests.moving import test_rooms as rooms
from tests.moving.place import account_id, opened, take, user

PLACE = b"52.5200 13.4050"
CARD = (
    "<vCard xmlns='vcard-temp'><FN>Ada</FN><PHOTO><TYPE>image/jpeg</TYPE><BINVAL>{}</BINVAL></PHOTO></vCard>"
)


@pytest.fixture
async def pool() -> AsyncIterator[PicturePool]:
    pool = PicturePool()
    yield pool
    await pool.close()


def with_place(width: int, height: int) -> str:
    """A JPEG, in base64, that says where it was taken and is on its side."""
    data = saved(drawing(width, height), "JPEG", exif=exif(6), comment=PLACE)
    assert PLACE in data
    return base64.b64encode(data).decode()


def assert_clean(data: bytes) -> None:
    assert PLACE not in data
    image = Image.open(io.BytesIO(data))
    assert not image.getexif()
    assert image.height > image.width
    assert image.height <= 640


async def test_the_photo_of_an_imported_card_loses_its_metadata(tmp_path: Path, pool: PicturePool) -> None:
    async with opened(tmp_path) as store:
        await take(store, user(CARD.format(with_place(1000, 500))), pictures=pool)
        account = await account_id(store)
        nodes = await Nodes.load(store, Clock(), account)
        ((id, item),) = (await nodes.items(nodes.nodes["urn:xmpp:avatar:data"])).items()
        found = re.search(rb">([A-Za-z0-9+/=]+)<", item.payload)
        assert found is not None
        data = base64.b64decode(found[1])
        assert_clean(data)
        assert id == hashlib.sha1(data).hexdigest()
        document = await store.document(account, "avatar", "")
        assert document is not None
        assert document.value == id.encode()


async def test_the_picture_of_an_imported_room_loses_its_metadata(tmp_path: Path, pool: PicturePool) -> None:
    async with opened(tmp_path) as store:
        await rooms.take(store, rooms.room(head=CARD.format(with_place(1000, 500))), pictures=pool)
        record = await store.account(rooms.ROOM)
        assert record is not None
        card = await store.document(record.id, "card", "")
        assert card is not None
        found = re.search(rb"<BINVAL>([^<]+)", card.value)
        assert found is not None
        assert_clean(base64.b64decode(found[1]))


async def test_a_photo_that_is_a_bomb_is_left_out_and_the_card_is_taken(
    tmp_path: Path, pool: PicturePool
) -> None:
    async with opened(tmp_path) as store:
        bomb = base64.b64encode(huge_head()).decode()
        report = await take(store, user(CARD.format(bomb)), pictures=pool)
        assert report.taken["cards"] == 1
        assert any("a photo was left out" in note for note in report.notes)
