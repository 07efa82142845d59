"""XEP-0050 and XEP-0133: what an operator does from a client, and nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from xml.etree.ElementTree import fromstring

import pytest

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.features.commands import PATIENCE, Command, Commands, Outcome, Values
from kith.features.forms import Field
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.conftest import RunningServer, running
from tests.features.adhoc import ADMIN, C, X, begin, command, do, note, submit
from tests.features.slix import connected
from tests.raw import RawClient, body, condition, online, plain


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
        assert not [node for _, node, _ in none if node.startswith(ADMIN)]
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
        await client.bind()
        note(await do(boss, "change-user-password", accountjid="new@localhost", password="c"))
        assert condition(await client.tag("error")) == "not-authorized"  # whoever knew the older one is out
        await client.end()
    async with RawClient(server.port) as client:
        client.open()
        await client.tag("features")
        auth = "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>"
        client.send(f"{auth}{plain('new', 'a')}</auth>")
        assert (await client.tag("failure"))[0].tag.endswith("not-authorized")
    async with RawClient(server.port) as client:
        await client.login("new", "c")
        await client.bind()
        assert "1" in note(await do(boss, "delete-user", accountjids=["new@localhost"]))
        await client.end()
    answer = await do(boss, "delete-user", accountjids=["new@localhost"])
    assert condition(answer) == "item-not-found"


async def test_who_is_online_is_told_and_put_out(server: RunningServer, boss: RawClient) -> None:
    victim, other = await online(server.port, "victim", "phone"), await online(server.port, "victim")
    assert "2" in note(await do(boss, "announce", announcement=["Back", "soon"]))
    told = await victim.message()
    assert (told.get("from"), body(told)) == ("localhost", "Back\nsoon")
    assert "1" in note(await do(boss, "end-user-session", accountjids=["victim@localhost/phone"]))
    await victim.end()
    await other.ping()
    assert "1" in note(await do(boss, "end-user-session", accountjids=["victim@localhost"]))
    await other.end()
    for wrong, expected in (
        ("nobody@localhost", "item-not-found"),
        ("@", "bad-request"),
        ("localhost", "bad-request"),
    ):
        assert condition(await do(boss, "end-user-session", accountjids=[wrong])) == expected


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
    first = await begin(boss, "announce")
    title, field = first[0].find(f".//{X}title"), first[0].find(f".//{X}field[@var='announcement']")
    assert title is not None
    assert title.text
    assert field is not None
    assert field.find(f"{X}required") is not None
    empty = command("announce", sessionid=first[0].get("sessionid", ""))
    assert (await boss.iq("set", empty, "localhost")).find(f".//{C}bad-payload") is not None


async def test_there_is_nothing_before_or_after_the_one_form(boss: RawClient) -> None:
    session = (await begin(boss, "announce"))[0].get("sessionid", "")
    for action in ("prev", "next"):
        asked = command("announce", submit(announcement="x"), action=action, sessionid=session)
        answer = await boss.iq("set", asked, "localhost")
        assert condition(answer) == "bad-request"
        assert answer.find(f".//{C}bad-action") is not None
    unknown = command("announce", action="cancel")
    assert (await boss.iq("set", unknown, "localhost")).find(f".//{C}bad-sessionid") is not None
    done = command("announce", submit(announcement="x"), action="complete", sessionid=session)
    assert note(await boss.iq("set", done, "localhost"))


async def test_a_form_that_lacks_something_is_refused(boss: RawClient) -> None:
    answer = await do(boss, "announce", something="else")
    assert answer.find(f".//{C}bad-payload") is not None
    answer = await do(boss, "announce", type="cancel", announcement="which is a submission")
    assert note(answer)


async def test_one_account_fills_in_a_bounded_number_of_forms(boss: RawClient) -> None:
    sessions = [(await begin(boss, "announce"))[0].get("sessionid", "") for _ in range(21)]
    first, last = sessions[0], sessions[-1]
    gone = command("announce", submit(announcement="x"), sessionid=first)
    assert (await boss.iq("set", gone, "localhost")).find(f".//{C}bad-sessionid") is not None
    assert note(
        await boss.iq("set", command("announce", submit(announcement="x"), sessionid=last), "localhost")
    )


async def test_a_form_belongs_to_who_asked_for_it(server: RunningServer, boss: RawClient) -> None:
    other = await online(server.port, "boss")
    first = await boss.iq("set", command("announce"), "localhost")
    stolen = command("announce", submit(announcement="x"), sessionid=first[0].get("sessionid", ""))
    assert (await other.iq("set", stolen, "localhost")).find(f".//{C}bad-sessionid") is not None
    assert note(await boss.iq("set", stolen, "localhost"))  # the attempt has taken nothing from its owner
    other.abort()


def test_an_operator_of_another_server_is_a_wrong_setting(server: RunningServer) -> None:
    environ = server.environ
    server.environ = environ | {"KITH_OPERATORS": "boss@elsewhere.example"}
    done = server.kith("doctor", check=False)
    server.environ = environ
    assert done.returncode == 2
    assert "operators" in done.stderr


async def test_a_form_that_lay_too_long_has_expired() -> None:
    class Asker:
        jid = parse_jid("boss@localhost/desk")
        bare = "boss@localhost"

    async def run(values: Values, asker: str) -> Outcome:
        return Outcome("done")

    now, asker = [0.0], Asker()
    commands = Commands(Clock(steady=lambda: now[0]), Randomness())
    commands.add(Command("x:y", "Test", lambda _: True, run, "x", (Field("announcement"),)))

    def asked(inside: str = "", **attrs: str) -> Stanza:
        return Stanza.build("iq", {"type": "set", "id": "1"}, fromstring(command("x:y", inside, **attrs)))

    (form,) = await commands.execute(asker, asked(), asker.jid)  # type: ignore[arg-type]
    now[0] = PATIENCE + 1
    late = asked(submit(announcement="x"), sessionid=form.get("sessionid", ""))
    with pytest.raises(StanzaError) as caught:
        await commands.execute(asker, late, asker.jid)  # type: ignore[arg-type]
    assert caught.value.condition == "not-allowed"
    assert caught.value.application is not None
    assert caught.value.application.tag == f"{C}session-expired"
