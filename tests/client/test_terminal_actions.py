"""The terminal client: what one does with a message, and what shows without colours."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.text import Text
from textual.pilot import Pilot

from kith.client import Message, State, Trust
from kith.client.testing import FakeServer, Person
from kith.client.tui.app import ChatApp
from kith.client.tui.bubble import Bubble, lay_out
from kith.client.tui.composer import Composer
from kith.client.tui.conversation import Conversation
from kith.client.tui.links import link_pages
from kith.client.tui.notifications import notification
from kith.client.tui.screens import KEYS, Question
from tests.client.conftest import until
from tests.client.test_terminal import screen, shown, write


@asynccontextmanager
async def chat(server: FakeServer) -> AsyncIterator[tuple[ChatApp, Pilot[None], Person]]:
    """Ada at her terminal, in a chat with Ben."""
    ben = await server.person("ben", "ada@localhost")
    ada = server.client("ada")
    app = ChatApp(ada, ben.jid)
    async with app.run_test(size=(90, 26)) as pilot:
        await ada.wait_online()
        await pilot.pause()
        yield app, pilot, ben


async def test_one_replies_edits_deletes_reacts_and_copies_by_keys() -> None:
    async with FakeServer() as server, chat(server) as (app, pilot, ben):
        await ben.send("shall we meet?")
        await shown(pilot, "shall we meet?")
        await pilot.press("ctrl+up", "r")
        await shown(pilot, "Reply (Esc cancels): shall we meet?")
        await write(pilot, "at five")
        await pilot.press("enter")
        got = await ben.receives()
        assert got.body == "at five"
        assert got.reply_to == ben.client.history(app.client.jid)[0].id
        await shown(pilot, "┃ shall we meet?")
        await pilot.press("ctrl+up", "e")
        await shown(pilot, "Editing (Esc cancels): at five")
        await write(pilot, " sharp")
        await pilot.press("enter")
        await until(lambda: ben.client.history(app.client.jid)[-1].body == "at five sharp")
        await shown(pilot, "edited")
        await pilot.press("ctrl+up", "up", "x", "1")
        await until(lambda: ben.client.history(app.client.jid)[0].reactions.theirs == ("👍",))
        await shown(pilot, "👍")
        await pilot.press("c")
        assert app.clipboard == "shall we meet?"
        await pilot.press("down", "d")
        await until(lambda: isinstance(app.screen, Question))
        await pilot.press("tab", "enter")
        await shown(pilot, "deleted message")
        await until(lambda: ben.client.history(app.client.jid)[-1].deleted)
        assert len(app.query(Bubble)) == 2


async def test_what_the_peer_changes_is_drawn_again_and_escape_lets_go() -> None:
    async with FakeServer() as server, chat(server) as (app, pilot, ben):
        message = await ben.send("helo")
        await shown(pilot, "helo")
        await pilot.press("ctrl+up", "r", "escape")
        assert app.query_one(Conversation).about is None
        await message.edit("hello")
        await shown(pilot, "hello")
        await ben.client.react(message, "❤️")
        await shown(pilot, "❤")
        await pilot.press("ctrl+up", "e")  # not ours
        await until(lambda: any("Only your own" in one.message for one in app._notifications))
        await pilot.press("escape")
        assert app.query_one(Conversation).picked is None
        assert app.focused is app.query_one(Composer)
        await message.delete()
        await shown(pilot, "deleted message")


async def test_a_message_without_encryption_is_offered_once_and_shown_over_the_chat() -> None:
    async with FakeServer() as server:
        server.account("carl")
        ada = server.client("ada")
        app = ChatApp(ada, "carl@localhost")
        async with app.run_test(size=(90, 26)) as pilot:
            await ada.wait_online()
            for number, body in enumerate(("first", "second"), 1):
                await write(pilot, body)
                await pilot.press("enter")
                await until(lambda: isinstance(app.screen, Question))
                await pilot.press("tab", "enter")
                await until(lambda number=number: len(server.account("carl").archive) == number)  # type: ignore[misc]
                await shown(pilot, "NOT ENCRYPTED")
            assert [one.body for one in ada.history("carl@localhost")] == ["first", "second"]
            assert not ada.chat("carl@localhost").plain


async def test_what_was_written_before_comes_back_with_the_arrow_and_the_editor_opens(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with FakeServer() as server, chat(server) as (app, pilot, ben):
        composer = app.query_one(Composer)
        for body in ("one", "two"):
            await write(pilot, body)
            await pilot.press("enter")
            await ben.receives()
        await pilot.press("up")
        assert composer.text == "two"
        await pilot.press("up", "up")
        assert composer.text == "one"
        await pilot.press("down", "down")
        assert composer.text == ""
        await write(pilot, "draft")
        await pilot.press("up")
        assert composer.text == "draft"
        editor = tmp_path / "editor"
        editor.write_text(
            '#!/bin/sh\nstat -c %a "$1" > "$0.mode"\necho "$1" > "$0.file"\n'
            'printf "%s\\nin the editor\\n" "$(cat "$1")" > "$1"\n'
        )
        editor.chmod(editor.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("EDITOR", str(editor))
        monkeypatch.delenv("VISUAL", raising=False)

        @contextmanager
        def suspended() -> Any:
            yield

        monkeypatch.setattr(app, "suspend", suspended)
        await pilot.press("f2")
        await until(lambda: "editor" in composer.text)
        assert composer.text == "draft\nin the editor"
        assert (tmp_path / "editor.mode").read_text().strip() == "600"
        left = Path((tmp_path / "editor.file").read_text().strip())
        assert left.name not in os.listdir(left.parent)


def message(body: str, state: State = State.SENT) -> Message:
    time = datetime(2026, 1, 1, tzinfo=UTC)
    return Message(1, "ben@localhost", "1", body, False, True, Trust.VERIFIED, time, state)


def test_each_state_is_told_apart_without_colours() -> None:
    shown = {
        lay_out(message("x", state), 40, "", "", "").plain for state in State if state is not State.FAILED
    }
    assert len(shown) == 5


def test_addresses_of_pages_are_links_to_themselves_and_nothing_else_is() -> None:
    text = Text("see https://example.org/a?b=c, (http://example.org) or javascript:alert(1)!")
    link_pages(text)
    found = [(text.plain[span.start : span.end], span.style.link) for span in text.spans]  # type: ignore[union-attr]
    assert found == [
        ("https://example.org/a?b=c", "https://example.org/a?b=c"),
        ("http://example.org", "http://example.org"),
    ]


def test_a_notification_carries_only_harmless_text() -> None:
    evil = "a\x07\x1b]0;title\x1b\\\u202e;b\nc"
    for environ, start in (
        ({"TERM": "xterm"}, "\x1b]777;notify;"),
        ({"TERM_PROGRAM": "iTerm.app"}, "\x1b]9;"),
    ):
        sequence = notification("Ben;", evil, environ)
        assert sequence.startswith(start)
        inner = sequence.removeprefix(start).removesuffix("\x07")
        assert inner.isprintable()
        assert inner.count(";") == (1 if "777" in start else 0)
    assert notification("a", "b", {"TMUX": "1"}) == ""
    assert notification("a", "b", {"KITH_NOTIFY": "off"}) == ""


async def test_a_message_in_another_chat_notifies_when_nobody_looks() -> None:
    async with FakeServer() as server, chat(server) as (app, pilot, ben):
        written: list[str] = []
        assert app._driver is not None
        app._driver.write = written.append  # type: ignore[method-assign]
        carl = await server.person("carl", app.client.jid)
        await carl.send("first")
        await shown(pilot, "first")
        assert not any("first" in one for one in written if "777" in one or "]9;" in one)
        app.app_focus = False
        await carl.send("second")
        await ben.send("third")
        await until(
            lambda: sum("\x1b]" in one and ("second" in one or "third" in one) for one in written) == 2
        )
        assert "carl" in screen(app)


async def test_in_eighty_columns_nothing_that_one_needs_to_know_is_cut_off() -> None:
    async with FakeServer() as server:
        ben = await server.person("ben", "ada@localhost")
        app = ChatApp(server.client("ada"), ben.jid)
        async with app.run_test(size=(80, 24)) as pilot:
            await app.client.wait_online()
            await ben.send("it is a long message, so that a line of the list can't have all: shall we meet?")
            await shown(pilot, "shall we meet?")
            assert screen(app).splitlines()[-1].rstrip().endswith("Theme")
            await pilot.press("ctrl+up")
            await until(lambda: "Copy" in screen(app).splitlines()[-1])
            await until(lambda: "New chat" not in screen(app).splitlines()[-1])
            await pilot.press("r")
            await shown(pilot, "Reply (Esc cancels): it is a long")
            await pilot.press("escape", "ctrl+s", *"meet")
            await shown(pilot, "…shall we meet?")
            await pilot.press("f1")
            await shown(pilot, "Keys")
            lines = [line for line in screen(app).splitlines() if "│" in line]
            assert all(any(f"{key:<13} {what}" in line for line in lines) for key, what in KEYS[:14])


async def test_who_has_one_account_is_told_how_to_add_another() -> None:
    async with FakeServer() as server, chat(server) as (_, pilot, _):
        await pilot.press("f3")
        await shown(pilot, "There is no other account here yet.")
        await pilot.press("escape")
