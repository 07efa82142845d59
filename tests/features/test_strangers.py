"""Who writes to many strangers is slowed down; friends and answers are not."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import RunningServer, running
from tests.raw import RawClient, body, condition, online

MOST = 3


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", strangers_per_hour=str(MOST)) as it:
        for name in ("spammer", "asker", "friend", "looking", *(f"p{n}" for n in range(MOST + 2))):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


async def say(client: RawClient, to: str, text: str = "hi") -> None:
    client.send(f"<message to='{to}@localhost' type='chat' id='{to}'><body>{text}</body></message>")
    await client.ping()


async def test_so_many_new_people_in_an_hour_and_no_more(server: RunningServer) -> None:
    spammer = await online(server.port, "spammer")
    for number in range(MOST):
        await say(spammer, f"p{number}")
    await spammer.expect_nothing()
    await say(spammer, f"p{MOST}")
    refused = await spammer.message()
    assert condition(refused) == "policy-violation"
    assert refused.find("{jabber:client}error").get("type") == "wait"  # type: ignore[union-attr]
    for _ in range(5):
        await say(spammer, "p0", "a conversation goes on")
    await spammer.expect_nothing()
    spammer.abort()


async def test_looking_for_people_by_writing_to_them_is_bounded_too(server: RunningServer) -> None:
    looking = await online(server.port, "looking")
    for number in range(MOST):
        await say(looking, f"perhaps{number}")
        assert condition(await looking.message()) == "service-unavailable"
    for name in ("perhaps9", "p0"):
        await say(looking, name)
        assert condition(await looking.message()) == "policy-violation"
    looking.abort()


async def test_an_answer_is_always_possible(server: RunningServer) -> None:
    spammer = await online(server.port, "spammer")
    other = await online(server.port, f"p{MOST + 1}")
    await say(other, "spammer", "stop it")
    assert body(await spammer.message()) == "stop it"
    await say(spammer, f"p{MOST + 1}", "sorry")
    assert body(await other.message()) == "sorry"
    spammer.abort()
    other.abort()


async def test_subscriptions_to_strangers_count_and_contacts_do_not(server: RunningServer) -> None:
    asker, friend = await online(server.port, "asker"), await online(server.port, "friend")
    friend.send("<presence type='subscribe' to='asker@localhost'/>")
    await friend.ping()
    asker.send("<presence type='subscribed' to='friend@localhost'/>")
    for number in range(MOST):
        asker.send(f"<presence type='subscribe' to='p{number}@localhost'/>")
    await asker.ping()
    asker.send(f"<presence type='subscribe' to='p{MOST}@localhost' id='s'/>")
    refused = await asker.take(lambda e: e.get("type") == "error")
    assert condition(refused) == "policy-violation"
    await say(asker, "friend", "still here")
    assert body(await friend.message()) == "still here"
    asker.abort()
    friend.abort()
