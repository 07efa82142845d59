"""XEP-0292 between two accounts: by iq, and as the node that it is."""

from collections.abc import AsyncIterator

import pytest

from tests.conftest import RunningServer
from tests.features.slix import Client, befriend, connected
from tests.features.test_pep import items, publish, read

V4 = "urn:ietf:params:xml:ns:vcard-4.0"
NODE = "urn:xmpp:vcard4"
CARD = f"<vcard xmlns='{V4}'><fn><text>{{}}</text></fn></vcard>"
EMPTY = f"<vcard xmlns='{V4}'/>"


@pytest.fixture
async def friends(
    server: RunningServer, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Client, Client]]:
    name = f"v{abs(hash(request.node.name)):x}"
    one, other = server.add_user(f"{name}1"), server.add_user(f"{name}2")
    async with (
        connected(server.port, f"{one}/a") as alice,
        connected(server.port, f"{other}/b", (NODE,)) as bob,
    ):
        await befriend(alice, bob)
        yield alice, bob


async def name(client: Client, of: Client) -> str | None:
    answer = await client.ask("get", EMPTY, of.boundjid.bare)
    return answer.xml.findtext(f".//{{{V4}}}text")


async def test_a_card_that_is_set_is_read_and_contacts_hear_of_it(friends: tuple[Client, Client]) -> None:
    alice, bob = friends
    await alice.ask("set", CARD.format("Ada"))
    assert (await bob.next_event()).get("node") == NODE
    assert await name(bob, alice) == await name(alice, alice) == "Ada"
    assert items(await read(bob, NODE, alice.boundjid.bare)) == ["current"]


async def test_a_card_that_is_published_is_what_an_iq_finds(friends: tuple[Client, Client]) -> None:
    alice, bob = friends
    await alice.ask("set", CARD.format("Old"))
    await alice.ask("set", publish(NODE, CARD.format("New"), "other"))
    assert await name(bob, alice) == "New"


async def test_what_is_refused(friends: tuple[Client, Client]) -> None:
    alice, bob = friends
    assert await name(alice, alice) is None
    assert await bob.refused("get", EMPTY, alice.boundjid.bare) == ("service-unavailable", "")
    assert await bob.refused("set", CARD.format("X"), alice.boundjid.bare) == ("forbidden", "")
    assert await bob.refused("get", EMPTY, "nobody-at-all@localhost") == ("item-not-found", "")
    big = await alice.refused("set", CARD.format("x" * 270_000))
    assert big == ("resource-constraint", "")
