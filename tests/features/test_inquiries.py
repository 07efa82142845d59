"""Who asks about many people who do not know it finds out about few (`kith.core.routing.inquiries`)."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.config import Config
from kith.core.actors.roster import Roster
from kith.core.routing.hosts import Hosts
from kith.core.routing.inquiries import REQUESTS_EACH, Inquiries
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from tests.conftest import RunningServer, running
from tests.raw import RawClient, condition, online

MOST = 4
PUBSUB = "http://jabber.org/protocol/pubsub"
DEVICES = f"<pubsub xmlns='{PUBSUB}'><items node='eu.siacs.conversations.axolotl.devicelist'/></pubsub>"
OWN = f"<pubsub xmlns='{PUBSUB}'><subscriptions/></pubsub>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", strangers_per_hour=str(MOST)) as it:
        for name in ("eve", "eager", "full", "lister", "friend", *(f"p{n}" for n in range(MOST + 2))):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


async def told(client: RawClient, request: str, to: str, type: str = "get") -> str:
    answer = await client.iq(type, request, to)
    return condition(answer) if answer.get("type") == "error" else "result"


async def befriend(one: RawClient, other: RawClient) -> None:
    for asker, asked in ((one, other), (other, one)):
        asker.send(f"<presence type='subscribe' to='{asked.bare}'/>")
        await asked.take(lambda e, who=asker: e.get("type") == "subscribe" and e.get("from") == who.bare)
        asked.send(f"<presence type='subscribed' to='{asker.bare}'/>")
        await asker.take(lambda e: e.get("type") == "subscribed")


async def test_so_many_strangers_can_be_asked_about_in_an_hour(server: RunningServer) -> None:
    eve, friend = await online(server.port, "eve"), await online(server.port, "friend")
    await befriend(eve, friend)
    for number in range(MOST):  # half of them exist; whichever way they are asked, each counts once
        name = f"p{number}" if number % 2 else f"nobody{number}"
        for request in (DEVICES, OWN, PING):
            assert await told(eve, request, f"{name}@localhost") in ("item-not-found", "service-unavailable")
        assert await told(eve, PING, f"{name}@localhost/phone") == "service-unavailable"
    for name in ("p5", "nobody5"):  # too many: the same for who is here and who is not
        for request in (DEVICES, OWN, PING):
            assert await told(eve, request, f"{name}@localhost") == "policy-violation"
            assert await told(eve, request, f"{name}@localhost/phone") == "policy-violation"
        publish = f"<pubsub xmlns='{PUBSUB}'><publish node='n'/></pubsub>"
        assert await told(eve, publish, f"{name}@localhost", "set") == "policy-violation"
    # the ones from before, who knows eve, the server and eve herself are no strangers
    assert await told(eve, DEVICES, "p1@localhost") == "item-not-found"
    assert await told(eve, PING, friend.bare) == "result"
    assert await told(eve, PING, "localhost") == "result"
    assert await told(eve, OWN, eve.bare) == "result"
    eve.abort()
    friend.abort()


async def test_what_one_asks_about_few_people_is_bounded_too(server: RunningServer) -> None:
    eager = await online(server.port, "eager")
    answers = [await told(eager, DEVICES, "p0@localhost") for _ in range(MOST * REQUESTS_EACH + 1)]
    assert answers == ["item-not-found"] * (MOST * REQUESTS_EACH) + ["policy-violation"]
    eager.abort()


async def test_own_subscriptions_come_in_pages_and_not_too_often(server: RunningServer) -> None:
    lister = await online(server.port, "lister")
    service = "pubsub.localhost"
    for number in range(5):
        create = f"<pubsub xmlns='{PUBSUB}'><create node='l{number}'/></pubsub>"
        assert await told(lister, create, service, "set") == "result"
    page = "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set>"
    answer = await lister.iq("get", f"<pubsub xmlns='{PUBSUB}'><affiliations/>{page}</pubsub>", service)
    assert len(answer.findall(f".//{{{PUBSUB}}}affiliation")) == 2
    assert answer.findtext(".//{http://jabber.org/protocol/rsm}count") == "5"
    answers = {await told(lister, OWN, service) for _ in range(40)}
    assert answers == {"result", "policy-violation"}
    lister.abort()


async def test_a_group_that_both_are_in_makes_acquaintances() -> None:
    """What a feature for groups says is enough, and nothing else is counted."""
    members = {"ann@x"}

    async def acquainted(account: Any, other: str) -> bool:
        return other in members

    async def account_id(jid: Any) -> int:
        return 1

    async def roster(bare: str) -> Roster:
        return Roster(1)

    accounts = SimpleNamespace(id_of=account_id, roster=roster)
    hooks = SimpleNamespace(acquainted=acquainted)
    inquiries = Inquiries(Config(strangers_per_hour=1), Domain("x"), accounts, Hosts(), hooks, Clock())  # type: ignore[arg-type]
    ann, eve = (SimpleNamespace(bare=name, jid=parse_jid(name)) for name in ("ann@x", "eve@x"))
    for number in range(5):
        assert await inquiries.admit(ann, parse_jid(f"m{number}@x"))  # type: ignore[arg-type]
    assert not await inquiries.admit(eve, parse_jid("m0@x"))  # type: ignore[arg-type]
    with pytest.raises(StanzaError):
        await inquiries.admit(eve, parse_jid("m1@x"))  # type: ignore[arg-type]
