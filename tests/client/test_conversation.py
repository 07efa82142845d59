"""Two clients talk."""

from __future__ import annotations

import stat

import pytest

from kith.client import ContactRequest, PeerHasNoDevices, State, Trust, Typing
from tests.client.conftest import People, event, receive, until


async def test_two_clients_chat_encrypted_while_online(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"))
    sent = await ada.send(ben.jid, "Are you there?")
    (got,) = await receive(ben)
    assert (got.peer, got.body, got.incoming, got.encrypted) == (ada.jid, "Are you there?", True, True)
    assert got.trust is Trust.BLIND
    assert got.id == sent.id
    await got.reply("Yes: ❤ & <you>")
    (answer,) = await receive(ada)
    assert (answer.body, answer.encrypted) == ("Yes: ❤ & <you>", True)
    assert b"Are you there?" not in b"".join(
        path.read_bytes() for path in people.server.data_dir.rglob("*") if path.is_file()
    )


async def test_a_message_is_marked_sent_then_delivered_then_read(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben_jid = people.account("ben")
    async with people.device(ben_jid):
        pass  # publishes keys
    message = await ada.send(ben_jid, "hello")
    assert (await ada.wait_for(message, State.SENT)).state is State.SENT
    ben = await people.open(ben_jid)
    assert (await ada.wait_for(message, State.DELIVERED)).state is State.DELIVERED
    (got,) = await receive(ben)
    await got.read()
    assert (await ada.wait_for(message, State.READ)).state is State.READ


async def test_typing_is_shown(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"))
    await ada.send(ben.jid, "hello")
    await receive(ben)
    events = ben.events()
    await ada.typing(ben.jid)
    assert await event(events, Typing) == Typing(ada.jid, True)
    await ada.typing(ben.jid, False)
    assert await event(events, Typing) == Typing(ada.jid, False)


async def test_my_other_device_sees_what_i_write_and_get(people: People) -> None:
    ada_jid = people.account("ada")
    phone = await people.open(ada_jid, "phone")
    laptop = await people.open(ada_jid, "laptop")
    ben = await people.open(people.account("ben"))
    await phone.send(ben.jid, "from my phone")
    (copy,) = await receive(laptop)
    assert (copy.peer, copy.body, copy.incoming, copy.encrypted) == (ben.jid, "from my phone", False, True)
    (got,) = await receive(ben)
    await got.reply("to both")
    assert [message.body for message in await receive(laptop)] == ["to both"]
    assert [message.body for message in await receive(phone)] == ["to both"]


async def test_nothing_is_sent_to_a_peer_without_devices_unless_the_user_asks_for_plain(
    people: People,
) -> None:
    ada = await people.open(people.account("ada"))
    ben_jid = people.account("ben")
    with pytest.raises(PeerHasNoDevices):
        await ada.send(ben_jid, "secret")
    assert ada.history(ben_jid)[-1].state is State.FAILED
    sent = await ada.send(ben_jid, "not secret", encrypted=False)
    await ada.wait_for(sent, State.SENT)
    ben = await people.open(ben_jid)
    (got,) = await receive(ben)
    assert (got.body, got.encrypted, got.trust) == ("not secret", False, Trust.PLAIN)


async def test_whoever_is_written_to_is_asked_to_be_a_contact(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"), auto_accept=False)
    events = ben.events()
    await ada.send(ben.jid, "hello")
    assert await event(events, ContactRequest) == ContactRequest(ada.jid)
    assert ben.requests() == [ada.jid]
    await ben.accept(ada.jid)
    assert ben.requests() == []
    await until(lambda: ada.online(ben.jid) and ben.online(ada.jid))


async def test_keys_and_history_are_for_their_owner_only(people: People) -> None:
    ada = people.device(people.account("ada"))
    async with ada:
        folder = people.folder / f"{ada.jid}-phone"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        assert "account.sqlite" in modes
        assert set(modes.values()) == {0o600}
