"""People of an organisation log in with the password that its directory knows."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.person import Device, Person, until
from tests.conftest import RunningServer, running
from tests.core.test_sasl2 import REQUEST, agent, by_token, once
from tests.core.test_sasl2 import plain as by_password
from tests.directory.slapd import Slapd, slapd
from tests.raw import RawClient, condition, online

FAST = "{urn:xmpp:fast:0}"
REGISTER = "jabber:iq:register"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slapd]:
    with slapd(tmp_path_factory.mktemp("slapd")) as it:
        for number in range(12):
            it.add(f"person{number}")
        for name in ("ada", "ben", "cyn", "dot", "eve", "fay"):
            it.add(name)
        yield it


@pytest.fixture(scope="module")
def server(people: Slapd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = people.settings(ldap_check_seconds="1", registration="closed")
    with running(tmp_path_factory.mktemp("kith") / "data", **settings) as it:
        yield it


def accounts(server: RunningServer) -> str:
    return server.kith("user", "list").stdout


async def token_of(server: RunningServer, user: str, id: str) -> str:
    answer = await once(server.port, by_password(user, agent(id) + REQUEST.format("NONE")))
    token = answer.find(f"{FAST}token")
    assert token is not None, answer
    return str(token.get("token"))


async def refusal(server: RunningServer, user: str, password: str = "pw") -> str:
    """Why a login by RFC 6120 fails."""
    async with RawClient(server.port) as client:
        client.open()
        await client.tag("features")
        data = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        client.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{data}</auth>")
        answer = await client.take(lambda e: e.tag.endswith(("}success", "}failure")))
        return answer[0].tag.partition("}")[2] if answer.tag.endswith("failure") else "success"


async def test_an_account_is_made_at_the_first_login_and_not_by_a_wrong_password(
    server: RunningServer,
) -> None:
    for wrong in ("wrong", "", "PW"):
        assert await refusal(server, "ada", wrong) == "not-authorized"
    assert await refusal(server, "nobody") == "not-authorized"
    assert "ada@" not in accounts(server)
    first = await online(server.port, "ada")
    second = await online(server.port, "ADA")  # the same person
    assert first.bare == second.bare == "ada@localhost"
    assert "ada@localhost" in accounts(server)
    assert "nobody" not in accounts(server)
    for client in (first, second):
        client.abort()


async def test_no_scram_is_offered_which_a_directory_can_not_do(server: RunningServer) -> None:
    for sender in ("", "ada@localhost"):
        async with RawClient(server.port) as client:
            client.open(sender=sender)
            features = await client.tag("features")
            offered = {e.text for e in features.iter() if e.tag.endswith("}mechanism")}
            assert "PLAIN" in offered
            assert not {name for name in offered if name and name.startswith("SCRAM")}
            assert not [e for e in features.iter() if e.tag.endswith("}upgrade")]


async def test_a_device_comes_back_with_its_token_while_the_directory_is_down(
    server: RunningServer, people: Slapd
) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "ben", id)
    people.stop()
    try:
        answer = await once(server.port, by_token("ben", token, id))
        assert answer.tag.endswith("}success")
    finally:
        people.start()


async def test_while_the_directory_is_down_people_are_asked_to_try_again_and_nothing_counts_as_wrong(
    server: RunningServer, people: Slapd
) -> None:
    server.add_user("local")
    people.stop()
    try:
        for _ in range(25):  # more than wrong passwords would be allowed
            assert await refusal(server, "cyn") == "temporary-auth-failure"
        (await online(server.port, "local")).abort()  # who has a password here needs no directory
        assert await refusal(server, "local", "wrong") != "success"
    finally:
        people.start()
    assert await refusal(server, "cyn") == "success"
    log = server.log.read_text()
    assert "the directory can't check a password" in log
    assert "Re4der" not in log


async def test_who_has_left_the_directory_is_logged_out_and_stays_out(
    server: RunningServer, people: Slapd
) -> None:
    id = str(uuid.uuid4())
    token = await token_of(server, "dot", id)
    person = Person(server)
    device = Device((await person.done("POST", "/api/login", {"name": "dot", "password": "pw"})).body)
    app = (await person.done("POST", "/api/app-passwords", {"name": "App"}, device)).body["password"]
    assert await refusal(server, "dot", app) == "success"
    client, other = await online(server.port, "dot"), await online(server.port, "eve")
    people.remove("dot")
    await client.end()
    for password in ("pw", app):
        assert await refusal(server, "dot", password) == "not-authorized"
    answer = await once(server.port, by_token("dot", token, id))
    assert answer.tag.endswith("}failure")
    await other.ping()  # nobody else is concerned
    other.abort()
    assert "dot@localhost" in accounts(server)  # with all messages, for when they come back
    people.add("dot", "new password")
    again = await online_with(server, "dot", "new password")
    await again.ping()
    again.abort()
    assert "locked out: no longer in the directory" in server.log.read_text()


async def online_with(server: RunningServer, user: str, password: str) -> RawClient:
    client = RawClient(server.port)
    await client.connect()
    await client.login(user, password)
    await client.bind()
    return client


async def test_if_most_people_seem_to_have_left_nobody_is_logged_out(
    server: RunningServer, people: Slapd
) -> None:
    """Then somebody has changed the directory, or what may be seen of it."""
    names = [f"person{number}" for number in range(12)]
    clients = [await online(server.port, name) for name in names]
    people.remove(*names)
    async with asyncio.timeout(30):
        while "nobody is locked out" not in server.log.read_text():
            await asyncio.sleep(0.1)
    for client in clients:
        await client.ping()
    for name in names:
        people.add(name)
    for client in clients:
        client.abort()


async def test_nobody_sets_a_password_here_that_would_outlive_the_directory(server: RunningServer) -> None:
    fay = await online(server.port, "fay")
    change = f"<query xmlns='{REGISTER}'><username>fay</username><password>mine</password></query>"
    assert condition(await fay.iq("set", change, "localhost")) == "not-allowed"
    fay.abort()
    task = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-256</upgrade>"
    answer = await once(server.port, by_password("fay", task))
    assert answer.tag.endswith("}success")
    assert await refusal(server, "fay", "mine") == "not-authorized"


async def test_a_password_that_an_operator_sets_is_checked_here_alone(
    server: RunningServer, people: Slapd
) -> None:
    people.add("gus", "theirs")
    assert await refusal(server, "gus", "theirs") == "success"
    server.kith("user", "passwd", "gus", "--password", "ours")

    async def ours() -> bool:
        return await refusal(server, "gus", "ours") == "success"

    await until(ours)
    assert await refusal(server, "gus", "theirs") == "not-authorized"
    client = await online_with(server, "gus", "ours")
    people.remove("gus")
    people.add("hal")
    async with asyncio.timeout(20):  # a later check of the directory has been done
        (await online(server.port, "hal")).abort()
        people.remove("hal")
        while "account=hal@localhost" not in server.log.read_text().rpartition("locked out")[2]:
            await asyncio.sleep(0.1)
    await client.ping()
    client.abort()


def test_a_directory_that_is_down_keeps_no_server_from_starting(tmp_path: Path) -> None:
    settings = {"ldap_url": "ldaps://127.0.0.1:1", "ldap_base": "dc=example"}
    with running(tmp_path / "data", **settings) as server:
        assert "the directory does not say who has left" not in server.log.read_text()  # nobody has joined


async def test_a_web_app_logs_in_by_the_directory_and_says_so_when_that_is_down(
    server: RunningServer, people: Slapd
) -> None:
    people.add("ivy", "of the organisation")
    person = Person(server)
    assert (await person.ask("GET", "/api/login")).body == {"phone": False, "password": True}
    request = {"name": "ivy", "password": "of the organisation"}
    people.stop()
    try:
        for _ in range(25):
            answer = await person.ask("POST", "/api/login", request)
            assert (answer.status, answer.error) == (503, "unavailable")
    finally:
        people.start()
    assert (await person.ask("POST", "/api/login", request | {"password": "wrong"})).error == "wrong-password"
    device = Device((await person.done("POST", "/api/login", request)).body)
    client = await device.online(server.port)
    people.remove("ivy")
    await client.end()
    assert (await person.ask("GET", "/api/devices", device=device)).status == 401


async def test_a_phone_number_belongs_to_nobody_in_the_directory(people: Slapd, tmp_path: Path) -> None:
    """Whoever may choose their name there could take over the account otherwise."""
    settings = people.settings(registration="phone")
    with running(tmp_path / "data", **settings) as server:
        owner = Person(server)
        await owner.register()
        people.add(owner.number)
        assert await refusal(server, owner.number) == "not-authorized"
        request = {"name": owner.number, "password": "pw"}
        assert (await Person(server).ask("POST", "/api/login", request)).error == "wrong-password"
