"""XEP-0050 and XEP-0133: what an operator does from a client, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from xml.etree.ElementTree import Element

import pytest

from tests.conftest import RunningServer, running
from tests.features.slix import connected
from tests.raw import RawClient, body, condition, online

ADMIN = "http://jabber.org/protocol/admin"
COMMANDS = "http://jabber.org/protocol/commands"
C, X = "{http://jabber.org/protocol/commands}", "{jabber:x:data}"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", operators="boss@localhost") as it:
        for name in ("boss", "worker", "victim"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


@pytest.fixture
async def boss(server: RunningServer) -> AsyncIterator[RawClient]:
    client = await online(server.port, "boss")
    yield client
    client.abort()


def command(node: str, inside: str = "", **attrs: str) -> str:
    more = "".join(f" {name}='{value}'" for name, value in attrs.items())
    return f"<command xmlns='{COMMANDS}' node='{ADMIN}#{node}'{more}>{inside}</command>"


def submit(**fields: str | list[str]) -> str:
    inner = ""
    for name, values in fields.items():
        texts = [values] if isinstance(values, str) else values
        inner += f"<field var='{name.replace('_', '-')}'>" + "".join(f"<value>{t}</value>" for t in texts)
        inner += "</field>"
    return f"<x xmlns='jabber:x:data' type='submit'>{inner}</x>"


async def do(client: RawClient, node: str, **fields: str | list[str]) -> Element:
    """Gets the form and sends it back filled in."""
    first = await client.iq("set", command(node), "localhost")
    assert first[0].get("status") == "executing", first
    session = first[0].get("sessionid", "")
    return await client.iq("set", command(node, submit(**fields), sessionid=session), "localhost")


def note(answer: Element) -> str:
    assert answer.get("type") == "result", condition(answer)
    assert answer[0].get("status") == "completed"
    return answer[0].findtext(f"{C}note") or ""


def values(answer: Element, var: str) -> list[str | None]:
    fields = [f for f in answer.iter(f"{X}field") if f.get("var") == var]
    return [value.text for value in fields[0]]


async def test_commands_are_found_by_the_operator_only(server: RunningServer) -> None:
    async with (
        connected(server.port, "boss@localhost") as boss,
        connected(server.port, "worker@localhost") as worker,
    ):
        for client in (boss, worker):
            client.register_plugin("xep_0050")
        found = (await boss.plugin["xep_0050"].get_commands("localhost"))["disco_items"]["items"]
        assert f"{ADMIN}#add-user" in {node for _, node, _ in found}
        none = (await worker.plugin["xep_0050"].get_commands("localhost"))["disco_items"]["items"]
        assert not none
        info = await boss.plugin["xep_0030"].get_info("localhost", node=f"{ADMIN}#add-user")
        assert ("automation", "command-node") in {(i[0], i[1]) for i in info["disco_info"]["identities"]}


async def test_others_are_forbidden(server: RunningServer) -> None:
    worker = await online(server.port, "worker")
    answer = await worker.iq("set", command("get-registered-users-num"), "localhost")
    assert condition(answer) == "forbidden"
    assert condition(await worker.iq("set", command("no-such"), "localhost")) == "item-not-found"
    worker.abort()


async def test_an_account_is_added_changed_and_removed(server: RunningServer, boss: RawClient) -> None:
    new = {"accountjid": "new@localhost", "password": "a", "password_verify": "a"}
    assert "added" in note(await do(boss, "add-user", **new))
    assert condition(await do(boss, "add-user", **new)) == "conflict"
    assert condition(await do(boss, "add-user", **(new | {"password_verify": "b"}))) == "bad-request"
    assert condition(await do(boss, "add-user", **(new | {"accountjid": "x@else.example"}))) == "bad-request"
    assert condition(await do(boss, "add-user", accountjid="y@localhost")) == "bad-request"
    async with RawClient(server.port) as client:
        await client.login("new", "a")
        note(await do(boss, "change-user-password", accountjid="new@localhost", password="c"))
    async with RawClient(server.port) as client:
        await client.login("new", "c")
        await client.bind()
        assert "1" in note(await do(boss, "delete-user", accountjids=["new@localhost"]))
        await client.end()
    answer = await do(boss, "delete-user", accountjids=["new@localhost"])
    assert condition(answer) == "item-not-found"


async def test_who_is_there_is_counted_told_and_put_out(server: RunningServer, boss: RawClient) -> None:
    victim = await online(server.port, "victim")
    counted = await boss.iq("set", command("get-online-users-num"), "localhost")
    assert values(counted, "onlineusersnum") == ["2"]
    listed = await boss.iq("set", command("get-online-users-list"), "localhost")
    assert values(listed, "onlineuserjids") == ["boss@localhost", "victim@localhost"]
    registered = await boss.iq("set", command("get-registered-users-list"), "localhost")
    assert "worker@localhost" in values(registered, "registereduserjids")
    assert "2" in note(await do(boss, "announce", announcement=["Back", "soon"]))
    told = await victim.message()
    assert (told.get("from"), body(told)) == ("localhost", "Back\nsoon")
    assert "1" in note(await do(boss, "end-user-session", accountjids=["victim@localhost"]))
    await victim.end()


async def test_a_form_can_be_cancelled_and_is_good_once(server: RunningServer, boss: RawClient) -> None:
    first = await boss.iq("set", command("announce"), "localhost")
    session = first[0].get("sessionid", "")
    gone = await boss.iq("set", command("announce", action="cancel", sessionid=session), "localhost")
    assert gone[0].get("status") == "canceled"
    again = await boss.iq(
        "set", command("announce", submit(announcement="x"), sessionid=session), "localhost"
    )
    assert condition(again) == "bad-request"
    assert again.find(f".//{C}bad-sessionid") is not None
    wrong = await boss.iq("set", command("announce", action="fly"), "localhost")
    assert wrong.find(f".//{C}malformed-action") is not None
    first = await boss.iq("set", command("announce"), "localhost")
    empty = command("announce", sessionid=first[0].get("sessionid", ""))
    assert (await boss.iq("set", empty, "localhost")).find(f".//{C}bad-payload") is not None


async def test_a_form_belongs_to_who_asked_for_it(server: RunningServer, boss: RawClient) -> None:
    other = await online(server.port, "boss")
    first = await boss.iq("set", command("announce"), "localhost")
    stolen = command("announce", submit(announcement="x"), sessionid=first[0].get("sessionid", ""))
    assert (await other.iq("set", stolen, "localhost")).find(f".//{C}bad-sessionid") is not None
    other.abort()


def test_an_operator_of_another_server_is_a_wrong_setting(server: RunningServer) -> None:
    environ = server.environ
    server.environ = environ | {"KITH_OPERATORS": "boss@elsewhere.example"}
    done = server.kith("doctor", check=False)
    server.environ = environ
    assert done.returncode == 2
    assert "operators" in done.stderr
