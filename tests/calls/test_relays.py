"""Which relays are given to whom, and with what (XEP-0215, `kith.calls`)."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element

import pytest

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.calls.relays import SharedSecretRelays, credential
from kith.calls.services import MAX_REQUESTS, ExternalServices
from kith.config import Config, ConfigError, load
from kith.config.relays import RelaySettings, parse_relay_url
from kith.ports.relay import RelayService, RelayURL
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.parts import Room, room

EVERYWHERE = RelaySettings(urls=["turn:world.example:3478"], secret="w")
GERMANY = RelaySettings(
    urls=["turn:de.example?transport=udp", "turns:de.example?transport=tcp", "stun:de.example"],
    secret="d",
    prefixes=["+49", "+43"],
)
BERLIN = RelaySettings(urls=["turn:berlin.example"], secret="b", prefixes=["+4930"])


def services(local: str, *relays: RelaySettings, **settings: object) -> list[RelayService]:
    config = Config(domain="example.org", relays=list(relays), **settings)  # type: ignore[arg-type]
    return list(SharedSecretRelays(config, Clock(), Randomness()).services(local))


def test_the_password_is_the_hmac_that_coturn_computes() -> None:
    # openssl: printf 1700000600:abc | openssl dgst -sha1 -hmac north -binary | base64
    assert credential("north", 1700000600, "abc") == (
        "1700000600:abc",
        "cn17rOcIFYzHsN4D2xqDw8sMqrc=",
        1700000600,
    )


def test_credentials_say_nothing_about_who_calls_and_are_new_each_time() -> None:
    first, second = (services("+491701234567", EVERYWHERE)[0] for _ in range(2))
    assert first.username != second.username
    expires, _, id = first.username.partition(":")
    assert len(id) == 24
    assert "491701234567" not in first.username
    assert 590 < int(expires) - Clock().now() <= 600


def test_all_urls_of_a_relay_have_the_same_credentials_and_stun_has_none() -> None:
    udp, tls, stun = services("+491", GERMANY)
    assert (udp.url.scheme, udp.url.port, udp.url.transport) == ("turn", 3478, "udp")
    assert (tls.url.scheme, tls.url.port, tls.url.transport) == ("turns", 5349, "tcp")
    assert udp.username == tls.username
    assert udp.password == tls.password
    assert (stun.url.scheme, stun.username, stun.expires) == ("stun", "", 0)


@pytest.mark.parametrize(
    ("local", "hosts"),
    [
        ("+4930123", ["berlin.example", "de.example", "world.example"]),
        ("+49170123", ["de.example", "world.example", "berlin.example"]),
        ("+1212123", ["world.example", "de.example", "berlin.example"]),
        ("ada", ["world.example", "de.example", "berlin.example"]),
    ],
)
def test_people_are_given_the_relay_of_their_country_first(local: str, hosts: list[str]) -> None:
    found = services(local, EVERYWHERE, GERMANY, BERLIN)
    assert list(dict.fromkeys(service.url.host for service in found)) == hosts


def test_without_relays_there_is_the_servers_own_stun() -> None:
    assert services("ada") == [RelayService(RelayURL("stun", "example.org", 3478, "udp"))]
    assert services("ada", stun_port=0) == []


@pytest.mark.parametrize(
    "text",
    [
        *("", "turn:", "turn:host:0", "turn:host:70000", "turn://host", "http://host", "turn:-a.example"),
        *("stun:host?transport=udp", "turn:host?transport=sctp", "turn:user@host", "turn:[::zz]", "turn:a b"),
        "turn:host:3478?transport=udp&x=1",
    ],
)
def test_what_is_no_address_of_a_relay_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_relay_url(text)


@pytest.mark.parametrize(
    "text",
    [
        "turn:relay.example:3478?transport=udp",
        "turns:[2001:db8::1]:443?transport=tcp",
        "stun:relay.example:1",
    ],
)
def test_an_address_of_a_relay_stays_as_it_is(text: str) -> None:
    assert str(parse_relay_url(text)) == text


@pytest.mark.parametrize(
    ("relay", "complaint"),
    [
        ('urls = ["turn:relay.example"]', r"relays\[0\].*needs a secret"),
        ('urls = []\nsecret = "s"', r"relays\[0\].*no urls"),
        ('urls = ["relay.example"]\nsecret = "s"', r"relays\[0\].*turn:relay"),
        ('urls = ["turn:r.example"]\nsecret = "s"\nprefixes = ["49"]', r"relays\[0\].*like \+49"),
        ('urls = ["turn:r.example"]\nsecret = "s"\nregion = "eu"', r"region"),
    ],
)
def test_wrong_settings_give_one_line(tmp_path: Path, relay: str, complaint: str) -> None:
    file = tmp_path / "kith.toml"
    file.write_text(f"[[relays]]\n{relay}\n")
    with pytest.raises(ConfigError, match=complaint) as error:
        load(file, {})
    assert "\n" not in str(error.value)


# -- XEP-0215 ------------------------------------------------------------------------------------

ASK = "<iq type='get' id='1' to='localhost'>{}</iq>"
ALL = "<services xmlns='urn:xmpp:extdisco:2'/>"
TURN_ALONE = "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>"
NEW = "<credentials xmlns='urn:xmpp:extdisco:2'><service type='{}' host='{}'/></credentials>"


async def answer(there: Room, question: str, name: str = "ada/phone") -> Stanza:
    session = await there.session(name)
    await there.says(session, ASK.format(question))
    (found,) = there.heard(session)
    return found


def told(stanza: Stanza) -> list[Element]:
    assert stanza.type == "result", stanza.to_bytes()
    return list(stanza.element[0])


async def test_services_have_what_a_client_needs(tmp_path: Path) -> None:
    async with room(tmp_path, ExternalServices, relays=[GERMANY]) as there:
        turn, turns, stun = told(await answer(there, ALL))
        assert turn.get("host") == "de.example"
        assert turn.get("port") == "3478"
        assert turn.get("restricted") == "true"
        assert turn.get("password")
        assert turn.get("expires", "")[-1] == "Z"
        assert turns.get("transport") == "tcp"
        assert stun.get("username") is None
        assert stun.get("restricted") is None


async def test_only_services_of_the_wanted_type_are_told(tmp_path: Path) -> None:
    async with room(tmp_path, ExternalServices, relays=[GERMANY]) as there:
        assert [one.get("type") for one in told(await answer(there, TURN_ALONE))] == ["turn"]


async def test_a_service_gives_new_credentials(tmp_path: Path) -> None:
    async with room(tmp_path, ExternalServices, relays=[GERMANY]) as there:
        (turn,) = told(await answer(there, NEW.format("turn", "de.example")))
        assert turn.get("password")
        refused = await answer(there, NEW.format("turn", "elsewhere.example"))
        assert refused.type == "error"
        assert b"item-not-found" in refused.to_bytes()


async def test_who_asks_too_often_has_to_wait_and_nobody_else(tmp_path: Path) -> None:
    async with room(tmp_path, ExternalServices, relays=[GERMANY]) as there:
        ada, ben = await there.session("ada/phone"), await there.session("ben/phone")
        for _ in range(MAX_REQUESTS + 1):
            await there.says(ada, ASK.format(ALL))
        *given, refused = there.heard(ada)
        assert {stanza.type for stanza in given} == {"result"}
        assert refused.type == "error"
        assert b"resource-constraint" in refused.to_bytes()
        await there.says(ben, ASK.format(ALL))
        assert there.heard(ben)[0].type == "result"


async def test_people_of_other_servers_get_no_credentials(tmp_path: Path) -> None:
    async with room(tmp_path, ExternalServices, relays=[GERMANY]) as there:
        stranger = Elsewhere("eve@other.example/pc")
        feature = there.node.get(ExternalServices)
        question = Stanza.from_bytes(ASK.format(ALL).encode())
        with pytest.raises(StanzaError, match="accounts of this server"):
            await feature.services(stranger, question, parse_jid("localhost"))  # type: ignore[arg-type]


class Elsewhere:
    """Somebody on another server."""

    def __init__(self, address: str) -> None:
        self.jid = parse_jid(address)
        self.bare = self.jid.bare
