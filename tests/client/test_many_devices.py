"""However many devices an account claims to have, what is written to others does not wait for them."""

from __future__ import annotations

import asyncio

import oldmemo
import pytest
from omemo.session_manager import BundleDownloadFailed

from kith.client import NotEncrypted, State
from kith.client.bundles import MAX_DEVICES
from kith.client.unavailable_bundles import RETRY_AFTER, UnavailableBundles
from tests.client.conftest import People, receive
from tests.raw import RawClient, condition, online

OMEMO = oldmemo.oldmemo.NAMESPACE
PUBSUB = "http://jabber.org/protocol/pubsub"
OPEN = (
    "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'>"
    f"<value>{PUBSUB}#publish-options</value></field>"
    "<field var='pubsub#access_model'><value>open</value></field></x></publish-options>"
)


async def claims(client: RawClient, devices: range) -> None:
    """Publishes a list of devices, none of which has keys."""
    listed = "".join(f"<device id='{id}'/>" for id in devices)
    item = f"<item id='current'><list xmlns='{OMEMO}'>{listed}</list></item>"
    request = f"<publish node='{OMEMO}.devicelist'>{item}</publish>{OPEN}"
    answer = await client.iq("set", f"<pubsub xmlns='{PUBSUB}'>{request}</pubsub>")
    assert answer.get("type") == "result", condition(answer)


async def test_a_thousand_devices_without_keys_cost_others_nothing(people: People) -> None:
    """A bot that answered such an account wrote to nobody else for minutes."""
    ada, ben = await people.open(people.account("ada")), await people.open(people.account("ben"))
    boaster = await online(people.server.port, people.account("boaster").partition("@")[0])
    await claims(boaster, range(1, 1001))
    asked: list[int] = []
    download = type(ada._encryption.sessions)._download_bundle

    async def count(namespace: str, bare_jid: str, device_id: int) -> object:
        if bare_jid == boaster.bare:
            asked.append(device_id)
        return await download(namespace, bare_jid, device_id)

    ada._encryption.sessions._download_bundle = count  # type: ignore[method-assign]
    sending = asyncio.create_task(ada.send(boaster.bare, "hello"))
    message = await ada.send(ben.jid, "and you")
    await ada.wait_for(message, State.DELIVERED)
    (got,) = await receive(ben)
    assert got.body == "and you"
    with pytest.raises(NotEncrypted):
        await sending
    assert len(set(asked)) == MAX_DEVICES
    boaster.abort()


def test_keys_that_could_not_be_had_are_asked_for_again_later() -> None:
    now = 0.0
    missing = UnavailableBundles(lambda: now)
    missing.check("a@b", 1)
    missing.add("a@b", 1)
    with pytest.raises(BundleDownloadFailed):
        missing.check("a@b", 1)
    missing.check("a@b", 2)
    missing.check("c@d", 1)
    now = RETRY_AFTER
    missing.check("a@b", 1)
    missing.add("a@b", 1)
    missing.forget("a@b")
    missing.check("a@b", 1)
    for device in range(10_000):
        missing.add("a@b", device)
    missing.check("a@b", 1)
    with pytest.raises(BundleDownloadFailed):
        missing.check("a@b", 9_999)
