"""What a server says of itself and of who is away: XEP-0012, XEP-0092, XEP-0157, XEP-0202."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import pytest

from kith import __version__
from kith.features.entity_time import offset
from tests.conftest import RunningServer, running
from tests.features.slix import connected
from tests.raw import RawClient, condition, online, plain

LAST = "<query xmlns='jabber:iq:last'/>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    contacts = "abuse=mailto:abuse@example.org xmpp:abuse@example.org,admin=xmpp:admin@example.org"
    with running(tmp_path_factory.mktemp("kith") / "data", contacts=contacts) as it:
        for name in ("alice", "bob", "stranger"):
            it.add_user(name)
        yield it
        assert "level=error" not in it.log.read_text()


async def friends(server: RunningServer) -> tuple[RawClient, RawClient]:
    """Two who see each other's presence."""
    alice, bob = await online(server.port, "alice"), await online(server.port, "bob")
    for one, other in ((alice, bob), (bob, alice)):
        one.send(f"<presence type='subscribe' to='{other.bare}'/>")
        await one.ping()
        other.send(f"<presence type='subscribed' to='{one.bare}'/>")
        await other.ping()
    return alice, bob


def seconds(answer: Element) -> int:
    assert answer.get("type") == "result", answer
    return int(answer[0].get("seconds", ""))


async def test_the_time_is_the_time(server: RunningServer) -> None:
    async with connected(server.port, "alice@localhost") as client:
        client.register_plugin("xep_0202")
        answer = await client.plugin["xep_0202"].get_entity_time("localhost")
        said = datetime.fromisoformat(answer.xml.findtext(".//{urn:xmpp:time}utc"))
    assert abs(said - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize(("zone", "text"), [(0, "+00:00"), (3600, "+01:00"), (-34200, "-09:30")])
def test_a_time_zone_is_written_as_hours_and_minutes(zone: int, text: str) -> None:
    assert offset(zone) == text


async def test_a_stream_says_how_much_it_takes(server: RunningServer) -> None:
    async with RawClient(server.port) as client:
        client.open()
        before = await client.tag("features")
        assert before.find("{urn:xmpp:stream-limits:0}limits") is None
        sasl = "urn:ietf:params:xml:ns:xmpp-sasl"
        client.send(f"<auth xmlns='{sasl}' mechanism='PLAIN'>{plain('alice', 'pw')}</auth>")
        await client.tag("success")
        client.open()
        limits = (await client.tag("features")).find("{urn:xmpp:stream-limits:0}limits")
        assert limits is not None
        assert limits.findtext("{urn:xmpp:stream-limits:0}max-bytes") == "524288"


async def test_the_version_is_told_but_not_the_operating_system(server: RunningServer) -> None:
    async with connected(server.port, "alice@localhost") as client:
        client.register_plugin("xep_0092")
        answer = await client.plugin["xep_0092"].get_version("localhost")
    version = answer["software_version"]
    assert (version["name"], version["version"], version["os"]) == ("Kith", __version__, "")


async def test_contact_addresses_are_part_of_what_the_domain_is(server: RunningServer) -> None:
    alice = await online(server.port, "alice")
    answer = await alice.iq("get", INFO, "localhost")
    fields = {
        field.get("var"): [value.text for value in field] for field in answer.iter("{jabber:x:data}field")
    }
    types = {field.get("var"): field.get("type") for field in answer.iter("{jabber:x:data}field")}
    assert types == {"FORM_TYPE": "hidden", "abuse-addresses": "list-multi", "admin-addresses": "list-multi"}
    assert fields["FORM_TYPE"] == ["http://jabber.org/network/serverinfo"]
    assert fields["abuse-addresses"] == ["mailto:abuse@example.org", "xmpp:abuse@example.org"]
    assert fields["admin-addresses"] == ["xmpp:admin@example.org"]
    alice.abort()


async def test_the_server_says_how_long_it_has_been_running(server: RunningServer) -> None:
    alice = await online(server.port, "alice")
    assert 0 <= seconds(await alice.iq("get", LAST, "localhost")) < 600
    alice.abort()


async def test_a_contact_learns_since_when_one_is_away_and_others_do_not(server: RunningServer) -> None:
    alice, bob = await friends(server)
    stranger = await online(server.port, "stranger")
    assert seconds(await alice.iq("get", LAST, "bob@localhost")) == 0
    bob.send("<presence type='unavailable'/>")
    await bob.ping()
    await asyncio.sleep(1.1)
    assert 1 <= seconds(await alice.iq("get", LAST, "bob@localhost")) < 30
    assert condition(await stranger.iq("get", LAST, "bob@localhost")) == "service-unavailable"
    assert condition(await stranger.iq("get", LAST, "nobody@localhost")) == "service-unavailable"
    for client in (alice, bob, stranger):
        client.abort()


async def test_the_moment_survives_a_restart(server: RunningServer) -> None:
    alice, bob = await friends(server)
    bob.abort()
    await asyncio.sleep(0.3)
    server.stop()
    alice.abort()
    server.start()
    alice = await online(server.port, "alice")
    assert 0 <= seconds(await alice.iq("get", LAST, "bob@localhost")) < 60
    alice.abort()


async def test_who_was_never_there_has_no_last_activity(server: RunningServer) -> None:
    server.add_user("newcomer")
    newcomer = await online(server.port, "newcomer", presence=None)
    assert condition(await newcomer.iq("get", LAST, "newcomer@localhost")) == "item-not-found"
    newcomer.abort()


def test_a_contact_of_an_unknown_kind_is_a_wrong_setting(server: RunningServer) -> None:
    environ = server.environ
    server.environ = environ | {"KITH_CONTACTS": "boss=mailto:boss@example.org"}
    done = server.kith("doctor", check=False)
    server.environ = environ
    assert done.returncode == 2
    assert "contacts" in done.stderr
