"""Keys: trusted on first sight, compared by people, and watched."""

from __future__ import annotations

import pytest

from kith.client import KeysChanged, NoTrustedDevices, State, Trust
from tests.client.conftest import People, event, receive


async def test_both_sides_show_the_same_fingerprint_and_verify_it(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"))
    (shown_by_ben,) = await ben.fingerprints()
    (seen_by_ada,) = await ada.fingerprints(ben.jid)
    assert seen_by_ada.text == shown_by_ben.text
    assert seen_by_ada.trust is Trust.BLIND
    await ada.verify(ben.jid, shown_by_ben.pretty)
    await ben.send(ada.jid, "it is me")
    (got,) = await receive(ada)
    assert got.trust is Trust.VERIFIED


async def test_a_new_device_of_a_known_contact_is_told_of(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben_jid = people.account("ben")
    ben = await people.open(ben_jid, "phone")
    await ada.send(ben_jid, "hello")
    await receive(ben)
    events = ada.events()
    tablet = await people.open(ben_jid, "tablet")
    await tablet.send(ada.jid, "my new tablet")
    told = await event(events, KeysChanged)
    assert (told.peer, told.trusted) == (ben_jid, True)
    assert ada.chat(ben_jid).keys_changed
    (got,) = await receive(ada)
    assert got.trust is Trust.BLIND
    ada.keys_seen(ben_jid)
    assert not ada.chat(ben_jid).keys_changed


async def test_a_new_device_after_verification_waits_for_a_decision(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben_jid = people.account("ben")
    ben = await people.open(ben_jid, "phone")
    (key,) = await ada.fingerprints(ben_jid)
    await ada.verify(ben_jid, key.text)
    events = ada.events()
    stranger = await people.open(ben_jid, "stranger")
    await stranger.send(ada.jid, "trust me")
    told = await event(events, KeysChanged)
    assert (told.peer, told.trusted) == (ben_jid, False)
    (got,) = await receive(ada)
    assert (got.body, got.trust) == ("trust me", Trust.UNDECIDED)
    sent = await ada.send(ben_jid, "for the phone only")
    await ada.wait_for(sent, State.DELIVERED)
    assert "for the phone only" in [message.body for message in ben.history(ada.jid)]
    (flagged,) = [message for message in stranger.history(ada.jid) if message.incoming]
    assert (flagged.body, flagged.error) == ("", "Not encrypted for this device.")


async def test_nothing_is_encrypted_for_a_device_that_is_distrusted(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = await people.open(people.account("ben"))
    (key,) = await ada.fingerprints(ben.jid)
    await ada.distrust(ben.jid, key.text)
    with pytest.raises(NoTrustedDevices):
        await ada.send(ben.jid, "secret")
    await ben.send(ada.jid, "why?")
    (got,) = await receive(ada)
    assert (got.body, got.trust) == ("why?", Trust.DISTRUSTED)
