"""Gajim, Profanity and the SDK in one encrypted group: they read each other, also what was said while
away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kith.client import Client
from tests.client.conftest import receive
from tests.conftest import RunningServer
from tests.interop.gajim import gajim
from tests.interop.kept import expect_unread_by_server
from tests.interop.terminal import profanity

pytestmark = pytest.mark.timeout(300)

Person = Callable[[str], str]


async def test_windows_terminal_and_sdk_read_each_other_in_an_encrypted_group(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben, cyd = person("ada"), person("ben"), person("cyd")
    sdk = Client(ada, "pw", host="127.0.0.1", port=server.port, data=tmp_path / "sdk", auto_accept=True)
    async with sdk, profanity(tmp_path / "cyd") as terminal, gajim(tmp_path) as window:
        await terminal.log_in(cyd, server.port)
        await terminal.make_keys()
        await window.set_up(ben, server.port)
        await window.has_keys()
        group = (await sdk.make_group("Across clients", [ben, cyd])).jid
        await window.open_group("Across clients")
        await window.encrypt()
        terminal.type(f"/join {group}")
        await terminal.logs(f"from=[\"']{group}/.*110")
        terminal.type("/omemo start")
        await terminal.shows(r"\[OMEMO\]")
        await sdk.send(group, "hello from the SDK")
        await terminal.notes("hello from the SDK")
        await window.reads("hello from the SDK")
        await window.say("hello from the window")
        await terminal.notes("hello from the window")
        (got,) = await receive(sdk)
        assert (got.author, got.body, got.encrypted) == (ben, "hello from the window", True)
        terminal.type("hello from the terminal")
        (got,) = await receive(sdk)
        assert (got.author, got.body, got.encrypted) == (cyd, "hello from the terminal", True)
        await window.reads("hello from the SDK", "hello from the window", "hello from the terminal")
        await window.screen.picture("group")
        await window.quit()
        await got.reply("while the window was away")
        await terminal.notes("while the window was away")
        terminal.type("and so was this")
        await receive(sdk)
        await window.start()
        await window.log_in()
        await window.open_group("Across clients")
        await window.reads("hello from the terminal", "while the window was away", "and so was this")
        await window.screen.picture("group-again")
    expect_unread_by_server(server, "hello from", "was away", "and so was")
