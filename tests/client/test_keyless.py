"""A chat without encryption, because the peer has no keys, is encrypted visibly once there are some."""

from __future__ import annotations

import pytest

from kith.client import Client, EncryptedAgain, PeerHasNoDevices
from tests.client.conftest import People, event, receive, until


async def without_keys(people: People) -> tuple[Client, str]:
    """Ada, who writes unencrypted to Ben, since he has no keys."""
    ada, ben = await people.open(people.account("ada")), people.account("ben")
    with pytest.raises(PeerHasNoDevices):
        await ada.send(ben, "not sent")
    ada.set_plain(ben, True)
    sent = await ada.send(ben, "readable for all")
    assert not sent.encrypted
    assert ada.chat(ben).plain
    return ada, ben


async def test_the_next_message_is_encrypted_once_the_peer_has_keys(people: People) -> None:
    ada, jid = await without_keys(people)
    ben = await people.open(jid)
    with ada.events() as events:
        sent = await ada.send(jid, "a secret")
        assert (await event(events, EncryptedAgain)).peer == jid
    assert sent.encrypted
    chat = ada.chat(jid)
    assert (chat.plain, chat.encrypted_again) == (False, True)
    assert [one.body for one in await receive(ben, 2)] == ["readable for all", "a secret"]
    ada.encryption_seen(jid)
    assert not ada.chat(jid).encrypted_again


async def test_an_encrypted_message_of_the_peer_ends_it_as_well(people: People) -> None:
    ada, jid = await without_keys(people)
    ben = await people.open(jid)
    await ben.send(ada.jid, "a secret")
    await until(lambda: not ada.chat(jid).plain)
    assert ada.chat(jid).encrypted_again


async def test_a_pushed_device_list_of_a_contact_ends_it_at_once(people: People) -> None:
    ada, jid = await without_keys(people)
    ben = await people.open(jid)
    await ben.accept(ada.jid)
    await ada.accept(jid)
    await until(lambda: ada.online(jid))
    await ben.close()
    ada.set_plain(jid, True)
    ada._history.update_chat(jid, keyless=True)  # as if his device were his first
    await people.open(jid, "laptop")
    await until(lambda: ada.chat(jid).encrypted_again)


async def test_a_choice_against_encryption_stays_if_the_peer_has_keys(people: People) -> None:
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    await ada.send(ben.jid, "a secret")
    ada.set_plain(ben.jid, True)
    await ben.send(ada.jid, "an answer")
    assert not (await ada.send(ben.jid, "readable for all")).encrypted
    assert ada.chat(ben.jid).plain


async def test_who_asked_for_one_unencrypted_message_gets_it_unencrypted(people: People) -> None:
    ada, jid = await without_keys(people)
    await people.open(jid)
    assert not (await ada.send(jid, "readable", encrypted=False)).encrypted
