"""The web app and Profanity (Debian), encrypted both ways, also with four devices on one side."""

from __future__ import annotations

from pathlib import Path

from tests.api.person import Person
from tests.conftest import RunningServer
from tests.interop.kept import expect_unread_by_server
from tests.interop.terminal import profanity
from tests.web.device import Devices


async def test_the_web_app_and_a_terminal_client_read_each_other(
    devices: Devices, server: RunningServer, tmp_path: Path
) -> None:
    person, ada = Person(server), server.add_user("ada")
    first, *_, away = [await devices.of(person, f"browser {number}") for number in range(4)]
    async with profanity(tmp_path) as terminal:
        await terminal.log_in(ada, server.port)
        await terminal.make_keys()
        await terminal.encrypt(first.address, devices=4)
        await away.do("cut", False)
        terminal.type("a secret from the terminal")
        (row,) = await first.shows(ada, "a secret from the terminal")
        assert row["encrypted"]
        await first.send(ada, "a secret from the web")
        await terminal.notes("a secret from the web")
        assert "untrusted" not in terminal.chats
        await away.do("plug")
        rows = await away.shows(ada, "a secret from the terminal", "a secret from the web")
        assert all(row["encrypted"] for row in rows)
        await away.send(ada, "and one from another browser")
        await terminal.notes("and one from another browser")
    expect_unread_by_server(server, "a secret from the terminal", "a secret from the web", "another browser")
