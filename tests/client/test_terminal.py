"""The terminal client, driven by keys against a real server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pexpect
import pytest
from textual.events import Key, Paste
from textual.pilot import Pilot
from textual.widgets import Input

from kith.client import Client, ContactChanged, Link, NotSent, Profile, State
from kith.client.tui.app import ChatApp
from kith.client.tui.bubble import Bubble
from kith.client.tui.chat_list import ChatList
from kith.client.tui.composer import Composer
from kith.client.tui.conversation import Banner
from kith.client.tui.fingerprints import Fingerprints
from kith.client.tui.screens import Help, Question
from tests.client.conftest import People, receive, until
from tests.test_terminal_text import OBEYED


@asynccontextmanager
async def terminal(
    client: Client, peer: str | None = None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[ChatApp, Pilot[None]]]:
    app = ChatApp(client, peer)
    async with app.run_test(size=size) as pilot:
        await client.wait_online()
        await pilot.pause()
        yield app, pilot


async def write(pilot: Pilot[None], text: str) -> None:
    await pilot.press(*("space" if letter == " " else letter for letter in text))


async def shown(pilot: Pilot[None], text: str) -> None:
    """Waits until the text is somewhere on the screen."""
    app = pilot.app
    await until(lambda: text in screen(app))
    await pilot.pause()


def screen(app: object) -> str:
    """What a person sees, line by line."""
    lines = app.screen._compositor.render_strips()  # type: ignore[attr-defined]
    return "\n".join(strip.text for strip in lines)


async def test_two_people_chat_and_the_marks_go_up(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"))
    async with terminal(ada, ben.jid) as (app, pilot):
        await write(pilot, "hello ben")
        await pilot.press("enter")
        (got,) = await receive(ben)
        assert (got.body, got.encrypted) == ("hello ben", True)
        await shown(pilot, "✓✓")
        await got.reply("hello ada")
        await shown(pilot, "hello ada")
        assert "encrypted" in screen(app)
        await until(lambda: app.query(Bubble).first().message.state is State.READ)
        answer = ben.history(ada.jid)[-1]
        await ben.wait_for(answer, State.READ)


async def test_enter_sends_and_ctrl_j_breaks_the_line(people: People) -> None:
    ben = await people.open(people.account("ben"))
    async with terminal(people.device(people.account("ada")), ben.jid) as (app, pilot):
        await write(pilot, "one")
        await pilot.press("ctrl+j")
        await write(pilot, "two")
        await pilot.press("enter")
        (got,) = await receive(ben)
        assert got.body == "one\ntwo"
        assert app.query_one(Composer).text == ""


async def test_the_chat_list_counts_what_is_unread_and_shows_who_types(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"))
    async with terminal(ada) as (_, pilot):
        await ben.send(ada.jid, "first")
        await ben.send(ada.jid, "second")
        await shown(pilot, " 2 ")
        await ben.typing(ada.jid)
        await shown(pilot, "typing…")
        await pilot.press("enter")
        await shown(pilot, "first")
        await until(lambda: ada.chat(ben.jid).unread == 0)


async def test_many_events_at_once_draw_the_list_a_few_times_and_at_last_as_it_is(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada = people.device(people.account("ada"))
    drawn = []
    monkeypatch.setattr(
        ChatList, "show", lambda self, *args, _show=ChatList.show: drawn.append(_show(self, *args))
    )
    async with terminal(ada) as (_, pilot):
        drawn.clear()
        for number in range(300):
            ada._history.update_chat("ben@localhost", name=f"Ben {number}")
            ada._publish(ContactChanged("ben@localhost"))
        await shown(pilot, "Ben 299")
        for number in range(300):
            ada._history.update_chat("ben@localhost", name=f"Benjamin {number}")
            ada._publish(ContactChanged("ben@localhost"))
            await asyncio.sleep(0)
        await shown(pilot, "Benjamin 299")
    assert len(drawn) < 100


async def test_what_is_written_offline_waits_in_sight_and_is_sent_later(people: People) -> None:
    ben = await people.open(people.account("ben"))
    cable = await people.cable()
    ada = people.device(people.account("ada"), port=cable.port)
    async with terminal(ada, ben.jid, (100, 24)) as (_, pilot):
        cable.unplug()
        await until(lambda: ada.link is Link.RECONNECTING)
        await write(pilot, "later")
        await pilot.press("enter")
        await shown(pilot, "1 to send")
        await shown(pilot, "◷")
        await cable.plug_in()
        await pilot.press("ctrl+r")
        assert [message.body for message in await receive(ben)] == ["later"]
        await shown(pilot, "online")


async def test_unencrypted_only_after_asking_and_then_in_plain_sight(people: People) -> None:
    ben_jid = people.account("ben")
    ada = people.device(people.account("ada"))
    async with terminal(ada, ben_jid) as (app, pilot):
        await write(pilot, "hi")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("escape")
        await shown(pilot, "Not sent")
        await write(pilot, "hi again")
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await shown(pilot, "NOT ENCRYPTED")
        await shown(pilot, "not encrypted")
        ben = await people.open(ben_jid)
        assert [(message.body, message.encrypted) for message in await receive(ben)] == [("hi again", False)]


async def test_new_keys_of_a_contact_raise_a_warning_that_leads_to_the_fingerprints(people: People) -> None:
    ben_jid = people.account("ben")
    ben = await people.open(ben_jid)
    ada = people.device(people.account("ada"))
    async with terminal(ada, ben_jid, (100, 40)) as (app, pilot):
        await ada.send(ben_jid, "hello")
        await receive(ben)
        tablet = await people.open(ben_jid, "tablet")
        await tablet.send(ada.jid, "from my tablet")
        await shown(pilot, "has new keys")
        await pilot.click("#compare")
        await until(lambda: isinstance(app.screen, Fingerprints))
        (own,) = [key for key in await ben.fingerprints() if key.active][:1]
        await shown(pilot, own.pretty[:17])
        await pilot.press("escape")
        await pilot.pause()
        assert not app.query(Banner)


async def test_a_chat_that_is_encrypted_again_says_so_and_why(people: People) -> None:
    ada, ben = people.device(people.account("ada")), people.account("ben")
    async with terminal(ada, ben, size=(140, 24)) as (app, pilot):
        await pilot.press("ctrl+o")
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await shown(pilot, "NOT ENCRYPTED")
        await write(pilot, "for all")
        await pilot.press("enter")
        await shown(pilot, "not encrypted")
        await people.open(ben)
        await write(pilot, "secret")
        await pilot.press("enter")
        await shown(pilot, "This chat is encrypted again.")
        await until(lambda: not ada.chat(ben).plain)
        await pilot.click("#seen")
        await until(lambda: "encrypted again" not in screen(app))
        assert [one.encrypted for one in ada.history(ben)] == [False, True]


async def test_a_stranger_reads_as_a_message_with_their_name_and_is_accepted_blocked_or_reported(
    people: People,
) -> None:
    ben, carl = await people.open(people.account("ben")), await people.open(people.account("carl"))
    await ben.set_profile(Profile("Ben \u202eneB", "", b""))
    ada = people.device(people.account("ada"), auto_accept=False)
    async with terminal(ada, None, (100, 24)) as (app, pilot):
        sent = await ben.send(ada.jid, "it is me")
        await shown(pilot, "~Ben neB")
        await shown(pilot, "it is me")
        await pilot.press("down", "enter")
        await shown(pilot, "is not a contact of yours")
        assert "~Ben neB · ben" in screen(app)
        await pilot.pause(0.5)  # it is open, and the sender hears nothing of that
        assert ben.history(ada.jid)[-1].state is State.SENT
        assert not ben.online(ada.jid)
        await pilot.click("#accept")
        await until(lambda: ben.online(ada.jid))
        await ben.wait_for(sent, State.READ)
        await until(lambda: not app.query(Banner))

        await carl.send(ada.jid, "buy now")
        await until(lambda: ada.history(carl.jid))
        await app._open(carl.jid)
        await shown(pilot, "buy now")
        await pilot.click("#report")
        await until(lambda: carl.jid in people.server.kith("reports").stdout)
        again = await carl.send(ada.jid, "buy now!")
        with pytest.raises(NotSent):
            await carl.wait_for(again, State.DELIVERED)


async def test_a_narrow_terminal_shows_list_and_conversation_in_turns(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"))
    async with terminal(ada, ben.jid, (40, 20)) as (app, pilot):
        await ada.send(ben.jid, "a line that is much longer than the forty columns of this terminal")
        await shown(pilot, "forty")
        assert not app.query_one("#chats").display
        await pilot.press("escape")
        await pilot.pause()
        assert app.query_one("#chats").display
        assert not app.query_one("#conversation").display
        await pilot.press("enter")
        await pilot.pause()
        assert app.query_one("#conversation").display


async def test_a_new_chat_search_help_and_theme_by_keys(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"))
    async with terminal(ada) as (app, pilot):
        await pilot.press("ctrl+n")
        await write(pilot, ben.jid.partition("@")[0])
        await pilot.press("tab")
        await write(pilot, "Benjamin")
        await pilot.press("enter")
        await shown(pilot, "Benjamin")
        await write(pilot, "find the needle")
        await pilot.press("enter")
        await receive(ben)
        await pilot.press("ctrl+s")
        await write(pilot, "needle")
        await shown(pilot, "find the needle")
        assert app.query_one("#search", Input).value == "needle"
        await pilot.press("f1")
        await until(lambda: isinstance(app.screen, Help))
        await pilot.press("escape")
        dark = app.theme
        await pilot.press("ctrl+t")
        await pilot.pause()
        assert app.theme != dark


async def test_older_messages_come_when_one_scrolls_up(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada_jid = people.account("ada")
    async with people.device(ada_jid) as ada:
        for number in range(60):
            await ada.send(ben.jid, f"line {number}")
    async with terminal(people.device(ada_jid), ben.jid) as (app, pilot):
        await shown(pilot, "line 59")
        assert 40 <= len(app.query(Bubble)) < 60  # a page; 41 were seen once, for a reason that is not known
        app.query_one("#log").focus()
        for _ in range(12):
            await pilot.press("pageup")
        await until(lambda: len(app.query(Bubble)) == 60)
        assert [bubble.message.body for bubble in app.query(Bubble)] == [f"line {n}" for n in range(60)]


async def test_a_wrong_password_ends_with_a_clear_word(people: People) -> None:
    jid = people.account("ada")
    client = Client(jid, "wrong", data=people.folder / "x", host="127.0.0.1", port=people.server.port)
    app = ChatApp(client)
    async with app.run_test() as pilot:
        await until(lambda: app.problem)
        await pilot.pause()
    assert "does not accept this address and password" in app.problem
    assert app.return_code == 1
    assert not app.was_online


async def test_nothing_that_a_peer_writes_or_calls_itself_reaches_the_terminal_as_it_is(
    people: People,
) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"), auto_accept=False)
    hostile = "\x9b31m\x85 \u202e[red]x[/red] \u2066:bomb: \u200f\u2028\u009d0;owned\x9c"
    async with terminal(ada, ben.jid, (100, 40)) as (app, pilot):
        await ben.set_profile(Profile(hostile, "", b""))
        await ben.send(ada.jid, hostile, encrypted=False)
        await shown(pilot, "[red]x[/red]")
        ada.name(ben.jid, "\x1b]0;owned\x07Ben[bold]")
        _plant(ada, ben.jid, "\x1b[2J\x1b]52;c;ZXZpbA==\x07 planted")
        app._complain(ValueError("\x1b[31m[red]refused[/red]"))
        await until(lambda: len(app._notifications) == 1)
        (toast,) = app._notifications
        assert not toast.markup
        _nothing_is_obeyed(toast.message)
        app._show_chats()
        await app._open(ben.jid)
        await shown(pilot, "planted")
        await pilot.press("ctrl+g")
        await shown(pilot, "Fingerprints")
        _nothing_is_obeyed(screen(app))
        await pilot.press("escape")
        await pilot.pause()
        _nothing_is_obeyed(screen(app))
        assert "Ben[bold]" in screen(app)
        composer = app.query_one(Composer)
        composer.post_message(Paste("pasted \x1b]0;owned\x07\nand more"))
        await until(lambda: "pasted" in composer.text)
        await pilot.pause()
        _nothing_is_obeyed(screen(app))
        assert "\x1b" not in composer.text


def _nothing_is_obeyed(text: str) -> None:
    found = OBEYED.search(text.replace("\n", ""))
    assert found is None, (found, text)


def _plant(client: Client, peer: str, body: str) -> None:
    """As a version before would have stored it."""
    client._db.sql.execute(
        "INSERT INTO messages (peer, id, body, incoming, here, encrypted, trust, time, state)"
        " VALUES (?, 'x', ?, 1, 0, 0, 'plain', 2e9, 'received')",
        (peer, body),
    )
    client._db.commit()


async def test_page_keys_scroll_while_one_writes_and_the_search_leads_to_its_message(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"))
    async with terminal(ada, ben.jid, (60, 20)) as (app, pilot):  # the list does not show beside it
        for number in range(120):
            _plant(ada, ben.jid, f"message number {number:03}")
        await app._open(ben.jid)
        await shown(pilot, "number 119")
        assert isinstance(app.focused, Composer)
        await pilot.press("pageup", "pageup")
        await until(lambda: "number 119" not in screen(app))
        await pilot.press("pagedown", "pagedown", "pagedown")
        await shown(pilot, "number 119")
        await pilot.press("ctrl+s")
        await write(pilot, "number 007")
        await shown(pilot, "number 007")
        await pilot.press("enter")
        await until(lambda: "number 006" in screen(app) and "number 008" in screen(app))


async def test_lines_that_a_terminal_types_instead_of_pasting_are_one_message(people: People) -> None:
    ben = await people.open(people.account("ben"))
    async with terminal(people.device(people.account("ada")), ben.jid) as (app, _):
        for key in ("a", "enter", "b", "enter", "c", "enter"):
            app.query_one(Composer).post_message(Key(key, key if len(key) == 1 else "\r"))
        (got,) = await receive(ben)
        assert got.body == "a\nb\nc"


async def test_a_second_terminal_or_a_wrong_folder_ends_with_a_clear_word(
    people: People, tmp_path: Path
) -> None:
    jid = people.account("ada")
    async with people.device(jid):
        app = ChatApp(people.device(jid))
        async with app.run_test() as pilot:
            await until(lambda: app.problem)
            await pilot.pause()
        assert "already open" in app.problem
    file = tmp_path / "a file"
    file.write_text("not a folder")
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "account.sqlite").write_bytes(b"not a database" * 100)
    for folder in (file, file / "below", broken):
        app = ChatApp(people.device(jid, data=folder))
        async with app.run_test() as pilot:
            await until(lambda app=app: app.problem)  # type: ignore[misc]
            await pilot.pause()
        assert str(folder) in app.problem


async def test_a_terminal_that_is_told_to_end_leaves_the_screen_as_it_was(people: People) -> None:
    jid = people.account("ada")
    settings = {
        "XDG_DATA_HOME": str(people.folder),
        "XDG_CONFIG_HOME": str(people.folder),
        "KITH_HOST": "127.0.0.1",
        "KITH_PORT": str(people.server.port),
    }
    child = pexpect.spawn(
        sys.executable,
        ["-m", "kith", "chat", "--jid", jid, "--password", "pw"],
        env=os.environ | settings | {"TERM": "xterm-256color"},  # type: ignore[arg-type]
        dimensions=(24, 80),
    )
    try:
        await asyncio.to_thread(child.expect, re.escape("\x1b[?1049h"), 30)
        await asyncio.to_thread(child.expect, "online", 30)
        child.kill(signal.SIGTERM)
        await asyncio.to_thread(child.expect, re.escape("\x1b[?1049l"), 30)
        await asyncio.to_thread(child.expect, pexpect.EOF, 30)
    finally:
        child.close(force=True)
