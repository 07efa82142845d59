"""The terminal client, driven by keys against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from textual.pilot import Pilot
from textual.widgets import Input

from kith.client import Client, Link, State
from kith.client.tui.app import ChatApp
from kith.client.tui.bubble import Bubble
from kith.client.tui.composer import Composer
from kith.client.tui.conversation import Banner
from kith.client.tui.fingerprints import Fingerprints
from kith.client.tui.screens import Help, Question
from tests.client.conftest import People, receive, until


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


async def test_a_contact_request_is_asked_about(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"), auto_accept=False)
    async with terminal(ada, None, (100, 24)) as (_, pilot):
        await ben.send(ada.jid, "it is me")
        await shown(pilot, "wants to be your contact")
        await pilot.click("#accept")
        await until(lambda: ben.online(ada.jid))


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
