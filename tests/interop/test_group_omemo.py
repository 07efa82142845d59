"""The SDK, the terminal and slixmpp with slixmpp-omemo in one encrypted group; one of them is away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kith.client import Client
from tests.client.conftest import receive
from tests.client.test_terminal import shown, terminal, write
from tests.conftest import RunningServer
from tests.interop.kept import expect_unread_by_server
from tests.interop.omemo_client import PLUGINS, Member
from tests.interop.slix import online


async def test_sdk_terminal_and_another_client_read_each_other(
    server: RunningServer, person: Any, tmp_path: Path
) -> None:
    ada, ben, cyd = person("ada"), person("ben"), person("cyd")

    def device(jid: str) -> Client:
        return Client(jid, "pw", host="127.0.0.1", port=server.port, data=tmp_path / jid, auto_accept=True)

    kept: dict[str, Any] = {}
    async with device(ada) as sdk, terminal(device(cyd), size=(100, 30)) as (app, pilot):
        group = (await sdk.make_group("Across clients", [ben, cyd])).jid
        await shown(pilot, "Across clients")
        await app._open(group)
        async with online(ben, server.port, plugins=PLUGINS) as client:
            other = Member(client, kept, group)
            await other.enter("ben")
            await sdk.send(group, "hello from the SDK")
            assert await other.read() == (ada, "hello from the SDK")
            await shown(pilot, "hello from the SDK")
            await other.say("hello from slixmpp")
            await shown(pilot, "hello from slixmpp")
            got = (await receive(sdk))[0]
            assert (got.author, got.body, got.encrypted) == (ben, "hello from slixmpp", True)
            await write(pilot, "hello from the terminal")
            await pilot.press("enter")
            assert await other.read() == (cyd, "hello from the terminal")
        assert [message.body for message in await receive(sdk)] == ["hello from the terminal"]
        await got.reply("while slixmpp was away")
        await shown(pilot, "while slixmpp was away")
        async with online(ben, server.port, plugins=PLUGINS) as client:
            other = Member(client, kept, group)
            await other.enter("ben")
            assert await other.read_archive() == [(ada, "while slixmpp was away")]
            await other.say("I am back")
            assert [message.body for message in await receive(sdk)] == ["I am back"]
            await shown(pilot, "I am back")
    expect_unread_by_server(server, "hello from", "while slixmpp", "I am back")
