"""XEP-0077 and XEP-0445: accounts by invitation, new passwords, and farewells."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import aiohttp
import pytest

from tests.conftest import RunningServer, running
from tests.raw import CLIENT, RawClient, authenticate, body, condition, online

REGISTER = "{jabber:iq:register}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", registration="invite") as it:
        for name in ("host", "leaver", "friend", "forgetful"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


def invitation(server: RunningServer, *arguments: str) -> tuple[str, str]:
    """The token and what was printed."""
    printed = server.kith("invite", *arguments).stdout
    match = re.search(r"/invite/(\S+)", printed)
    assert match is not None, printed
    return match[1], printed


def query(inside: str) -> str:
    return f"<query xmlns='jabber:iq:register'>{inside}</query>"


def account(name: str, password: str = "pw") -> str:
    return query(f"<username>{name}</username><password>{password}</password>")


def preauth(token: str) -> str:
    return f"<preauth xmlns='urn:xmpp:pars:0' token='{token}'/>"


class Newcomer(RawClient):
    """Has opened a stream, and no account."""

    features: Element

    async def connect(self) -> None:
        await super().connect()
        self.open()
        self.features = await self.tag("features")


async def test_an_invitation_makes_one_account_with_a_friend(server: RunningServer) -> None:
    token, printed = invitation(server, "--contact", "host")
    assert f"xmpp:host@localhost?roster;preauth={token};ibr=y" in printed
    host = await online(server.port, "host")
    await host.result("get", "<query xmlns='jabber:iq:roster'/>")
    async with Newcomer(server.port) as guest:
        assert guest.features.find("{urn:xmpp:ibr-token:0}register") is not None
        assert (await guest.iq("set", preauth(token), "localhost")).get("type") == "result"
        form = await guest.iq("get", query(""), "localhost")
        assert {e.tag for e in form[0]} >= {REGISTER + "username", REGISTER + "password"}
        assert (await guest.iq("set", account("guest"), "localhost")).get("type") == "result"
        push = await host.take(lambda e: e.get("type") == "set")
        assert (push[0][0].get("jid"), push[0][0].get("subscription")) == ("guest@localhost", "both")
    guest = await online(server.port, "guest")
    seen = await host.take(lambda e: (e.get("from") or "").startswith("guest@localhost/"))
    assert seen.tag == CLIENT + "presence"
    guest.send("<message to='host@localhost' type='chat'><body>thanks</body></message>")
    assert body(await host.message()) == "thanks"
    guest.abort()
    async with Newcomer(server.port) as second:
        assert condition(await second.iq("set", preauth(token), "localhost")) == "item-not-found"
    host.abort()


async def test_without_an_invitation_there_is_no_account(server: RunningServer) -> None:
    async with Newcomer(server.port) as stranger:
        assert condition(await stranger.iq("get", query(""), "localhost")) == "not-authorized"
        assert condition(await stranger.iq("set", account("stranger"), "localhost")) == "not-authorized"
        assert condition(await stranger.iq("set", preauth("guess"), "localhost")) == "item-not-found"
        other = "<query xmlns='jabber:iq:roster'/>"
        assert condition(await stranger.iq("get", other, "localhost")) == "service-unavailable"
        stranger.send("<message to='host@localhost'><body>hi</body></message>")
        assert (await stranger.tag("error"))[0].tag.endswith("not-authorized")


async def test_a_wrong_name_or_password_does_not_use_the_invitation_up(server: RunningServer) -> None:
    token, _ = invitation(server)
    async with Newcomer(server.port) as guest:
        await guest.result("set", preauth(token), "localhost")
        for wrong, expected in (
            (account("host"), "conflict"),
            (account("a@b"), "jid-malformed"),
            (account(""), "jid-malformed"),
            (account("x" * 65), "not-acceptable"),
            (account("fine", ""), "not-acceptable"),
        ):
            assert condition(await guest.iq("set", wrong, "localhost")) == expected
        assert (await guest.iq("set", account("fine"), "localhost")).get("type") == "result"


async def test_an_invitation_can_be_for_one_name(server: RunningServer) -> None:
    token, printed = invitation(server, "--name", "Zoe")
    assert f"xmpp:zoe@localhost?register;preauth={token}" in printed
    async with Newcomer(server.port) as guest:
        await guest.result("set", preauth(token), "localhost")
        assert condition(await guest.iq("set", account("mallory"), "localhost")) == "not-allowed"
        assert (await guest.iq("set", account("zoe"), "localhost")).get("type") == "result"


async def test_two_who_use_one_invitation_at_once_make_one_account(server: RunningServer) -> None:
    token, _ = invitation(server)
    async with Newcomer(server.port) as one, Newcomer(server.port) as two:
        for guest in (one, two):
            await guest.result("set", preauth(token), "localhost")
        answers = await asyncio.gather(
            one.iq("set", account("racer1"), "localhost"), two.iq("set", account("racer2"), "localhost")
        )
    assert sorted(answer.get("type") or "" for answer in answers) == ["error", "result"]


async def test_an_invitation_expires(server: RunningServer) -> None:
    token, _ = invitation(server, "--days", "0.01")
    async with aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{server.http_port}/invite/{token}"
        async with http.get(url) as answer:
            text = await answer.text()
            assert answer.status == 200
            assert token in text
            assert "script" not in text
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
        async with http.get(url[:-1] + ("_" if url[-1] != "_" else "-")) as answer:
            assert answer.status == 404
            assert "no longer valid" in await answer.text()


async def test_tokens_of_invitations_are_not_in_the_database(server: RunningServer) -> None:
    token, _ = invitation(server)
    kept = server.on_disk()
    assert b"invites" in kept
    assert token.encode() not in kept


# -- one's own account ----------------------------------------------------------------------------


async def test_a_new_password_is_the_only_one_from_then_on(server: RunningServer) -> None:
    async with RawClient(server.port) as client:
        await client.login("forgetful")
        await client.bind()
        assert condition(await client.iq("set", account("forgetful", ""), "localhost")) == "bad-request"
        assert condition(await client.iq("set", account("host", "x"), "localhost")) == "forbidden"
        known = await client.iq("get", query(""), "localhost")
        assert known[0].findtext(REGISTER + "username") == "forgetful"
        assert (await client.iq("set", account("forgetful", "new"), "localhost")).get("type") == "result"
    async with RawClient(server.port) as client:
        await client.login("forgetful", "new")
    async with RawClient(server.port) as client:
        client.open(then=authenticate("forgetful", "pw"))
        assert (await client.tag("failure"))[0].tag.endswith("}not-authorized")


async def ended(client: RawClient) -> str:
    """The condition of the stream error with which it ends."""
    error = await client.take(lambda element: element.tag.endswith("}error"), 20)
    await client.end()
    return error[0].tag.partition("}")[2]


async def test_a_new_password_ends_all_other_sessions(server: RunningServer) -> None:
    server.add_user("cleo")
    one, plain, token = (
        await online(server.port, "cleo"),
        await online(server.port, "cleo"),
        RawClient(server.port),
    )
    await token.connect()
    await token.login2("cleo", "<bind xmlns='urn:xmpp:bind:0'/>", agent=str(uuid.uuid4()))
    waiting = RawClient(server.port)  # authenticated by the older password, and not bound yet
    await waiting.connect()
    await waiting.login("cleo")
    answer = await one.iq("set", account("cleo", "new"))
    assert answer.get("type") == "result"
    for other in (plain, token):
        assert await ended(other) == "not-authorized"
    waiting.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
    refused = await waiting.take(lambda element: element.get("id") == "bind")
    assert (refused.get("type"), condition(refused)) == ("error", "not-authorized")
    await one.ping()
    again = RawClient(server.port)
    await again.connect()
    await again.login("cleo", "new")
    await again.bind()
    for client in (one, again, waiting):
        client.abort()


async def test_a_password_that_the_operator_changes_beside_the_server_ends_all_sessions(
    server: RunningServer,
) -> None:
    server.add_user("mara")
    clients = [await online(server.port, "mara") for _ in range(2)]
    stranger = await online(server.port, "friend")
    server.kith("user", "passwd", "mara", "--password", "new")
    for client in clients:
        assert await ended(client) == "not-authorized"
    await stranger.ping()
    again = RawClient(server.port)
    await again.connect()
    await again.login("mara", "new")
    await again.bind()
    await again.ping()
    again.abort()
    stranger.abort()


async def test_the_own_name_changes_its_password_however_it_is_written(server: RunningServer) -> None:
    """Names are compared as RFC 7622 prepares them: case, width, composition."""
    server.add_user("j\u00fcl")
    async with RawClient(server.port) as client:
        await client.login("j\u00fcl")
        await client.bind()
        for name in ("j\u00fcl", "ju\u0308l", "J\u00dcL", "\uff4a\u00fc\uff4c"):
            for form in (name, f"{name}@localhost", f"{name}@LOCALHOST", f" {name}@localhost. "):
                answer = await client.iq("set", account(form))
                assert answer.get("type") == "result", form
        for name in ("jul", "j\u00fcl@elsewhere.example", "", "a b", "\u30fb" * 5000):
            answer = await client.iq("set", account(name))
            assert condition(answer) in ("forbidden", "bad-request"), name


async def test_who_leaves_is_gone_everywhere(server: RunningServer) -> None:
    friend, leaver = await online(server.port, "friend"), await online(server.port, "leaver")
    other = await online(server.port, "leaver")
    for one, two in ((friend, leaver), (leaver, friend)):
        one.send(f"<presence type='subscribe' to='{two.bare}'/>")
        await one.ping()
        two.send(f"<presence type='subscribed' to='{one.bare}'/>")
        await two.ping()
    wrong = await leaver.iq("set", query("<remove/><username>leaver</username>"))
    assert condition(wrong) == "bad-request"
    answer = await leaver.iq("set", query("<remove/>"))
    assert answer.get("type") == "result"
    for client in (leaver, other):
        assert (await client.tag("error"))[0].tag.endswith("not-authorized")
        await client.end()
    assert (await friend.take(lambda e: e.get("type") == "unsubscribed")) is not None
    await friend.ping()
    roster = await friend.iq("get", "<query xmlns='jabber:iq:roster'/>")
    assert [i.get("subscription") for i in roster[0] if i.get("jid") == "leaver@localhost"] == ["none"]
    friend.send("<message to='leaver@localhost' type='chat'><body>hello?</body></message>")
    assert condition(await friend.take(lambda e: e.tag == CLIENT + "message")) == "service-unavailable"
    assert "leaver" not in server.kith("user", "list").stdout
    friend.abort()
