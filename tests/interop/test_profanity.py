"""Profanity and the SDK, which share no OMEMO code: encrypted both ways, online and away."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from kith.client import Client, Message
from tests.conftest import RunningServer
from tests.interop.kept import expect_unread_by_server
from tests.interop.terminal import profanity

Person = Callable[[str], str]


def _sdk(server: RunningServer, jid: str, folder: Path) -> Client:
    return Client(
        jid, "pw", data=folder / "sdk", host="127.0.0.1", port=server.port, insecure=True, auto_accept=True
    )


async def _incoming(client: Client) -> AsyncIterator[Message]:
    """What others write, each within 20 seconds."""
    messages = client.messages()
    while True:
        message = await asyncio.wait_for(anext(messages), 20)
        if message.incoming:
            yield message


async def test_encrypted_messages_go_each_way_while_both_are_online(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    async with profanity(tmp_path) as terminal, _sdk(server, ben, tmp_path) as sdk:
        await terminal.log_in(ada, server.port)
        await terminal.make_keys()
        await terminal.encrypt(ben)
        terminal.type("a secret from the terminal")
        incoming = _incoming(sdk)
        message = await anext(incoming)
        assert message.body == "a secret from the terminal"
        assert message.encrypted
        assert message.trust.sound
        await message.reply("a secret from the sdk")
        await terminal.notes("a secret from the sdk")
        assert "untrusted" not in terminal.chats
        terminal.type("and once more")
        assert (await anext(incoming)).body == "and once more"
    expect_unread_by_server(server, "a secret from the terminal", "a secret from the sdk", "and once more")


async def test_the_terminal_reads_what_was_encrypted_for_it_while_it_was_away(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    async with profanity(tmp_path) as terminal:
        await terminal.log_in(ada, server.port)
        await terminal.make_keys()
    async with _sdk(server, ben, tmp_path) as sdk:
        for number in range(3):
            await sdk.send(ada, f"secret {number} for later")
    async with profanity(tmp_path) as terminal:
        await terminal.log_in(ada, server.port)
        for number in range(3):
            await terminal.notes(f"secret {number} for later")
        assert re.findall(r"secret (\d) for later", terminal.chats) == ["0", "1", "2"]
    expect_unread_by_server(server, "for later")


async def test_the_sdk_reads_what_the_terminal_encrypted_for_it_while_it_was_away(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    async with _sdk(server, ben, tmp_path):
        pass
    async with profanity(tmp_path) as terminal:
        await terminal.log_in(ada, server.port)
        await terminal.make_keys()
        await terminal.encrypt(ben)
        for number in range(3):
            terminal.type(f"secret {number} for later")
        await terminal.notes("secret 2 for later")
    async with _sdk(server, ben, tmp_path) as sdk:
        incoming = _incoming(sdk)
        messages = [await anext(incoming) for _ in range(3)]
        assert [message.body for message in messages] == [f"secret {number} for later" for number in range(3)]
        assert all(message.encrypted for message in messages)
    expect_unread_by_server(server, "for later")


async def test_the_terminal_encrypts_for_keys_that_its_user_compared(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    async with profanity(tmp_path, trustmode="manual") as terminal, _sdk(server, ben, tmp_path) as sdk:
        await terminal.log_in(ada, server.port)
        await terminal.make_keys()
        await terminal.encrypt(ben)
        (own,) = await sdk.fingerprints()
        terminal.type(f"/omemo trust {ben} {own.text}")
        terminal.type("a secret for a compared key")
        assert (await anext(_incoming(sdk))).body == "a secret for a compared key"
        await sdk.send(ada, "the answer")
        await terminal.notes("the answer")


async def test_a_second_device_finds_in_the_archive_what_was_said_before(
    server: RunningServer, person: Person, tmp_path: Path
) -> None:
    ada, ben = person("ada"), person("ben")
    async with profanity(tmp_path / "first") as first, profanity(tmp_path / "ben") as other:
        await first.log_in(ada, server.port)
        await other.log_in(ben, server.port)
        first.type(f"/msg {ben} hello from the first device")
        await other.notes("hello from the first device")
        other.type(f"/msg {ada} hello back")
        await first.notes("hello back")
    async with profanity(tmp_path / "second") as second:
        second.type("/mam on")
        await second.log_in(ada, server.port)
        second.type(f"/msg {ben}")
        await second.notes("hello back")
        await second.notes("hello from the first device")
        # a set: this version asks for the same page twice, and notes all of it each time
        said = set(re.findall(r" - (.+): (hello .+)", second.chats))
        assert said == {(ada, "hello from the first device"), (ben, "hello back")}
