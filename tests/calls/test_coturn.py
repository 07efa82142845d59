"""Debian's coturn believes the server's credentials, and `kith doctor` says what is wrong with a relay."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
from collections.abc import Iterator

import pytest
from aioice import stun, turn

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.calls.relays import SharedSecretRelays, credential
from kith.commands.finding import Finding, Verdict
from kith.commands.relay import check_relays
from kith.config import Config
from kith.config.relays import RelaySettings
from tests.api.person import Person
from tests.calls.coturn import SECRET, Coturn
from tests.conftest import RunningServer, free_ports, running
from tests.raw import online


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    it = Coturn(tmp_path_factory.mktemp("coturn"))
    yield it
    it.stop()


def urls(coturn: Coturn) -> list[str]:
    return [
        f"turn:localhost:{coturn.port}?transport=udp",
        f"turn:localhost:{coturn.port}?transport=tcp",
        f"turns:localhost:{coturn.tls_port}?transport=tcp",
        f"stun:localhost:{coturn.port}",
    ]


def relay(coturn: Coturn, secret: str = SECRET) -> Config:
    return Config(relays=[RelaySettings(urls=urls(coturn), secret=secret)])


async def look(config: Config, coturn: Coturn) -> list[Finding]:
    return await check_relays(config, ssl.create_default_context(cafile=str(coturn.ca)))


async def test_doctor_makes_an_allocation_by_udp_tcp_and_tls(coturn: Coturn) -> None:
    found = await look(relay(coturn), coturn)
    assert [finding.verdict for finding in found] == [Verdict.GOOD] * 4, found
    assert [finding.text for finding in found] == ["relays at 127.0.0.1"] * 3 + ["sees us at 127.0.0.1"]


async def test_doctor_says_that_the_secret_is_another(coturn: Coturn) -> None:
    udp, *_ = await look(relay(coturn, "another"), coturn)
    assert udp.verdict is Verdict.BAD
    assert "credentials" in udp.text
    assert "static-auth-secret" in udp.todo


async def test_doctor_says_that_nothing_answers_and_that_tls_is_not_trusted(coturn: Coturn) -> None:
    (dead,) = free_ports(1)
    nothing = Config(relays=[RelaySettings(urls=[f"turn:127.0.0.1:{dead}?transport=tcp"], secret="s")])
    (refused,) = await look(nothing, coturn)
    assert refused.verdict is Verdict.BAD
    assert "not reached" in refused.text
    *_, tls, _ = await check_relays(relay(coturn))
    assert tls.verdict is Verdict.BAD
    assert tls.text.startswith("no TLS:")


async def test_an_allocation_outlives_the_credential_that_it_was_made_with(coturn: Coturn) -> None:
    """So a call that goes on for long does not break for clients that never renew credentials."""
    made = credential(SECRET, int(Clock().now()) + 2, Randomness().hex(12))
    server = ("127.0.0.1", coturn.port)
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol, server, made.username, made.password
    )
    await asyncio.sleep(3.1)
    inner = transport.__dict__["_TurnTransport__inner_protocol"]  # there is no other way to refresh early
    request = stun.Message(stun.Method.REFRESH, stun.Class.REQUEST)
    request.attributes["LIFETIME"] = 600
    response, _ = await inner.request_with_retry(request)
    assert response.attributes["LIFETIME"] == 600
    transport.close()
    with pytest.raises(stun.TransactionFailed):
        await turn.create_turn_endpoint(asyncio.DatagramProtocol, server, made.username, made.password)


def test_coturns_own_client_relays_packets_with_our_credentials(coturn: Coturn) -> None:
    service = SharedSecretRelays(relay(coturn), Clock(), Randomness()).services("ada")[0]
    command = ["turnutils_uclient", "-y", "-c", "-n", "5", "-m", "1", "-p", str(coturn.port)]
    done = subprocess.run(
        [*command, "-u", service.username, "-w", service.password, "127.0.0.1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "lost packets 0" in done.stdout, done.stdout + done.stderr


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, coturn: Coturn) -> Iterator[RunningServer]:
    relays = json.dumps([{"urls": urls(coturn), "secret": SECRET}])
    with running(tmp_path_factory.mktemp("kith") / "data", relays=relays) as it:
        it.add_user("ada")
        yield it
        assert SECRET not in it.log.read_text()


async def test_coturn_accepts_what_clients_get_by_xmpp(server: RunningServer) -> None:
    ada = await online(server.port, "ada")
    answer = await ada.result("get", "<services xmlns='urn:xmpp:extdisco:2' type='turn'/>", "localhost")
    ada.abort()
    services = [service.attrib for service in answer[0]]
    assert [service["transport"] for service in services] == ["udp", "tcp"]
    for service in services:
        username, password = service["username"], service["password"]
        await allocate(service["host"], service["port"], service["transport"], username, password)


async def test_coturn_accepts_what_devices_get_by_the_api(server: RunningServer, coturn: Coturn) -> None:
    person = Person(server)
    answer = await person.ask("GET", "/api/relays", device=await person.register())
    relays, stun_server = answer.body["ice_servers"]
    assert relays["urls"] == urls(coturn)[:3]
    assert stun_server == {"urls": urls(coturn)[3:]}
    assert 590 <= answer.body["expires_in"] <= 600
    await allocate("127.0.0.1", str(coturn.port), "udp", relays["username"], relays["credential"])
    assert (await person.ask("GET", "/api/relays")).status == 401


async def allocate(host: str, port: str, way: str, username: str, password: str) -> None:
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol, (host, int(port)), username, password, transport=way
    )
    assert transport.get_extra_info("sockname")[0] == "127.0.0.1"
    transport.close()
