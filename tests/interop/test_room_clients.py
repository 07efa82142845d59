"""Profanity and Converse.js in one group, which they find by their bookmarks at the first login."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from slixmpp import JID

from tests.conftest import RunningServer
from tests.interop.converse import chromium, converse
from tests.interop.slix import online
from tests.interop.terminal import profanity
from tests.interop.test_rooms import Guest

Person = Callable[[str], str]


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


async def test_members_find_the_group_at_their_first_login_and_read_each_other(
    server: RunningServer, person: Person, chrome: str, tmp_path: Path
) -> None:
    ada, ben, cyd = person("ada"), person("ben"), person("cyd")
    room = JID(f"clients@groups.{JID(ada).domain}")
    plugins = ("xep_0004", "xep_0045")
    async with online(ada, server.port, plugins=plugins) as client:
        owner = Guest(client)
        await owner.join(room, "ada")
        await owner.configure(room, roomname="Clients")
        for jid in (ben, cyd):
            await owner.muc.set_affiliation(room, "member", jid=JID(jid))
        say(owner, room, "before anybody came")
        await owner.hears("before anybody came")
        async with profanity(tmp_path / "terminal") as terminal:
            await terminal.log_in(ben, server.port)
            await client.presence("available", room.bare)  # ben
            terminal.type(f"/join {room}")
            terminal.type("hello from the terminal")
            await owner.hears("hello from the terminal")
            async with converse(chrome, server.http_port) as browser:
                await browser.log_in(cyd)
                await browser.on(f".open-room[data-room-jid='{room}']", "click")
                await browser.shows("converse-muc .chat-msg__text:has-text('hello from the terminal')")
                await browser.on("converse-muc .chat-textarea", "fill", "hello from the browser")
                await browser.on("converse-muc .chat-textarea", "press", "Enter")
                await owner.hears("hello from the browser")
                await terminal.shows("hello from the browser")
                say(owner, room, "and from a library")
                await terminal.shows("and from a library")
                await browser.shows("converse-muc .chat-msg__text:has-text('and from a library')")
                await browser.picture(tmp_path / "room.png")
        say(owner, room, "while the terminal was away")
        await owner.hears("while the terminal was away")
        async with profanity(tmp_path / "terminal") as terminal:
            await terminal.log_in(ben, server.port)
            terminal.type(f"/join {room}")
            await terminal.shows("while the terminal was away")


def say(guest: Guest, room: JID, text: str) -> Any:
    guest.client.send_message(mto=room, mbody=text, mtype="groupchat")
