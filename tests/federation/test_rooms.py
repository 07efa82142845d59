"""Rooms across servers: people of Debian's Prosody in groups here, and people here in rooms there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import RunningServer
from tests.federation.prosody import Prosody, prosody
from tests.federation.test_prosody import online
from tests.federation.world import World
from tests.raw import RawClient, body, condition

MUC = "http://jabber.org/protocol/muc"
JOIN = f"<x xmlns='{MUC}'><history maxstanzas='10'/></x>"
SUBMIT = "<x xmlns='jabber:x:data' type='submit'>{}</x>"


@pytest.fixture(scope="module")
def kith(here: World) -> Iterator[RunningServer]:
    with here.kith("kith.test") as server:
        here.names.add("groups.kith.test", int(server.environ["KITH_FEDERATION_PORT"]))
        yield server


@pytest.fixture(scope="module")
def other(here: World, kith: RunningServer) -> Iterator[Prosody]:
    port = int(kith.environ["KITH_FEDERATION_PORT"])
    names = {"kith.test": port, "groups.kith.test": port}
    with prosody(here, "prosody.test", names, rooms=True) as server:
        yield server


@pytest.fixture
async def pair(kith: RunningServer, other: Prosody) -> AsyncIterator[tuple[RawClient, RawClient]]:
    """Ann, who is here, and Pam, who is there."""
    ann, pam = await online(kith, "ann"), await online(other, "pam")
    yield ann, pam
    ann.abort()
    pam.abort()


async def create(client: RawClient, room: str, fields: str = "") -> None:
    """Creates a room that everybody may enter."""
    client.send(f"<presence to='{room}/{client.bare.partition('@')[0]}'>{JOIN}</presence>")
    await client.take(lambda e: e.find(".//{*}status[@code='201']") is not None, 20)
    form = f"<query xmlns='{MUC}#owner'>{SUBMIT.format(fields)}</query>"
    assert (await client.iq("set", form, room)).get("type") == "result"


async def enter(client: RawClient, room: str, nick: str) -> None:
    client.send(f"<presence to='{room}/{nick}'>{JOIN}</presence>")
    await client.take(lambda e: e.find(".//{*}status[@code='110']") is not None, 20)
    await client.take(lambda e: e.find("{*}subject") is not None, 20)


async def says(client: RawClient, room: str, text: str) -> None:
    client.send(f"<message to='{room}' type='groupchat' id='{text}'><body>{text}</body></message>")


async def hears(client: RawClient, text: str) -> str:
    """From whom a client hears a text."""
    found = await client.take(lambda e: body(e) == text, 20)
    return str(found.get("from"))


async def history(client: RawClient, room: str) -> list[str]:
    """What the archive of a room has for a client."""
    client.send(f"<iq type='set' id='mam' to='{room}'><query xmlns='urn:xmpp:mam:2'/></iq>")
    found: list[str] = []
    while True:
        element = await client.take(lambda e: True, 20)
        if element.get("id") == "mam":
            assert element.get("type") == "result", condition(element)
            return found
        found += [text for node in element.iterfind(".//{*}forwarded//{*}body") if (text := node.text)]


OPEN = "<field var='muc#roomconfig_membersonly'><value>0</value></field>"


async def test_somebody_of_another_server_talks_in_a_room_here(pair: tuple[RawClient, RawClient]) -> None:
    ann, pam = pair
    room = "tea@groups.kith.test"
    await create(ann, room, OPEN)
    await enter(pam, room, "pam")
    await says(pam, room, "from-there")
    assert await hears(ann, "from-there") == f"{room}/pam"
    assert await hears(pam, "from-there") == f"{room}/pam"
    await says(ann, room, "from-here")
    assert await hears(pam, "from-here") == f"{room}/ann"
    ann.send(f"<message to='{room}/pam' type='chat' id='w'><body>psst</body></message>")
    assert await hears(pam, "psst") == f"{room}/ann"
    pam.send(f"<message to='{room}/ann' type='chat' id='w'><body>yes?</body></message>")
    assert await hears(ann, "yes?") == f"{room}/pam"
    ping = await pam.iq("get", "<ping xmlns='urn:xmpp:ping'/>", f"{room}/pam")
    assert ping.get("type") == "result"
    assert await history(pam, room) == ["from-there", "from-here"]
    kick = f"<query xmlns='{MUC}#admin'><item nick='pam' role='none'/></query>"
    assert (await ann.iq("set", kick, room)).get("type") == "result"
    gone = await pam.take(lambda e: e.get("type") == "unavailable", 20)
    assert gone.find(".//{*}status[@code='307']") is not None


async def test_a_member_of_another_server_is_invited_and_reads_what_was_said(
    pair: tuple[RawClient, RawClient],
) -> None:
    ann, pam = pair
    room = "club@groups.kith.test"
    await create(ann, room)
    pam.send(f"<presence to='{room}/pam'>{JOIN}</presence>")
    assert condition(await pam.take(lambda e: e.get("type") == "error", 20)) == "registration-required"
    invitation = f"<x xmlns='{MUC}#user'><invite to='pam@prosody.test'><reason>come</reason></invite></x>"
    ann.send(f"<message to='{room}' id='i'>{invitation}</message>")
    invited = await pam.take(lambda e: e.find(".//{*}invite") is not None, 20)
    assert invited.get("from") == room
    await says(ann, room, "before-pam")
    await hears(ann, "before-pam")
    await enter(pam, room, "pam")
    await says(pam, room, "here-i-am")
    assert await hears(ann, "here-i-am") == f"{room}/pam"
    assert await history(pam, room) == ["before-pam", "here-i-am"]
    pam.abort()
    await ann.take(lambda e: e.get("type") == "unavailable" and e.get("from") == f"{room}/pam", 20)


async def test_somebody_here_talks_in_a_room_there(pair: tuple[RawClient, RawClient]) -> None:
    ann, pam = pair
    room = "tea@conference.prosody.test"
    await create(pam, room)
    await enter(ann, room, "ann")
    await says(ann, room, "from-kith")
    assert await hears(pam, "from-kith") == f"{room}/ann"
    assert await hears(ann, "from-kith") == f"{room}/ann"
    await says(pam, room, "from-prosody")
    assert await hears(ann, "from-prosody") == f"{room}/pam"
    assert "from-prosody" in await history(ann, room)
    ann.send(f"<presence type='unavailable' to='{room}/ann'/>")
    await pam.take(lambda e: e.get("type") == "unavailable" and e.get("from") == f"{room}/ann", 20)
