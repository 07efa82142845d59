"""Opening and closing: a client leaves nothing behind, and says what is wrong."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from kith.client import (
    AccountInUse,
    AlreadyOpen,
    CertificateChanged,
    Client,
    ContactChanged,
    DataUnusable,
    Message,
    ServerUnreachable,
)
from kith.client.events import Broadcast
from tests.client.conftest import People, receive, until
from tests.raw import PATIENCE


async def test_a_client_that_is_entered_twice_holds_no_lock(people: People) -> None:
    ada = people.device(people.account("ada"))
    async with ada:
        with pytest.raises(AlreadyOpen):
            await ada.open()
        with pytest.raises(AccountInUse):
            await people.device(ada.jid).open()
    async with ada:  # again, after it was closed
        await ada.wait_online()
        ben = await people.open(people.account("ben"))
        await ben.send(ada.jid, "hello")
        assert [message.body for message in await receive(ada)] == ["hello"]
    async with people.device(ada.jid):
        pass


async def test_messages_end_when_the_client_is_closed(people: People) -> None:
    ada, ben = people.device(people.account("ada")), await people.open(people.account("ben"))
    got: list[Message] = []

    async def read() -> None:
        async for message in ada.messages():
            got.append(message)

    async with ada:
        reading = asyncio.create_task(read())
        await ben.send(ada.jid, "one")
        await until(lambda: got)
        following = asyncio.create_task(_slow(ada))
        await asyncio.sleep(0.05)
    await asyncio.wait_for(reading, PATIENCE)
    await asyncio.wait_for(following, PATIENCE)
    assert [message async for message in ada.messages()] == []


async def _slow(client: Client) -> None:
    """Is in the middle of a message when the client is closed."""
    async for _ in client.messages():
        await asyncio.sleep(0.3)


async def test_events_that_nobody_listens_to_any_more_are_not_kept() -> None:
    events = Broadcast()

    async def first() -> None:
        async for _ in events.listen():
            return

    hearing = [asyncio.create_task(first()) for _ in range(3)]
    await until(lambda: events.listeners == 3)
    events.publish(ContactChanged("ben@localhost"))
    await asyncio.gather(*hearing)
    gc.collect()
    assert events.listeners == 0


@pytest.mark.parametrize("pin", ["not hex", "ab" * 31, ""])
async def test_a_pin_that_is_none_is_refused(people: People, pin: str) -> None:
    client = people.device(people.account("ada"), insecure=False, pin=pin)
    with pytest.raises(ValueError, match="64 hexadecimal digits"):
        await client.open()
    async with people.device(client.jid):  # and nothing is locked
        pass


async def test_a_wrong_pin_is_not_remembered(people: People) -> None:
    jid = people.account("ada")
    with pytest.raises(CertificateChanged) as changed:
        await people.device(jid, pin="ab" * 32).__aenter__()
    right = changed.value.fingerprint
    async with people.device(jid, pin=":".join(right[at : at + 2] for at in range(0, 64, 2)).upper()):
        pass
    async with people.device(jid):  # the right one is
        pass
    with pytest.raises(CertificateChanged):
        await people.device(jid, pin="ab" * 32).__aenter__()
    async with people.device(jid):
        pass


async def test_addresses_are_prepared_wherever_they_are_given(people: People) -> None:
    ben = await people.open(people.account("ben"))
    jid = people.account("ada")
    odd = f" {jid.upper().replace('LOCALHOST', 'LocalHost')} "
    async with people.device(odd) as ada:
        assert ada.jid == jid
        name = ben.jid.capitalize()
        message = await ada.send(name, "hello")
        assert message.peer == ben.jid
        (got,) = await receive(ben)
        await ben.mark_read(odd, got)
        await ben.typing(odd)
        assert [one.body for one in ada.history(name)] == ["hello"]
        assert ada.chat(name).last
        assert ben.accepted(odd)
        await until(lambda: ada.history(name)[0].state.value == "read")
        await until(lambda: ada.online(name))
        ada.keys_seen(name)
        await ada.fingerprints(name)
    for wrong in ("", "@localhost", "a@b@c", "ada", "x" * 2000 + "@localhost", "\ud800@localhost"):
        with pytest.raises(ValueError, match="address"):
            Client(wrong, "pw")


async def test_a_folder_that_cannot_be_used_is_said_to_be_so(people: People, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for folder in (file, file / "below"):
        with pytest.raises(DataUnusable, match=str(folder)):
            await people.device("ada@localhost", data=folder).open()


async def test_who_was_never_online_hears_that_the_server_is_not_there(people: People) -> None:
    client = people.device(people.account("ada"), port=1)
    with pytest.raises(ServerUnreachable):
        await client.__aenter__()
    async with people.device(client.jid):
        pass


async def test_a_client_that_was_closed_leaves_no_task_for_its_keys_behind(people: People) -> None:
    """The OMEMO library goes on waiting for the day on which a key is to be renewed, unless it is told."""

    def waiting() -> list[asyncio.Task[Any]]:
        return [task for task in asyncio.all_tasks() if "signed_pre_key" in repr(task.get_coro())]

    others = len(waiting())
    async with people.device(people.account("ada")):
        assert len(waiting()) == others + 1
    assert len(waiting()) == others
