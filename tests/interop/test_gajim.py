"""Gajim on a virtual screen and profanity in a terminal: what two people see of each other."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import RunningServer
from tests.interop.gajim import gajim
from tests.interop.kept import archived, encrypted, expect_unread_by_server
from tests.interop.slix import befriend, online
from tests.interop.terminal import profanity
from tests.raw import body

#: Two or three large programs start in each: on a busy machine that alone may take a minute.
pytestmark = pytest.mark.timeout(300)

Person = Callable[[str], str]


async def _friends(server: RunningServer, person: Person) -> tuple[str, str]:
    """Two accounts that see each other's presence."""
    ada, ben = person("ada"), person("ben")
    async with online(ada, server.port) as one, online(ben, server.port) as other:
        await befriend(one, other)
    return ada, ben


def _digits(text: str) -> str:
    """A fingerprint as a person compares it, however it is laid out."""
    return re.sub(r"[\s:]", "", text)


async def test_somebody_sets_up_gajim_compares_the_certificate_and_finds_a_contact(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    async with gajim(tmp_path) as window, profanity(tmp_path) as terminal:
        await terminal.log_in(ben, server.port)
        shown = await window.set_up(ada, server.port)
        assert _digits(shown) in _digits(server.log.read_text())
        await window.add(ben)
        await terminal.shows(f"authorization request from {ada}")
        terminal.type(f"/sub allow {ada}")
        terminal.type(f"/sub request {ada}")
        await terminal.shows(f"{ada}.* is online")
        await window.screen.sees("table cell", r"^Contacts \(1/1\)$")
        await window.screen.sees("table cell", f"^{ben.partition('@')[0]}$")
        await window.screen.picture("contacts")
        terminal.type("/roster")
        await terminal.shows(f"{ada} - both")


async def test_encrypted_messages_go_each_way_between_window_and_terminal(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = await _friends(server, person)
    async with gajim(tmp_path) as window, profanity(tmp_path) as terminal:
        await terminal.log_in(ben, server.port)
        await terminal.make_keys()
        await window.set_up(ada, server.port)
        await window.open(ben)
        await window.encrypt()
        await window.say("a secret from the window")
        await terminal.notes(f"{ada}: a secret from the window")
        await terminal.encrypt(ada)
        terminal.type("a secret from the terminal")
        await window.reads("a secret from the window", "a secret from the terminal")
        await window.say("and once more")
        await terminal.notes(f"{ada}: and once more")
        # the key that the window shows, in a tooltip, is the one that the terminal has
        terminal.type("/win 1")
        terminal.type("/omemo fingerprint")
        key = await terminal.shows(r"Your OMEMO fingerprint: ((?:[0-9a-f]{8}-){7}[0-9a-f]{8})")
        (shown,) = await window.screen.sees("icon", "^Encrypted .OMEMO.\nUnverified")
        assert re.findall(r"\b[0-9A-F]{8}\b", shown) == key[1].upper().split("-")
        await window.screen.picture("encrypted")
    messages = await archived(server, ada, ben)
    texts = [message for message in messages if encrypted(message)]
    assert [(message.get("from") or "").partition("/")[0] for message in texts] == [ada, ben, ada]
    assert not any(body(message) for message in messages if message not in texts)
    expect_unread_by_server(server, "a secret from", "and once more")


async def test_each_sees_the_others_avatar(server: RunningServer, person: Person, tmp_path: Path) -> None:
    ada, ben = await _friends(server, person)
    pink, blue = tmp_path / "pink.png", tmp_path / "blue.png"
    Image.new("RGB", (96, 96), "#ff00aa").save(pink)
    Image.new("RGB", (96, 96), "#00aaff").save(blue)
    async with gajim(tmp_path) as window, profanity(tmp_path) as terminal:
        await terminal.log_in(ben, server.port)
        terminal.type(f"/avatar set {pink}")
        await terminal.shows("Avatar updated")
        await window.set_up(ada, server.port)
        await window.shows_colour("#ff00aa")
        await window.wear(blue)
        await window.shows_colour("#00aaff")
        await window.screen.picture("avatars")
        terminal.type(f"/avatar get {ada}")
        file = await terminal.shows(r"Avatar saved as\s*(\S+)")
        with Image.open(file[1]) as avatar:
            assert avatar.convert("RGB").getcolors() == [(avatar.width * avatar.height, (0, 0xAA, 0xFF))]


async def test_a_second_device_finds_the_history_of_the_first(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = await _friends(server, person)
    said = [f"news {number}" for number in range(100)]
    async with profanity(tmp_path / "first") as first, profanity(tmp_path / "ben") as terminal:
        await first.log_in(ada, server.port)
        async with online(ben, server.port) as bulk:
            for text in said:
                bulk.send_message(mto=ada, mbody=text, mtype="chat")
            await bulk.ping()
        await first.notes("news 99")
        await terminal.log_in(ben, server.port)
        first.type(f"/msg {ben} hello from the first device")
        await terminal.notes("hello from the first device")
        terminal.type(f"/msg {ada} hello back")
        await first.notes("hello back")
    said += ["hello from the first device", "hello back"]
    async with gajim(tmp_path) as window:
        await window.set_up(ada, server.port)
        await window.open(ben)
        await window.reads(*said[-5:])
        await window.screen.picture("history")
        assert window.history(ben) == said
        pages = re.findall(r"<fin [^>]*xmlns='urn:xmpp:mam:2'[^>]*>", window.log)
        assert len(pages) > 1
        assert "complete='true'" in pages[-1]


async def test_a_device_that_was_away_reads_what_was_encrypted_for_it_in_the_archive(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = await _friends(server, person)
    async with (
        gajim(tmp_path) as window,
        profanity(tmp_path / "phone") as phone,
        profanity(tmp_path / "ben") as terminal,
    ):
        for program, jid in ((phone, ada), (terminal, ben)):
            await program.log_in(jid, server.port)
            await program.make_keys()
        await window.set_up(ada, server.port)
        await window.open(ben)
        await window.encrypt()
        await window.say("a secret from the window")
        await terminal.notes("a secret from the window")
        await phone.notes("a secret from the window")
        await window.quit()
        await terminal.encrypt(ada)
        for number in range(3):
            terminal.type(f"secret {number} for both")
            await phone.notes(f"secret {number} for both")
        before = len(window.log)
        await window.start()
        await window.log_in()
        await window.open(ben)
        await window.reads("a secret from the window", *(f"secret {number} for both" for number in range(3)))
        await window.screen.sees("icon", "^Encrypted .OMEMO.\nUnverified")
        await window.screen.picture("away")
        assert len(re.findall(r"<result [^>]*xmlns='urn:xmpp:mam:2'.*?<encrypted ", window.log[before:])) == 3
    expect_unread_by_server(server, "a secret from", "for both")
