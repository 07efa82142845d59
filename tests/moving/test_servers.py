"""Accounts move from Debian's Prosody and ejabberd to Kith, and from Kith to another Kith."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.chaos.conftest import LONG
from tests.conftest import RunningServer, running
from tests.moving.life import BOOKMARKS, BUNDLE, DEVICES, NOTES, PASSWORDS, live, session, view
from tests.moving.rooms import enter, meet, room_of, say, see
from tests.moving.servers import Ejabberd, Other, Prosody
from tests.raw import CLIENT

OLD = "old.example"
NEW = "new.example"
_PEOPLE = ("ada", "ben", "cem")


def renamed(value: object) -> object:
    """What was seen on the old server, with the new domain."""
    match value:
        case str():
            return value.replace(OLD, NEW)
        case dict():
            return {renamed(name): renamed(held) for name, held in value.items()}
        case list() | tuple():
            return type(value)(renamed(held) for held in value)
    return value


@pytest.fixture
def kith(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of the new domain, which does not run yet."""
    server = RunningServer(tmp_path / "kith", domain=NEW)
    yield server
    if server._process is not None:
        server.stop()


async def _lived(other: Other) -> dict[str, dict[str, object]]:
    """What Ada and Ben see on the old server. Cem, who has something to get, does not log in."""
    await live(other.port, OLD)
    return {name: await view(other.port, OLD, name) for name in ("ada", "ben")}


async def _moved(kith: RunningServer, written: Path, *options: str) -> dict[str, dict[str, object]]:
    arguments = ("import", *options, "--domain", f"{OLD}={NEW}", str(written))
    trial = kith.kith(*arguments, "--dry-run")
    done = kith.kith(*arguments)
    rows = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert [line.split("  ")[0] for line in trial.stdout.splitlines()][1 : len(rows)] == rows[1:]
    kith.start()
    return {name: await view(kith.port, NEW, name, 1 if name == "cem" else 0) for name in _PEOPLE}


async def test_people_of_prosody_move_with_passwords_contacts_keys_and_archives(
    tmp_path: Path, kith: RunningServer
) -> None:
    prosody = Prosody(tmp_path, OLD)
    prosody.start()
    try:
        await prosody.register()
        before = await _lived(prosody)
        await meet(prosody.port, OLD)
        room_before = await see(prosody.port, OLD, "ada", room_of(OLD))
    finally:
        prosody.stop()
    after = await _moved(kith, prosody.export(), "--prosody", str(tmp_path / "data"))
    await _expect_room(kith, room_before)
    for name in ("ada", "ben"):  # the server adds bookmarks of groups
        cast(dict[str, object], after[name][BOOKMARKS]).pop(room_of(NEW, "groups"), None)
        for what in (
            "roster",
            DEVICES,
            BUNDLE,
            BOOKMARKS,
            NOTES,
            "urn:xmpp:avatar:metadata",
            "private",
            "archive",
            "blocked",
        ):
            assert after[name][what] == renamed(before[name][what]), what
    for name in ("FN", "NICKNAME", "PHOTO"):
        tag = f"{{vcard-temp}}{name}"
        assert after["ada"]["vCard"][tag] == before["ada"]["vCard"][tag]  # type: ignore[index]
    assert after["cem"]["requests"] == [f"ada@{NEW}"]
    assert after["cem"]["archive"] == [(f"ben@{NEW}", "Read this later")]
    assert after["cem"]["offline"] == ["Read this later"]


async def _expect_room(kith: RunningServer, before: dict[str, object]) -> None:
    """The room is a group, in which members find everything, also one who never enters it."""
    room = room_of(NEW, "groups")
    here = await see(kith.port, NEW, "ada", room)
    assert here == cast(dict[str, object], renamed(before)) | {
        "archive": [
            (re.sub("@[^/]*/", f"@groups.{NEW}/", str(sender)), text)
            for sender, text in cast(list[tuple[str, str]], before["archive"])
        ]
    }
    async with session(kith.port, NEW, "cem") as cem:
        listed = await cem.result("get", "<groups xmlns='urn:kith:groups:0'/>")
        assert [(one.get("jid"), one.get("affiliation")) for one in listed[0]] == [(room, "member")]
        form = (
            "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value>"
            "</field><field var='include-groupchat'><value>1</value></field></x>"
        )
        await cem.result("set", f"<query xmlns='urn:xmpp:mam:2'>{form}</query>")
        bodies = [body.text for one in cem.inbox for body in one.iter(f"{CLIENT}body")]
        assert bodies[-3:] == ["Apple", "Cheese", "Both"]
        await enter(cem, room, "milk")
        await say(cem, room, "And tea")


@pytest.mark.skipif(not LONG, reason="needs ejabberd; the file below was written by one")
async def test_people_of_ejabberd_move_with_passwords_contacts_and_what_waits_for_them(
    tmp_path: Path, kith: RunningServer
) -> None:
    assert shutil.which("ejabberdctl", path="/usr/sbin"), "Debian's package ejabberd is not installed"
    ejabberd = Ejabberd(tmp_path, OLD)
    ejabberd.start()
    try:
        before = await _lived(ejabberd)
        written = ejabberd.export()
    finally:
        ejabberd.stop()
    _compare(before, await _moved(kith, written))


def _compare(before: dict[str, dict[str, object]], after: dict[str, dict[str, object]]) -> None:
    for name in before:
        for what in ("roster", "vCard", "private", "blocked"):
            assert after[name][what] == renamed(before[name][what]), what
    assert after["cem"]["requests"] == [f"ada@{NEW}"]
    assert after["cem"]["offline"] == ["Read this later"]


async def test_a_file_that_ejabberd_23_01_wrote_is_taken(kith: RunningServer) -> None:
    after = await _moved(kith, Path(__file__).parent / "ejabberd-23.01")
    roster = after["ada"]["roster"]
    assert roster[f"ben@{NEW}"] == ("Ben & Co", "both", "", ["Friends", "Ärzte"])  # type: ignore[index]
    assert roster[f"cem@{NEW}"] == ("", "none", "subscribe", [])  # type: ignore[index]
    assert after["ada"]["vCard"]["{vcard-temp}FN"]  # type: ignore[index]
    assert after["ada"]["urn:xmpp:avatar:metadata"]
    assert after["ada"]["blocked"] == ["bad.example", "spam@elsewhere.example"]
    assert after["cem"]["offline"] == ["Read this later"]
    assert after["cem"]["requests"] == [f"ada@{NEW}"]


async def test_people_move_from_kith_to_kith_without_loss(tmp_path: Path, kith: RunningServer) -> None:
    with running(tmp_path / "old", domain=OLD) as old:
        for name, password in PASSWORDS.items():
            old.kith("user", "add", f"{name}@{OLD}", "--password", password)
        await live(old.port, OLD)
        await meet(old.port, OLD, "groups")
        room_before = await see(old.port, OLD, "ada", room_of(OLD, "groups"))
        before = {name: await view(old.port, OLD, name) for name in ("ada", "ben")}
        file = tmp_path / "all.xml"
        said = old.kith("export", "--all", "--output", str(file)).stdout
        assert "3 accounts and 1 room with " in said
        assert file.stat().st_mode & 0o777 == 0o600
    after = await _moved(kith, file)
    await _expect_room(kith, room_before)
    for name in before:
        assert after[name] == renamed(before[name])
    assert after["cem"]["offline"] == ["Read this later"]
    assert after["cem"]["archive"] == [(f"ben@{NEW}", "Read this later")]
    assert after["cem"]["requests"] == [f"ada@{NEW}"]
