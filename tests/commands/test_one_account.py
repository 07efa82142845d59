"""One account out of a backup, by the steps of docs/operating.md."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.commands.test_backup import archive
from tests.conftest import KITH, RunningServer, running
from tests.raw import RawClient, online

ROSTER = "<query xmlns='jabber:iq:roster'/>"
BOOKMARKS = "urn:xmpp:bookmarks:1"


def elsewhere(server: RunningServer, folder: Path, *command: str) -> None:
    """A command that works on another data folder."""
    environ = {**server.environ, "KITH_DATA_DIR": str(folder)}
    done = subprocess.run([*KITH, *command], env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


async def say(server: RunningServer, sender: str, recipient: str, text: str) -> None:
    client = await online(server.port, sender)
    client.send(f"<message to='{recipient}@localhost' type='chat'><body>{text}</body></message>")
    await client.ping()
    client.abort()


async def texts(server: RunningServer, name: str) -> list[str]:
    client = await online(server.port, name, presence=None)
    try:
        return await archive(client)
    finally:
        client.abort()


async def logged_in(server: RunningServer, password: str, name: str = "ada") -> RawClient:
    """Somebody, by a password, who has not sent presence."""
    client = RawClient(server.port)
    await client.connect()
    await client.login(name, password)
    await client.bind()
    return client


def give_back(server: RunningServer, saved: Path, *names: str) -> None:
    """Restores the backup beside the server, and takes accounts over from there."""
    before, file = saved.parent / "before", saved.parent / "accounts.xml"
    elsewhere(server, before, "restore", str(saved))
    elsewhere(server, before, "export", *(f"{name}@localhost" for name in names), "--output", str(file))
    server.stop()
    server.kith("import", "--merge", str(file))
    server.start()


async def test_an_account_that_was_removed_comes_back_and_nobody_else_loses_anything(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        for name in ("ada", "ben", "cyn"):
            server.add_user(name, "password of ada" if name == "ada" else "pw")
        ada = await logged_in(server, "password of ada")
        add = "<item jid='ben@localhost' name='Ben'><group>Friends</group></item>"
        await ada.result("set", f"<query xmlns='jabber:iq:roster'>{add}</query>")
        item = f"<item id='room@example.org'><conference xmlns='{BOOKMARKS}' name='Room'/></item>"
        publish = f"<publish node='{BOOKMARKS}'>{item}</publish>"
        await ada.result("set", f"<pubsub xmlns='http://jabber.org/protocol/pubsub'>{publish}</pubsub>")
        ada.send("<message to='ben@localhost' type='chat'><body>before</body></message>")
        await ada.ping()
        ada.abort()
        await say(server, "ben", "ada", "an answer")
        await say(server, "ben", "cyn", "one")
        saved = tmp_path / "saved.tar"
        server.kith("backup", str(saved))
        server.kith("user", "remove", "--yes", "ada")
        await say(server, "ben", "ben", "after the backup")
        await say(server, "ben", "cyn", "two")
        server.kith("user", "passwd", "cyn", "--password", "a newer one")
        give_back(server, saved, "ada", "cyn")
        ada = await logged_in(server, "password of ada")
        assert await archive(ada) == ["before", "an answer"]
        roster = await ada.result("get", ROSTER)
        (contact,) = roster[0]
        assert (contact.get("jid"), contact.get("name")) == ("ben@localhost", "Ben")
        items = f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='{BOOKMARKS}'/></pubsub>"
        assert "room@example.org" in {e.get("id") for e in (await ada.result("get", items)).iter()}
        ada.abort()
        assert "after the backup" in await texts(server, "ben")
        cyn = await logged_in(server, "a newer one", "cyn")  # who was there keeps what is newer
        assert await archive(cyn) == ["one", "two"]
        cyn.abort()
