"""The keys of all members in a few requests, for members alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kith.core.actors.account import Session
from kith.groups import devices
from tests.groups.there import GROUP, GROUPS, There, conditions, groups
from tests.parts import DOMAIN

OMEMO = "eu.siacs.conversations.axolotl"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with groups(tmp_path, strangers_per_hour=1) as made:
        yield made


async def publish(there: There, session: Session, *devices: int) -> None:
    listed = "".join(f"<device id='{id}'/>" for id in devices)
    nodes = {"devicelist": f"<list xmlns='{OMEMO}'>{listed}</list>"}
    nodes |= {
        f"bundles:{id}": f"<bundle xmlns='{OMEMO}'><identityKey>{id}</identityKey></bundle>" for id in devices
    }
    for name, payload in nodes.items():
        await there.says(
            session,
            "<iq type='set' id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            f"<publish node='{OMEMO}.{name}'><item id='current'>{payload}</item></publish></pubsub></iq>",
        )


async def ask(there: There, session: Session, inner: str) -> list[tuple[str, str, str]]:
    (answer,) = [
        one
        for one in await there.says(session, f"<iq type='get' id='k' to='{GROUP}'>{inner}</iq>")
        if one.kind == "iq"
    ]
    if answer.type == "error":
        return [(condition, "", "") for condition in conditions([answer])]
    return [
        (one.get("jid", "").partition("@")[0], one.get("id", ""), "".join(one.itertext()))
        for one in answer.element[0]
    ]


async def test_members_get_the_devices_and_bundles_of_each_other(there: There) -> None:
    ada = await there.person("ada/phone")
    ben = await there.person("ben/phone")
    eve = await there.person("eve/phone")
    await publish(there, ada, 1, 2)
    await publish(there, ben, 3)
    await publish(there, eve, 4)
    await there.make(ada)
    await there.affiliate(ada, {"ben": "member"})
    all_devices = f"<devices xmlns='{GROUPS}'/>"
    assert await ask(there, ben, all_devices) == [("ada", "1", ""), ("ada", "2", ""), ("ben", "3", "")]
    one = f"<devices xmlns='{GROUPS}'><member jid='ada@{DOMAIN}'/><member jid='eve@{DOMAIN}'/></devices>"
    assert await ask(there, ben, one) == [("ada", "1", ""), ("ada", "2", "")]
    wanted = "".join(
        f"<device jid='{who}@{DOMAIN}' id='{id}'/>" for who, id in (("ada", 2), ("eve", 4), ("ben", 9))
    )
    assert await ask(there, ben, f"<bundles xmlns='{GROUPS}'>{wanted}</bundles>") == [("ada", "2", "2")]
    assert await ask(there, eve, all_devices) == [("item-not-found", "", "")]
    await publish(there, ada, 2, 7)
    assert [id for _, id, _ in await ask(there, ben, all_devices)] == ["2", "7", "3"]
    await there.affiliate(ada, {"ben": "none"})
    assert await ask(there, ben, all_devices) == [("item-not-found", "", "")]


@pytest.mark.parametrize("id", ["x", "", "-1", "1.5"])
async def test_a_device_is_a_number(there: There, id: str) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    inner = f"<bundles xmlns='{GROUPS}'><device jid='ada@{DOMAIN}' id='{id}'/></bundles>"
    assert await ask(there, ada, inner) == [("bad-request", "", "")]
    large = f"<bundles xmlns='{GROUPS}'><device jid='ada@{DOMAIN}' id='99999999999999999999'/></bundles>"
    assert await ask(there, ada, large) == []


async def test_an_answer_has_a_bound(there: There) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    many = "".join(f"<device jid='ada@{DOMAIN}' id='{id}'/>" for id in range(51))
    assert await ask(there, ada, f"<bundles xmlns='{GROUPS}'>{many}</bundles>") == [
        ("policy-violation", "", "")
    ]


async def test_a_list_of_devices_has_a_bound(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = await there.person("ada/phone")
    await there.make(ada)
    monkeypatch.setattr(devices, "MAX_DEVICES", 2)
    await publish(there, ada, 9, 8, 7)
    assert [id for _, id, _ in await ask(there, ada, f"<devices xmlns='{GROUPS}'/>")] == ["8", "9"]
