"""Pictures that everybody may see: those of cards and groups, and those on the pages of invitations."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from PIL import Image

from kith.media.jobs.faces import Faces
from kith.media.jobs.pool import PicturePool
from kith.ports.pictures import Picture, PictureError, Wanted
from tests.conftest import RunningServer, running
from tests.media import hostile
from tests.media.hostile import SECRET, drawing, exif, saved
from tests.raw import RawClient, condition, online

V = "{vcard-temp}"
DATA, METADATA = "urn:xmpp:avatar:data", "urn:xmpp:avatar:metadata"
PUBSUB = "http://jabber.org/protocol/pubsub"
GROUP = "tea@groups.localhost"
#: A phone's picture: lying on its side, larger than anybody needs, with the place where it was taken.
PHOTO = saved(drawing(1600, 1200), "JPEG", exif=exif(6))
CLEAN = saved(drawing(200, 200), "PNG")


def card(picture: bytes) -> str:
    text = base64.b64encode(picture).decode()
    photo = f"<PHOTO><TYPE>image/jpeg</TYPE><BINVAL>{text}</BINVAL></PHOTO>"
    return f"<vCard xmlns='vcard-temp'><FN>A</FN>{photo}</vCard>"


async def photo_of(client: RawClient, to: str | None = None) -> bytes:
    answer = await client.iq("get", "<vCard xmlns='vcard-temp'/>", to)
    return base64.b64decode(answer.findtext(f".//{V}BINVAL") or "")


def expect_clean(picture: bytes) -> None:
    """The phone's picture, upright and small, and not a word of where it was taken."""
    assert SECRET not in picture
    image = Image.open(io.BytesIO(picture))
    assert image.size in ((480, 640), (144, 192))
    assert not image.getexif()


@pytest.fixture(scope="module")
def people(server: RunningServer) -> None:
    for name in ("ada", "ben"):
        server.add_user(name)


@pytest.fixture
async def ada(server: RunningServer, people: None) -> AsyncIterator[RawClient]:
    client = await online(server.port, "ada")
    yield client
    client.abort()


@pytest.fixture
async def ben(server: RunningServer, people: None) -> AsyncIterator[RawClient]:
    client = await online(server.port, "ben")
    yield client
    client.abort()


async def test_the_photo_of_a_card_is_published_without_the_place_where_it_was_taken(
    ada: RawClient, ben: RawClient
) -> None:
    assert (await ada.iq("set", card(PHOTO))).get("type") == "result"
    shown = await photo_of(ben, "ada@localhost")
    expect_clean(shown)
    items = f"<pubsub xmlns='{PUBSUB}'><items node='{METADATA}'/></pubsub>"
    answer = await ben.iq("get", items, "ada@localhost")
    info = answer.find(f".//{{{METADATA}}}info")
    assert info is not None
    assert info.attrib == {
        "id": hashlib.sha1(shown).hexdigest(),
        "type": "image/jpeg",
        "bytes": str(len(shown)),
    }


async def test_a_clean_photo_keeps_its_hash(ada: RawClient, ben: RawClient) -> None:
    assert (await ada.iq("set", card(CLEAN))).get("type") == "result"
    assert await photo_of(ben, "ada@localhost") == CLEAN


async def test_a_bomb_in_a_card_is_refused_and_harms_nobody(ada: RawClient, ben: RawClient) -> None:
    assert (await ada.iq("set", card(CLEAN))).get("type") == "result"
    assert condition(await ada.iq("set", card(hostile.png(10_000, 10_000)))) == "not-acceptable"
    assert await photo_of(ben, "ada@localhost") == CLEAN
    unread = b"\xff\xd8 a picture of a kind that the server does not read"
    assert (await ada.iq("set", card(unread))).get("type") == "result"
    assert await photo_of(ben, "ada@localhost") == unread


async def test_a_photo_that_is_too_large_for_a_card_is_made_small(ada: RawClient, ben: RawClient) -> None:
    large = saved(Image.effect_noise((560, 560), 60), "PNG")
    assert 200_000 < len(large) < 370_000
    assert (await ada.iq("set", card(large))).get("type") == "result"
    assert 20_000 < len(await photo_of(ben, "ada@localhost")) < 190_000


async def test_the_picture_of_a_group_does_not_say_where_it_was_taken(ada: RawClient, ben: RawClient) -> None:
    await enter(ada)
    assert condition(await ben.iq("set", card(PHOTO), GROUP)) in ("forbidden", "item-not-found")
    assert (await ada.iq("set", card(PHOTO), GROUP)).get("type") == "result"
    shown = await photo_of(ada, GROUP)
    expect_clean(shown)
    info = await ada.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", GROUP)
    field = info.find(".//{jabber:x:data}field[@var='muc#roominfo_avatarhash']")
    assert field is not None
    assert field.findtext("{jabber:x:data}value") == hashlib.sha1(shown).hexdigest()


async def enter(client: RawClient) -> None:
    client.send(f"<presence to='{GROUP}/ada'><x xmlns='http://jabber.org/protocol/muc'/></presence>")
    await client.take(lambda e: e.get("from") == f"{GROUP}/ada")
    form = "<x xmlns='jabber:x:data' type='submit'/>"
    await client.iq("set", f"<query xmlns='http://jabber.org/protocol/muc#owner'>{form}</query>", GROUP)


async def page(server: RunningServer, path: str) -> tuple[str, bytes]:
    """A page, and the picture in it."""
    url = f"http://127.0.0.1:{server.http_port}{path}"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert answer.status == 200
        assert "img-src data:;" in answer.headers["Content-Security-Policy"]
        text = await answer.text()
    match = re.search(r"<img class='face' alt='' src='data:image/[a-z]+;base64,([^']+)'>", text)
    return text, base64.b64decode(match[1]) if match is not None else b""


async def invitation(client: RawClient) -> str:
    """The path of an invitation's page."""
    command = "<command xmlns='http://jabber.org/protocol/commands' node='urn:xmpp:invite#invite'/>"
    made = await client.iq("set", command, "localhost")
    url = made.findtext(".//{jabber:x:data}field[@var='landing-url']/{jabber:x:data}value") or ""
    return "/invite/" + url.rpartition("/")[2]


async def publish(client: RawClient, picture: bytes) -> None:
    """Publishes an avatar as modern clients do (XEP-0084): the bytes are theirs."""
    id = hashlib.sha1(picture).hexdigest()
    payloads = {
        DATA: f"<data xmlns='{DATA}'>{base64.b64encode(picture).decode()}</data>",
        METADATA: f"<metadata xmlns='{METADATA}'><info id='{id}' type='image/jpeg' bytes='1'/></metadata>",
    }
    for node, payload in payloads.items():
        inner = f"<publish node='{node}'><item id='{id}'>{payload}</item></publish>"
        answer = await client.iq("set", f"<pubsub xmlns='{PUBSUB}'>{inner}</pubsub>")
        assert answer.get("type") == "result"


async def test_the_page_of_an_invitation_shows_the_face_without_metadata(
    server: RunningServer, ada: RawClient
) -> None:
    await ada.iq("set", card(CLEAN))
    path = await invitation(ada)
    await publish(ada, PHOTO)
    await set_access(ada, "open")
    text, picture = await page(server, path)
    expect_clean(picture)
    assert "invites you to chat" in text
    await set_access(ada, "presence")  # not everybody may see it
    text, picture = await page(server, path)
    assert picture == b""
    assert "<div class='face' aria-hidden='true'>A</div>" in text


async def set_access(client: RawClient, model: str) -> None:
    fields = (
        f"<field var='FORM_TYPE'><value>{PUBSUB}#node_config</value></field>"
        f"<field var='pubsub#access_model'><value>{model}</value></field>"
    )
    for node in (DATA, METADATA):
        form = f"<configure node='{node}'><x xmlns='jabber:x:data' type='submit'>{fields}</x></configure>"
        answer = await client.iq("set", f"<pubsub xmlns='{PUBSUB}#owner'>{form}</pubsub>")
        assert answer.get("type") == "result"


@pytest.mark.parametrize(
    "picture",
    [hostile.png(10_000, 10_000), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"'><script>", b""],
    ids=["bomb", "svg", "markup", "empty"],
)
async def test_a_hostile_face_is_not_on_the_page(
    server: RunningServer, ada: RawClient, picture: bytes
) -> None:
    await publish(ada, picture)
    await set_access(ada, "open")
    text, shown = await page(server, await invitation(ada))
    assert shown == b""
    assert "<img" not in text
    assert "<script" not in text


async def test_the_page_of_a_groups_link_shows_its_picture(server: RunningServer, ada: RawClient) -> None:
    await enter(ada)
    answer = await ada.iq("set", "<link xmlns='urn:kith:groups:0'/>", GROUP)
    path = "/group/" + (answer[0].get("url") or "").partition("/group/")[2]
    await ada.iq("set", "<vCard xmlns='vcard-temp'/>", GROUP)
    assert (await page(server, path))[1] == b""
    await ada.iq("set", card(PHOTO), GROUP)
    expect_clean((await page(server, path))[1])


def children(pid: int) -> list[bytes]:
    """The commands of a process's children."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [Path(f"/proc/{child}/cmdline").read_bytes() for child in pids]


async def test_workers_are_programs_of_their_own_and_at_most_two(
    server: RunningServer, ada: RawClient, ben: RawClient
) -> None:
    others = [await online(server.port, name) for name in ("ada", "ben", "ada", "ben")]
    await asyncio.gather(*(client.iq("set", card(PHOTO)) for client in (ada, ben, *others)))
    assert 1 <= sum(b"kith.media.jobs.worker" in command for command in children(server.pid)) <= 2
    for client in others:
        client.abort()


def test_a_server_that_has_seen_no_picture_has_no_worker(tmp_path: Path) -> None:
    with running(tmp_path / "data") as fresh:
        assert children(fresh.pid) == []


class Slow:
    """Prepares nothing, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def prepare(self, data: bytes, wanted: Wanted, owner: str) -> Picture:
        self.asked += 1
        if data == b"busy":
            raise PictureError("busy")
        raise PictureError("failed")


async def test_a_face_is_prepared_once_and_a_hostile_one_tried_once() -> None:
    pool = PicturePool()
    faces = Faces(pool)
    first = await faces.uri(PHOTO)
    assert first.startswith("data:image/jpeg;base64,")
    await pool.close()
    assert await faces.uri(PHOTO) == first
    slow = Slow()
    faces = Faces(slow)
    for _ in range(3):
        assert await faces.uri(b"bomb") == ""
    assert slow.asked == 1
    for _ in range(3):
        assert await faces.uri(b"busy") == ""
    assert slow.asked == 4
    for number in range(100):
        await faces.uri(b"bomb %d" % number)
    assert len(faces._kept) == 64
