"""XEP-0133: what an operator learns of who is there, and what nobody else learns."""

from __future__ import annotations

import datetime
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import RunningServer, running
from tests.features.adhoc import command, do, note, values
from tests.raw import Gone, RawClient, condition, online

NODES = (
    "get-registered-users-num",
    "get-online-users-num",
    "get-active-users-num",
    "get-idle-users-num",
    "get-registered-users-list",
    "get-online-users-list",
    "get-active-users",
    "get-idle-users",
    "get-user-roster",
    "get-user-lastlogin",
    "user-stats",
    "add-user",
    "delete-user",
    "end-user-session",
    "change-user-password",
    "announce",
    "disable-user",
    "reenable-user",
    "get-disabled-users-num",
    "get-disabled-users-list",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", operators="boss@localhost") as it:
        for name in ("boss", "worker", *(f"p{n:02}" for n in range(30))):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


@pytest.fixture
async def boss(server: RunningServer) -> AsyncIterator[RawClient]:
    client = await online(server.port, "boss")
    yield client
    client.abort()


async def number(boss: RawClient, name: str) -> int:
    answer = await boss.iq("set", command(f"get-{name}-users-num"), "localhost")
    return int(values(answer, f"{name}usersnum")[0] or "")


@pytest.mark.parametrize("node", NODES)
async def test_nobody_else_may(server: RunningServer, node: str) -> None:
    worker = await online(server.port, "worker")
    assert condition(await worker.iq("set", command(node), "localhost")) == "forbidden"
    info = f"<query xmlns='http://jabber.org/protocol/disco#info' node='http://jabber.org/protocol/admin#{node}'/>"
    assert condition(await worker.iq("get", info, "localhost")) == "item-not-found"
    worker.abort()


async def test_who_is_online_is_active_until_nobody_is_at_the_client(
    server: RunningServer, boss: RawClient
) -> None:
    worker = await online(server.port, "worker")
    assert [await number(boss, name) for name in ("online", "active", "idle")] == [2, 2, 0]
    worker.send("<inactive xmlns='urn:xmpp:csi:0'/>")  # which is between a client and its server
    await worker.ping()
    assert [await number(boss, name) for name in ("online", "active", "idle")] == [2, 2, 0]
    worker.send("<presence><show>xa</show></presence>")
    await worker.ping()
    assert [await number(boss, name) for name in ("online", "active", "idle")] == [2, 1, 1]
    assert values(await do(boss, "get-idle-users"), "idleuserjids") == ["worker@localhost"]
    assert values(await do(boss, "get-active-users"), "activeuserjids") == ["boss@localhost"]
    other = await online(server.port, "worker", presence="<show>away</show>")
    assert await number(boss, "idle") == 1
    worker.send("<presence/>")
    await worker.ping()
    assert await number(boss, "active") == 2
    both = ["boss@localhost", "worker@localhost"]
    assert values(await do(boss, "get-online-users-list"), "onlineuserjids") == both
    worker.abort()
    other.abort()


async def test_a_list_is_as_long_as_it_is_asked_for(server: RunningServer, boss: RawClient) -> None:
    assert await number(boss, "registered") == 32
    all = await do(boss, "get-registered-users-list")
    assert len(values(all, "registereduserjids")) == 32
    assert not note(all)
    some = await do(boss, "get-registered-users-list", max_items="25")
    assert len(values(some, "registereduserjids")) == 25
    assert note(some) == "25 of 32 are shown."
    wrong = await do(boss, "get-registered-users-list", max_items="-1")
    assert condition(wrong) == "bad-request"


async def test_one_account_is_looked_at(server: RunningServer, boss: RawClient) -> None:
    worker = await online(server.port, "worker", "desk")
    item = "<query xmlns='jabber:iq:roster'><item jid='p00@localhost' name='P'/></query>"
    await worker.result("set", item)
    roster = await do(boss, "get-user-roster", accountjids="worker@localhost")
    found = [i.get("jid") for i in roster.iter("{jabber:iq:roster}item")]
    assert found == ["p00@localhost"]
    stats = await do(boss, "user-stats", accountjid="worker@localhost")
    assert values(stats, "rostersize") == ["1"]
    assert values(stats, "onlineresources") == ["desk"]
    worker.send("<presence type='unavailable'/>")
    await worker.ping()
    last = values(await do(boss, "get-user-lastlogin", accountjids="worker@localhost"), "lastlogin")[0] or ""
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(last)
    assert age < datetime.timedelta(minutes=1)
    never = await do(boss, "get-user-lastlogin", accountjids="p01@localhost")
    assert values(never, "lastlogin") == ["never"]
    worker.abort()


async def test_an_account_that_is_not_there_is_not_found(boss: RawClient) -> None:
    for node in ("get-user-roster", "get-user-lastlogin"):
        assert condition(await do(boss, node, accountjids="nobody@localhost")) == "item-not-found"
        two = await do(boss, node, accountjids=["worker@localhost", "boss@localhost"])
        assert condition(two) == "bad-request"
    assert condition(await do(boss, "user-stats", accountjid="x@elsewhere.example")) == "bad-request"


async def test_a_disabled_user_is_out_until_it_is_enabled_again(
    server: RunningServer, boss: RawClient
) -> None:
    client = await online(server.port, "p07")
    assert note(await do(boss, "disable-user", accountjids=["p07@localhost"])) == "1 suspended."
    assert condition(await client.tag("error")) == "not-authorized"
    counted = await boss.iq("set", command("get-disabled-users-num"), "localhost")
    assert values(counted, "disabledusersnum") == ["1"]
    listed = await do(boss, "get-disabled-users-list", max_items="25")
    assert values(listed, "disableduserjids") == ["p07@localhost"]
    refused = await do(boss, "disable-user", accountjids=["p08@localhost", "boss@localhost"])
    assert condition(refused) == "not-allowed"
    with pytest.raises(Gone, match="account-disabled"):
        await online(server.port, "p07")
    note(await do(boss, "reenable-user", accountjids=["p07@localhost", "p08@localhost"]))
    (await online(server.port, "p07")).abort()
    log = server.kith("admin", "log", "--json").stdout
    assert '"action": "disable-user", "target": "p07@localhost"' in log
    assert '"via": "xmpp"' in log
