"""XEP-0401 and XEP-0379: people invite people from their clients."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import aiohttp
import pytest

from tests.conftest import RunningServer, running
from tests.features.adhoc import command, do, values
from tests.features.slix import connected
from tests.features.test_registration import Newcomer, account, preauth, query
from tests.raw import CLIENT, RawClient, condition, online

INVITE, CREATE = "urn:xmpp:invite#invite", "urn:xmpp:invite#create-account"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """People may invite people to an account."""
    settings = {"registration": "invite", "user_invites": "on", "operators": "boss@localhost"}
    with running(tmp_path_factory.mktemp("kith") / "data", **settings) as it:
        for name in ("boss", "ada", "ben", "eve"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Nobody makes an account but the operator."""
    with running(tmp_path_factory.mktemp("kith") / "data", operators="boss@localhost") as it:
        for name in ("boss", "ada", "ben", "eve", "guest"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


async def invitation(client: RawClient) -> tuple[str, str]:
    """The ``xmpp:`` link, and the token in it."""
    made = await client.iq("set", command(INVITE), "localhost")
    link = values(made, "uri")[0] or ""
    match = re.search(r"preauth=([^;]+)", link)
    assert match is not None
    return link, match[1]


def subscribe(to: str, token: str) -> str:
    return f"<presence type='subscribe' to='{to}'>{preauth(token)}</presence>"


async def roster(client: RawClient) -> dict[str, str]:
    answer = await client.iq("get", "<query xmlns='jabber:iq:roster'/>")
    return {item.get("jid", ""): item.get("subscription", "") for item in answer[0]}


def is_iq_set(element: Element) -> bool:
    return element.tag == CLIENT + "iq" and element.get("type") == "set"


async def test_a_person_invites_a_friend_to_an_account(server: RunningServer) -> None:
    async with connected(server.port, "ada@localhost") as other:
        other.register_plugin("xep_0050")
        found = (await other.plugin["xep_0050"].get_commands("localhost"))["disco_items"]["items"]
        assert INVITE in {node for _, node, _ in found}
        assert CREATE not in {node for _, node, _ in found}
    ada = await online(server.port, "ada")
    await roster(ada)
    link, token = await invitation(ada)
    assert link == f"xmpp:ada@localhost?roster;preauth={token};ibr=y"
    made = await ada.iq("set", command(INVITE), "localhost")
    assert values(made, "landing-url")[0] == (
        f"https://localhost:{server.https_port}/invite/" + (values(made, "uri")[0] or "").split("=")[1][:-4]
    )
    until = datetime.datetime.fromisoformat(values(made, "expire")[0] or "")
    assert (
        datetime.timedelta(days=6) < until - datetime.datetime.now(datetime.UTC) < datetime.timedelta(days=8)
    )
    async with Newcomer(server.port) as guest:
        assert (await guest.iq("set", preauth(token), "localhost")).get("type") == "result"
        assert (await guest.iq("set", account("newfriend"), "localhost")).get("type") == "result"
    push = await ada.take(is_iq_set)
    assert (push[0][0].get("jid"), push[0][0].get("subscription")) == ("newfriend@localhost", "both")
    ada.abort()


async def test_who_has_an_account_becomes_a_contact_with_the_token_once(server: RunningServer) -> None:
    ada, ben, eve = [await online(server.port, name) for name in ("ada", "ben", "eve")]
    _, token = await invitation(ada)
    ben.send(subscribe("ada@localhost", token))
    await ben.take(lambda e: e.get("type") == "subscribed" and e.get("from") == "ada@localhost")
    asked = await ben.take(lambda e: e.get("type") == "subscribe" and e.get("from") == "ada@localhost")
    assert asked.find("{urn:xmpp:pars:0}preauth") is None
    ben.send("<presence type='subscribed' to='ada@localhost'/>")
    await ben.ping()
    await ada.take(lambda e: e.get("type") == "subscribed")
    assert (await roster(ada))["ben@localhost"] == (await roster(ben))["ada@localhost"] == "both"
    eve.send(subscribe("ada@localhost", token))
    await eve.ping()
    request = await ada.take(lambda e: e.get("type") == "subscribe")
    assert (request.get("from"), len(request)) == ("eve@localhost", 1)
    assert (await roster(eve))["ada@localhost"] == "none"
    for client in (ada, ben, eve):
        client.abort()


async def test_a_token_opens_the_door_of_who_has_made_it_and_no_other(server: RunningServer) -> None:
    ada, ben, eve = [await online(server.port, name) for name in ("ada", "ben", "eve")]
    _, token = await invitation(ada)
    eve.send(subscribe("ben@localhost", token))
    eve.send(subscribe("ben@localhost", "guessed"))
    await eve.ping()
    assert (await ben.take(lambda e: e.get("type") == "subscribe")).get("from") == "eve@localhost"
    assert (await roster(eve))["ben@localhost"] == "none"
    ada.send("<presence type='unsubscribed' to='eve@localhost'/>")  # what the test before has left
    await ada.ping()
    eve.send(subscribe("ada@localhost", token))
    await eve.take(lambda e: e.get("type") == "subscribed" and e.get("from") == "ada@localhost")
    for client in (ada, ben, eve):
        client.abort()


async def test_an_operator_invites_to_an_account_of_a_name_which_is_kept_for_it(
    server: RunningServer,
) -> None:
    boss = await online(server.port, "boss")
    made = await do(boss, CREATE, username="Zoe", roster_subscription="1")
    link = values(made, "uri")[0] or ""
    token = link.partition("preauth=")[2]
    assert link == f"xmpp:zoe@localhost?register;preauth={token}"
    assert condition(await do(boss, CREATE, username="zoe")) == "conflict"
    assert condition(await do(boss, CREATE, username="ada")) == "conflict"
    assert condition(await do(boss, CREATE, username="a@b")) == "bad-request"
    assert "reserved" in server.kith("invite", "--name", "zoe", check=False).stderr
    free = values(await do(boss, CREATE, username=""), "uri")[0] or ""
    assert free.startswith("xmpp:localhost?register;preauth=")
    async with Newcomer(server.port) as thief:
        await thief.result("set", preauth(free.partition("preauth=")[2]), "localhost")
        assert condition(await thief.iq("set", account("zoe"), "localhost")) == "conflict"
    async with Newcomer(server.port) as zoe:
        await zoe.result("set", preauth(token), "localhost")
        assert condition(await zoe.iq("set", account("other"), "localhost")) == "not-allowed"
        assert (await zoe.iq("set", account("zoe"), "localhost")).get("type") == "result"
    assert (await roster(boss))["zoe@localhost"] == "both"
    boss.abort()


async def test_who_is_no_operator_makes_no_invitations_to_a_name(server: RunningServer) -> None:
    ada = await online(server.port, "ada")
    assert condition(await ada.iq("set", command(CREATE), "localhost")) == "forbidden"
    ada.abort()


async def test_one_person_has_a_bounded_number_of_open_invitations(server: RunningServer) -> None:
    eve = await online(server.port, "eve")
    for _ in range(20):
        await invitation(eve)
    answer = await eve.iq("set", command(INVITE), "localhost")
    assert condition(answer) == "resource-constraint"
    eve.abort()


async def test_where_registration_is_closed_an_invitation_makes_contacts_and_no_account(
    closed: RunningServer,
) -> None:
    ada, guest = await online(closed.port, "ada"), await online(closed.port, "guest")
    link, token = await invitation(ada)
    assert link == f"xmpp:ada@localhost?roster;preauth={token}"
    async with Newcomer(closed.port) as newcomer:
        assert condition(await newcomer.iq("set", preauth(token), "localhost")) == "service-unavailable"
        assert condition(await newcomer.iq("get", query(""), "localhost")) == "service-unavailable"
    page = f"http://127.0.0.1:{closed.http_port}/invite/{token}"
    async with aiohttp.ClientSession() as http, http.get(page) as answer:
        text = await answer.text()
        assert answer.status == 200
        assert f"xmpp:ada@localhost?roster;preauth={token}" in text
        assert "become contacts" in text
    guest.send(subscribe("ada@localhost", token))
    await guest.take(lambda e: e.get("type") == "subscribed")
    boss = await online(closed.port, "boss")
    assert condition(await boss.iq("set", command(CREATE), "localhost")) == "forbidden"
    for client in (ada, guest, boss):
        client.abort()


async def test_an_invitation_to_be_contacts_makes_no_account(closed: RunningServer) -> None:
    """It was made before the setting was changed."""
    ada = await online(closed.port, "ada")
    _, token = await invitation(ada)
    ada.abort()
    closed.stop()
    closed.environ["KITH_REGISTRATION"] = "invite"
    closed.start()
    async with Newcomer(closed.port) as newcomer:
        assert condition(await newcomer.iq("set", preauth(token), "localhost")) == "item-not-found"
