"""Whoever is suspended or banned is out at once, and has no way back in, until that is lifted."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest

from tests.admin.operator import Operator, kith
from tests.api.person import Device, Person, until
from tests.api.test_devices import forget_codes
from tests.conftest import RunningServer, running
from tests.raw import RawClient, authenticate, body, condition, online, plain

_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"operators": "boss@localhost", "phone_country": "DE"}
    with running(tmp_path_factory.mktemp("kith") / "data", **settings) as server:
        yield server


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server where people choose names and passwords."""
    with running(tmp_path_factory.mktemp("kith") / "data", registration="open") as server:
        yield server


@pytest.fixture(scope="module")
def operator(server: RunningServer) -> Operator:
    return Operator(server)


async def failure(server: RunningServer, user: str, classic: bool = False) -> tuple[str, str]:
    """The condition and the text of a failed login with the right password."""
    async with RawClient(server.port) as client:
        if classic:
            client.open(then=f"<auth xmlns='{_SASL}' mechanism='PLAIN'>{plain(user, 'pw')}</auth>")
        else:
            client.open(sender=f"{user}@localhost", then=authenticate(user))
        answer = await client.tag("failure")
        return answer[0].tag.partition("}")[2], answer.findtext(".//{*}text") or ""


async def ended(client: RawClient) -> tuple[str, str]:
    """The condition and the text of the stream error that ends a connection."""
    error = await client.tag("error")
    await client.end()
    return condition(error), error.findtext("{*}text") or ""


async def register(server: RunningServer, name: str, inside: str = "") -> Element:
    """Tries to create an account in-band (XEP-0077)."""
    async with RawClient(server.port) as client:
        client.open()
        await client.tag("features")
        if inside:
            await client.iq("set", inside, to="localhost")
        query = f"<username>{name}</username><password>pw</password>"
        return await client.iq("set", f"<query xmlns='jabber:iq:register'>{query}</query>", to="localhost")


async def test_a_suspended_account_is_out_at_once_and_back_afterwards(
    server: RunningServer, operator: Operator
) -> None:
    ada = server.add_user("ada")
    server.add_user("ben")
    phone, laptop = await online(server.port, "ada", "phone"), await online(server.port, "ada", "laptop")
    friend = await online(server.port, "ben")
    made = await operator.done("PUT", "/people/ada/suspension", {"reason": "Please call us.", "days": 7})
    assert (made["kind"], made["value"]) == ("suspension", "ada")
    for client in (phone, laptop):
        assert await ended(client) == ("not-authorized", "Please call us.")
    for classic in (False, True):
        assert await failure(server, "ada", classic) == ("account-disabled", "Please call us.")
    shown = await operator.done("GET", "/people/ada")
    assert (shown["state"], shown["bans"][0]["id"]) == ("suspended", made["id"])
    friend.send(f"<message to='{ada}' type='chat'><body>later</body></message>")
    await friend.expect_nothing()
    await operator.done("DELETE", f"/people/{ada}/suspension")
    client = await online(server.port, "ada", presence=None)
    client.send("<presence/>")
    assert body(await client.message()) == "later"
    assert (await operator.ask("DELETE", "/people/ada/suspension")).status == 404
    for one in (client, friend):
        one.abort()


async def test_only_who_proves_the_password_learns_of_a_suspension(
    server: RunningServer, operator: Operator
) -> None:
    server.add_user("cat")
    await operator.done("PUT", "/people/cat/suspension", {})
    async with RawClient(server.port) as client:
        client.open(sender="cat@localhost", then=authenticate("cat", "wrong"))
        assert (await client.tag("failure"))[0].tag.endswith("}not-authorized")
    for _ in range(25):  # a right password is no guess, so it does not fill the limit on guesses
        assert (await failure(server, "cat"))[0] == "account-disabled"
    lines = [line for line in server.log.read_text().splitlines() if "cat@localhost" in line]
    failed = [line for line in lines if 'event="login failed"' in line]  # for which fail2ban bans
    assert len(failed) == 1


async def test_a_suspension_ends_by_itself(server: RunningServer, operator: Operator) -> None:
    server.add_user("dan")
    await operator.done("PUT", "/people/dan/suspension", {"days": 3 / 86400})
    assert (await failure(server, "dan"))[0] == "account-disabled"

    async def back() -> bool:
        async with RawClient(server.port) as client:
            client.open(sender="dan@localhost", then=authenticate("dan"))
            return (await client.take(lambda e: e.tag.startswith("{urn:xmpp:sasl:2}"))).tag.endswith(
                "success"
            )

    await until(back)
    bans = await operator.done("GET", "/bans")
    assert "dan" not in [ban["value"] for ban in bans["bans"]]


async def test_a_device_of_a_banned_number_is_out_everywhere(
    server: RunningServer, operator: Operator
) -> None:
    person = Person(server)
    phone = await person.register()
    client = await phone.online(server.port)
    id = await operator.ban("number", person.number)
    assert (await ended(client))[0] == "not-authorized"
    async with RawClient(server.port) as client:  # by its token
        request = authenticate(
            phone.local,
            inline="<fast xmlns='urn:xmpp:fast:0'/>",
            agent=phone.login["agent"],
            mechanism="HT-SHA-256-NONE",
            data=phone.proof(),
        )
        client.open(sender=phone.login["address"], then=request)
        assert (await client.tag("failure"))[0].tag.endswith("}account-disabled")
    answer = await person.ask("GET", "/api/account", device=phone)
    assert (answer.status, answer.error) == (403, "account-disabled")
    forget_codes(server)
    code = await person.send_code()
    answer = await person.try_to_register("tablet", code)
    assert (answer.status, answer.error) == (403, "account-disabled")
    await operator.lift(id)
    (await phone.online(server.port)).abort()


async def test_a_ban_outlives_the_account(server: RunningServer, operator: Operator) -> None:
    person = Person(server)
    phone = await person.register()
    id = await operator.ban("number", person.number, reason="Spam.")
    await operator.done("DELETE", f"/people/%2B{phone.local[1:]}")
    assert (await operator.ask("GET", f"/people/%2B{phone.local[1:]}")).status == 404
    forget_codes(server)
    answer = await person.try_to_register("again", await person.send_code())
    assert (answer.status, answer.error, answer.body["text"]) == (403, "banned", "Spam.")
    added = await operator.ask("POST", "/people", {"address": person.number, "password": "secret"})
    assert (added.status, added.error) == (403, "banned")
    await operator.lift(id)
    forget_codes(server)
    assert (await person.register()).local == person.number


async def test_nobody_moves_to_a_banned_number_or_away_from_a_ban(
    server: RunningServer, operator: Operator
) -> None:
    person, other = Person(server), Person(server)
    phone = await person.register()
    id = await operator.ban("number", other.number)
    request = {"number": other.number, "code": await other.send_code()}
    answer = await person.ask("POST", "/api/account/number", request, phone)
    assert (answer.status, answer.error) == (403, "banned")
    await operator.lift(id)
    id = await operator.ban("account", person.number)
    forget_codes(server)
    request = {"number": other.number, "code": await other.send_code()}
    answer = await person.ask("POST", "/api/account/number", request, phone)
    assert (answer.status, answer.error) == (403, "account-disabled")
    await operator.lift(id)


async def test_a_ban_names_the_address_that_somebody_has_now(
    server: RunningServer, operator: Operator
) -> None:
    person, new = Person(server), Person(server)
    phone = await person.register()
    request = {"number": new.number, "code": await new.send_code()}
    await person.done("POST", "/api/account/number", request, phone)
    old = f"/people/%2B{person.number[1:]}"
    assert (await operator.done("GET", old))["address"] == f"{new.number}@localhost"
    assert (await operator.ask("DELETE", old)).error == "conflict"
    answer = await operator.ask("POST", "/bans", {"kind": "number", "value": person.number})
    assert (answer.status, answer.error) == (409, "conflict")
    assert new.number in answer.body["text"]


@pytest.mark.parametrize(("kind", "value"), [("prefix", "+44 7400*"), ("country", "GB")])
async def test_a_prefix_or_country_gets_no_code_and_no_login(
    server: RunningServer, operator: Operator, kind: str, value: str
) -> None:
    server.add_user("+447400123456")
    client = await online(server.port, "+447400123456")
    id = await operator.ban(kind, value)
    assert (await ended(client))[0] == "not-authorized"
    assert (await failure(server, "+447400123456"))[0] == "account-disabled"
    answer = await Person(server, "+447400123457").ask(
        "POST", "/api/register/code", {"number": "07400 123457", "country": "GB"}
    )
    assert (answer.status, answer.error) == (403, "banned")
    await operator.lift(id)
    (await online(server.port, "+447400123456")).abort()


async def test_a_ban_for_new_accounts_leaves_others_alone(server: RunningServer, operator: Operator) -> None:
    server.add_user("+33612345678")
    client = await online(server.port, "+33612345678")
    id = await operator.ban("country", "FR", scope="registration")
    await client.ping()
    (await online(server.port, "+33612345678")).abort()
    answer = await Person(server, "+33612345679").ask(
        "POST", "/api/register/code", {"number": "+33612345679"}
    )
    assert (answer.status, answer.error) == (403, "banned")
    assert (await operator.done("GET", "/people/%2B33612345678"))["state"] == "active"
    await operator.lift(id)
    client.abort()


async def test_somebody_in_a_banned_network_gets_no_code_and_can_not_use_a_token(
    server: RunningServer, operator: Operator
) -> None:
    person = Person(server)
    phone = await person.register()
    id = await operator.ban("network", f"{person.address}/32", reason="No.")
    answer = await person.ask("POST", "/api/register/code", {"number": person.number})
    assert (answer.status, answer.error, answer.body["text"]) == (403, "banned", "No.")
    answer = await person.ask("GET", "/api/account", device=phone)
    assert (answer.status, answer.error) == (403, "banned")
    elsewhere = Person(server, person.number)
    assert (await elsewhere.ask("GET", "/api/account", device=phone)).status == 200
    await operator.lift(id)


async def test_a_link_does_not_let_a_banned_account_in(server: RunningServer, operator: Operator) -> None:
    person = Person(server)
    phone: Device = await person.register()
    box = (await person.done("POST", "/api/links", {})).body
    ticket = "A" * 43
    import base64
    import hashlib

    digest = base64.urlsafe_b64encode(hashlib.sha256(base64.urlsafe_b64decode(ticket + "=")).digest())
    approval = {"ticket_hash": digest.decode().rstrip("="), "sealed": "AAAA"}
    approved = await person.ask("PUT", f"/api/links/{box['id']}", approval, phone)
    if approved.status >= 300:
        pytest.fail(str(approved))
    id = await operator.ban("number", person.number)
    answer = await person.ask("POST", f"/api/links/{box['id']}/device", {"ticket": ticket})
    assert (answer.status, answer.error) == (403, "account-disabled"), answer
    await operator.lift(id)


async def test_operators_can_not_be_banned_over_the_api(server: RunningServer, operator: Operator) -> None:
    server.add_user("boss")
    for path, request in (
        ("/bans", {"kind": "account", "value": "Boss"}),
        ("/people/boss/suspension", {}),
    ):
        answer = await operator.ask("PUT" if "people" in path else "POST", path, request)
        assert (answer.status, answer.error) == (409, "conflict")


async def test_a_command_ends_sessions_of_a_running_server(server: RunningServer) -> None:
    server.add_user("eve")
    client = await online(server.port, "eve")
    done = await asyncio.to_thread(kith, server, "user", "ban", "eve", "--reason", "Enough.")
    assert "Banned: account eve" in done.stdout
    assert await failure(server, "eve") == ("account-disabled", "Enough.")  # when the command returns
    assert await ended(client) == ("not-authorized", "Enough.")
    listed = await asyncio.to_thread(kith, server, "user", "bans")
    assert re.search(r"account +eve +everything .* Enough\.", listed.stdout)
    (row,) = [
        ban
        for line in (await asyncio.to_thread(kith, server, "user", "bans", "--json")).stdout.splitlines()
        if (ban := json.loads(line))["value"] == "eve"
    ]
    assert (row["kind"], row["reason"], row["until"]) == ("account", "Enough.", None)
    refused = await asyncio.to_thread(kith, server, "user", "add", "Eve", "--password", "x", check=False)
    assert "is banned (account eve)" in refused.stderr
    assert (
        "No longer banned" in (await asyncio.to_thread(kith, server, "user", "unban", "eve@localhost")).stdout
    )

    async def back() -> bool:
        return await can_log_in(server, "eve")

    await until(back)


async def can_log_in(server: RunningServer, user: str) -> bool:
    async with RawClient(server.port) as client:
        client.open(sender=f"{user}@localhost", then=authenticate(user))
        answer = await client.take(lambda e: e.tag.startswith("{urn:xmpp:sasl:2}"))
        return answer.tag.endswith("}success")


async def test_a_ban_between_login_and_binding_counts(server: RunningServer, operator: Operator) -> None:
    server.add_user("fay")
    async with RawClient(server.port) as client:
        await client.login("fay")
        id = await operator.ban("account", "fay")
        client.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
        assert (await ended(client))[0] == "not-authorized"
    await operator.lift(id)


async def test_a_banned_session_is_not_resumed(server: RunningServer, operator: Operator) -> None:
    server.add_user("gus")
    async with RawClient(server.port) as client:
        enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
        await client.login2("gus", f"<bind xmlns='urn:xmpp:bind:0'>{enable}</bind>")
        enabled = client.success.find(".//{urn:xmpp:sm:3}enabled")
        assert enabled is not None, tostring(client.success)
        client.abort()
    id = await operator.ban("account", "gus")
    resume = f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled.get('id')}' h='0'/>"
    async with RawClient(server.port) as client:
        client.open(sender="gus@localhost", then=authenticate("gus", inline=resume))
        assert (await client.tag("failure"))[0].tag.endswith("}account-disabled")
    await operator.lift(id)
    async with RawClient(server.port) as client:
        success = await client.login2("gus", resume)
        assert success.find("{urn:xmpp:sm:3}resumed") is None


async def test_a_ban_lasts_over_a_restart(server: RunningServer, operator: Operator) -> None:
    server.add_user("hal")
    id = await operator.ban("account", "hal")
    server.kill()
    server.start()
    assert (await failure(server, "hal"))[0] == "account-disabled"
    await operator.lift(id)


async def test_a_session_of_somebody_suspended_meanwhile_does_not_come_back(
    server: RunningServer, operator: Operator
) -> None:
    """Otherwise contacts would see them online until the session expires."""
    for name in ("kim", "lou"):
        server.add_user(name)
        async with RawClient(server.port) as client:
            enable = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
            await client.login2(name, f"<bind xmlns='urn:xmpp:bind:0'>{enable}</bind>")
            client.send("<presence/>")
            await client.tag("presence")
    assert server.stop() == 0
    kith(server, "user", "suspend", "kim")
    server.start()
    assert (await operator.done("GET", "/people/kim"))["sessions"] == []
    assert len((await operator.done("GET", "/people/lou"))["sessions"]) == 1
    await operator.done("DELETE", "/people/kim/suspension")


# -- names and invitations ---------------------------------------------------------------------------


async def test_a_banned_name_can_not_be_registered(named: RunningServer) -> None:
    operator = Operator(named)
    for name in ("mallory", "+491701111111"):
        id = await operator.ban("account", name)
        answer = await register(named, name.upper())
        assert condition(answer) == "forbidden"
        await operator.lift(id)
        assert (await register(named, name)).get("type") == "result"


async def test_an_invitation_of_somebody_banned_is_void(named: RunningServer) -> None:
    operator = Operator(named)
    named.add_user("ivy")
    shown = kith(named, "invite", "--contact", "ivy").stdout
    found = re.search(r"/invite/(\S+)", shown)
    assert found is not None
    preauth = f"<preauth xmlns='urn:xmpp:pars:0' token='{found[1]}'/>"
    async with RawClient(named.port) as client:
        client.open()
        await client.tag("features")
        assert (await client.iq("set", preauth, to="localhost")).get("type") == "result"
        id = await operator.ban("account", "ivy")
        query = "<username>guest</username><password>pw</password>"
        answer = await client.iq("set", f"<query xmlns='jabber:iq:register'>{query}</query>", to="localhost")
        assert condition(answer) == "item-not-found"
        assert condition(await client.iq("set", preauth, to="localhost")) == "item-not-found"
    await operator.lift(id)
    assert (await register(named, "guest", preauth)).get("type") == "result"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("ban", "0.0.0.0/0"), "0.0.0.0/0 is too wide"),
        (("ban", "127.0.0.1"), "this machine or of a trusted proxy"),
        (("ban", "ada@elsewhere.example"), "is not on localhost"),
        (("ban", "--country", "Germany"), "write two letters"),
        (("ban", "--country", "--prefix", "DE"), "exclude each other"),
        (("ban", "ivy", "+1"), "is not a phone number"),
        (("unban", "ivy"), "ivy is not banned"),
        (("suspend", "nobody"), "there is no account nobody@localhost"),
        (("resume", "ivy"), "ivy@localhost is not suspended"),
    ],
)
async def test_what_can_not_be_done_is_said_in_one_line(
    named: RunningServer, arguments: tuple[str, ...], text: str
) -> None:
    named.add_user("ivy")
    done = await asyncio.to_thread(kith, named, "user", *arguments, check=False)
    assert done.returncode == 2
    assert text in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Nobody is suspended or banned" in (await asyncio.to_thread(kith, named, "user", "bans")).stdout


async def test_an_account_is_removed_for_good_in_one_step(named: RunningServer) -> None:
    named.add_user("gone")
    done = await asyncio.to_thread(kith, named, "user", "remove", "Gone", "--yes", "--ban")
    assert "gone@localhost was banned and removed" in done.stdout
    assert condition(await register(named, "gone")) == "forbidden"
    await asyncio.to_thread(kith, named, "user", "unban", "gone")
    assert (await register(named, "gone")).get("type") == "result"


async def test_an_app_says_why_an_account_is_not_let_in(named: RunningServer, tmp_path: Path) -> None:
    named.add_user("jan")
    operator = Operator(named)
    await operator.done("PUT", "/people/jan/suspension", {"reason": "Please call us."})
    (tmp_path / "password").write_text("pw\n")
    login = ("--jid", "jan@localhost", "--password-file", str(tmp_path / "password"), "--insecure")
    place = ("--host", "localhost", "--port", str(named.port), "--data", str(tmp_path / "app"))
    sent = await asyncio.to_thread(kith, named, "send", "ivy@localhost", "hello", *login, *place, check=False)
    assert "the server does not let this account in. Please call us." in sent.stderr
    assert sent.returncode == 1
