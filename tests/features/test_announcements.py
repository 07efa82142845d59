"""Announcements of the operators: everybody gets them once, until they expire or are cancelled."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.core.actors.account import Session
from kith.core.log.marks import Marks
from kith.features.announcements import Announcing
from kith.features.retraction import Retraction
from kith.ports.stored import LogQuery
from kith.records.announcements import (
    LIFETIME,
    MAX_STORED,
    MAX_TEXT,
    RECEIVED,
    WITHDRAWN_FOR,
    Announcements,
)
from kith.store.sqlite import SQLiteStore
from kith.wire.stanza import Stanza
from tests.clocks import SetClock
from tests.conftest import KITH, RunningServer, running
from tests.parts import Room, room
from tests.raw import body, online

ANNOUNCEMENT = "{urn:kith:announcement:0}announcement"
RETRACT = "{urn:xmpp:message-retract:1}retract"


def texts(heard: list[Stanza]) -> list[str]:
    """The texts of messages from the server; of a retraction, which message it is of."""
    found = []
    for stanza in heard:
        if stanza.kind != "message":
            continue
        assert stanza.attrs["from"] == "localhost"
        retracted = stanza.child(RETRACT)
        element = stanza.child("{jabber:client}body")
        found.append(
            f"-{retracted.get('id')}" if retracted is not None else str(getattr(element, "text", ""))
        )
    return found


async def settle(there: Room) -> None:
    """Also until what was stored meanwhile is delivered."""
    for _ in range(3):
        await there.settle()


def announcing(there: Room) -> Announcing:
    return there.node.get(Announcing)


async def announce(there: Room, text: str, lifetime: float = LIFETIME) -> str:
    """As another process does it: the server is told that something was written."""
    made = await announcing(there).stored.add(text, lifetime)
    await announcing(there).accounts_changed()
    await settle(there)
    return made.id


async def cancel(there: Room, id: str) -> None:
    assert await announcing(there).stored.cancel(id)
    await announcing(there).accounts_changed()
    await settle(there)


async def leaves(there: Room, session: Session) -> None:
    """Ends a session, and forgets its account, as a restart does."""
    there.node.sessions.end(session)
    await settle(there)
    there.node.get(Marks).flush()
    await settle(there)
    there.node.accounts._accounts.pop(session.bare, None)


async def archived(there: Room, session: Session) -> list[bytes]:
    return [entry.stanza for entry in (await there.node.store.page(LogQuery(session.account.id))).entries]


async def test_who_is_online_gets_it_on_all_devices_as_an_announcement_of_the_server(tmp_path: Path) -> None:
    async with room(tmp_path, Announcing) as there:
        phone, laptop = await there.session("ada/phone"), await there.session("ada/laptop")
        away = await there.session("ada/tablet", presence=False)
        await announce(there, "On Sunday,\nthe server moves.")
        heard = there.heard(phone)
        assert texts(heard) == texts(there.heard(laptop)) == ["On Sunday,\nthe server moves."]
        assert [stanza.kind for stanza in heard if stanza.child(ANNOUNCEMENT) is not None] == ["message"]
        assert not there.heard(away)
        assert len(await archived(there, phone)) == 1


async def test_who_was_away_gets_it_once_when_they_come_back(tmp_path: Path) -> None:
    async with room(tmp_path, Announcing) as there:
        ada = await there.session("ada/phone")
        await leaves(there, ada)
        await announce(there, "one")
        await announce(there, "two")
        for expected in (["one", "two"], [], []):
            ada = await there.session("ada/phone", presence=False)
            await there.says(ada, "<presence/>")
            assert texts(there.heard(ada)) == expected
            await leaves(there, ada)


async def test_two_devices_that_come_back_together_get_it_once(tmp_path: Path) -> None:
    async with room(tmp_path, Announcing) as there:
        first = await there.session("ada/phone", presence=False)
        second = await there.session("ada/laptop", presence=False)
        await announce(there, "news")
        for session in (first, second):
            session.receive(Stanza.from_bytes(b"<presence/>"))
        await settle(there)
        assert texts(there.heard(first)) == texts(there.heard(second)) == ["news"]
        assert len(await archived(there, first)) == 1


async def test_a_kill_before_it_is_noted_does_not_repeat_it(tmp_path: Path) -> None:
    async with room(tmp_path, Announcing) as there:
        ada = await there.session("ada/phone")
        await announce(there, "once")
        await leaves(there, ada)
        await there.node.store.remove(ada.account.id, RECEIVED)  # as if the write had been lost
        ada = await there.session("ada/phone", presence=False)
        await there.says(ada, "<presence/>")
        assert texts(there.heard(ada)) == []
        assert len(await archived(there, ada)) == 1


async def test_after_it_has_expired_nobody_gets_it_and_nothing_is_kept(tmp_path: Path) -> None:
    clock = SetClock()
    async with room(tmp_path, Announcing, clock=clock) as there:
        ada, ben = await there.session("ada/phone"), await there.session("ben/phone", presence=False)
        await announce(there, "news", 3600)
        assert texts(there.heard(ada)) == ["news"]
        clock.forward(3600)
        await there.says(ben, "<presence/>")
        assert texts(there.heard(ben)) == []
        await announcing(there).accounts_changed()
        assert not await there.node.store.documents(0, "announcements")
        await leaves(there, ada)
        ada = await there.session("ada/phone")
        assert not await there.node.store.documents(ada.account.id, RECEIVED)


async def test_a_cancelled_one_is_withdrawn_from_devices_and_archives_and_reaches_nobody_else(
    tmp_path: Path,
) -> None:
    clock = SetClock()
    async with room(tmp_path, Announcing, clock=clock) as there:
        ada, ben = await there.session("ada/phone"), await there.session("ben/phone", presence=False)
        cem = await there.session("cem/phone")
        id = await announce(there, "a mistake")
        await leaves(there, cem)
        assert texts(there.heard(ada)) == ["a mistake"]
        await cancel(there, id)
        assert texts(there.heard(ada)) == [f"-{id}"]
        assert not any(b"a mistake" in stanza for stanza in await archived(there, ada))
        await there.says(ben, "<presence/>")
        assert texts(there.heard(ben)) == []
        clock.forward(WITHDRAWN_FOR - 1)  # long after it would have expired
        await announcing(there).accounts_changed()
        cem = await there.session("cem/phone", presence=False)
        await there.says(cem, "<presence/>")
        await settle(there)
        assert f"-{id}" in texts(there.heard(cem))
        assert not any(b"a mistake" in stanza for stanza in await archived(there, cem))
        await cancel(there, id)
        assert texts(there.heard(ada)) == []  # once


async def test_a_retraction_of_somebody_else_does_not_cancel_it(tmp_path: Path) -> None:
    async with room(tmp_path, Announcing, Retraction) as there:
        ada, eve = await there.session("ada/phone"), await there.session("eve/phone")
        id = await announce(there, "true")
        retract = f"<retract xmlns='urn:xmpp:message-retract:1' id='{id}'/>"
        await there.says(eve, f"<message to='ada@localhost' id='r'>{retract}</message>")
        assert any(b">true<" in stanza for stanza in await archived(there, ada))


async def test_a_full_disk_delays_it_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room(tmp_path, Announcing) as there:
        ada = await there.session("ada/phone", presence=False)
        await announce(there, "news")
        append = there.node.store.append
        monkeypatch.setattr(there.node.store, "append", lambda one: one.done(None, OSError("full")))
        await there.says(ada, "<presence/>")
        assert texts(there.heard(ada)) == []
        monkeypatch.setattr(there.node.store, "append", append)
        other = await there.session("ada/laptop", presence=False)
        await there.says(other, "<presence/>")
        assert texts(there.heard(ada)) == texts(there.heard(other)) == ["news"]


@pytest.mark.parametrize("text", ["", " \n ", "x" * (MAX_TEXT + 1), "a\x1b[31mb", "a\0b"])
async def test_a_text_that_nobody_should_get_is_refused(tmp_path: Path, text: str) -> None:
    store = SQLiteStore(tmp_path / "kith.sqlite")
    await store.open()
    with pytest.raises(ValueError, match="announcement"):
        await Announcements(store, Clock(), Randomness()).add(text)
    assert not await store.documents(0, "announcements")
    await store.close()


async def test_the_number_of_announcements_is_limited(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "kith.sqlite")
    await store.open()
    announcements = Announcements(store, Clock(), Randomness())
    for _ in range(MAX_STORED):
        await announcements.add("again")
    with pytest.raises(ValueError, match="cancel"):
        await announcements.add("again")
    await store.close()


def stanza_id(element: Element) -> str:
    found = element.find("{urn:xmpp:sid:0}stanza-id")
    return found.get("id", "") if found is not None else ""


async def test_kith_announce_reaches_people_before_and_after_a_kill(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        for name in ("ada", "ben"):
            server.add_user(name)
        ada = await online(server.port, "ada")
        said = server.kith("announce", "--days", "2", "The server moves.").stdout
        first = await ada.message()
        assert body(first) == "The server moves."
        id = re.findall(r"--cancel (\w+)", said)[0]
        server.kill()
        server.start()
        ben = await online(server.port, "ben")
        assert body(await ben.message()) == "The server moves."
        ada = await online(server.port, "ada")
        await ada.ping()  # who was killed may deliver a message again, but that is the same one
        assert {stanza_id(element) for element in ada.inbox} <= {"", stanza_id(first)}
        ada.inbox.clear()
        async with asyncio.timeout(20):
            while "2 of 2" not in (listed := server.kith("announce", "--list").stdout):
                await asyncio.sleep(0.2)
        assert id in listed
        assert "The server moves." in listed
        server.kith("announce", "--cancel", id)
        for client in (ada, ben):
            gone = (await client.message()).find(RETRACT)
            assert gone is not None
            assert gone.get("id") == id


def test_the_command_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    assert server.kith("announce", "nobody hears that", check=False).returncode == 2
    server.add_user("ada")
    assert "Nothing is announced" in server.kith("announce", "--list").stdout
    for wrong in ((), ("a", "--list"), ("--cancel", "abc"), ("",)):
        done = server.kith("announce", *wrong, check=False)
        assert done.returncode == 2, wrong
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_standard_input_that_is_no_text_is_refused_in_one_line(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    server.add_user("ada")
    done = subprocess.run(
        [*KITH, "announce", "-"], env=server.environ, input=b"\xff\xfe", capture_output=True, check=False
    )
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
