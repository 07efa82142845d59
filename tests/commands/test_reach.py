"""`kith doctor` looks at a server as clients see it: by its DNS records, and what is where they lead."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import aiodns
import pytest

from kith.commands.finding import Finding, Verdict
from kith.commands.reach import look
from tests.conftest import RunningServer, free_ports, running
from tests.federation.world import Authority, Names

DOMAIN = "chat.example"


class There:
    """A server with a certificate of an authority, and the name server that knows it."""

    def __init__(self, folder: Path, names: Names) -> None:
        self.names = names
        self.authority = Authority(folder)
        certificate, key = self.authority.certificate("chat", names=DOMAIN, days=60)
        self.settings = {"domain": DOMAIN, "certificate": str(certificate), "private_key": str(key)}

    async def look(self, server: RunningServer, own: bool = False, web: str = "") -> list[Finding]:
        resolver = aiodns.DNSResolver(
            nameservers=["127.0.0.1"], udp_port=self.names.port, tcp_port=self.names.port, timeout=2, tries=1
        )
        context = ssl.create_default_context(cafile=str(self.authority.file))
        web = web or f"https://{DOMAIN}:{server.https_port}"
        return await look(DOMAIN, web, resolver, context, own)

    def name(self, server: RunningServer, *addresses: str) -> None:
        """Records for the ports of a server, at these addresses."""
        self.names.zone = {
            (DOMAIN, "A"): list(addresses or ("127.0.0.1",)),
            (f"_xmpp-client._tcp.{DOMAIN}", "SRV"): [f"0 5 {server.port} {DOMAIN}."],
            (f"_xmpps-client._tcp.{DOMAIN}", "SRV"): [f"0 5 {server.xmpps_port} {DOMAIN}."],
        }


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[There]:
    names = Names()
    names.start()
    yield There(tmp_path_factory.mktemp("authority"), names)
    names.stop()


@pytest.fixture(scope="module")
def public(there: There, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running(tmp_path_factory.mktemp("kith") / "data", **there.settings) as it:
        yield it


async def test_a_server_that_is_well_is_reached_at_each_place_over_tls(
    there: There, public: RunningServer
) -> None:
    there.name(public)
    found = await there.look(public)
    assert [finding.verdict for finding in found] == [Verdict.GOOD] * 3, found
    assert {finding.what.rpartition(":")[2] for finding in found} == {
        str(public.port),
        str(public.xmpps_port),
        str(public.https_port),
    }
    assert all("127.0.0.1" in finding.text and "valid until" in finding.text for finding in found)


async def test_where_other_servers_connect_is_asked_as_they_do(there: There, tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = {**there.settings, "federation": "on", "federation_port": str(port)}
    with running(tmp_path / "data", **settings) as server:
        there.name(server)
        there.names.zone[f"_xmpp-server._tcp.{DOMAIN}", "SRV"] = [f"0 5 {port} {DOMAIN}."]
        found = await there.look(server)
        assert [(one.what, one.verdict) for one in found if one.what.startswith("other")] == [
            (f"other servers {DOMAIN}:{port}", Verdict.GOOD)
        ]


@pytest.mark.parametrize(("own", "verdict"), [(False, Verdict.BAD), (True, Verdict.NOTE)])
async def test_an_address_where_nothing_answers_is_named(
    there: There, public: RunningServer, own: bool, verdict: Verdict
) -> None:
    """From the server itself that is only a note, since it may not reach its own public address."""
    there.name(public, "127.0.0.1", "127.0.0.9")
    found = await there.look(public, own)
    failed = [finding for finding in found if "127.0.0.9" in finding.text and finding.what.startswith("XMPP")]
    assert [finding.verdict for finding in failed] == [verdict] * 2
    assert all("firewall" in finding.todo for finding in failed)
    assert sum(finding.verdict is Verdict.GOOD for finding in found) == 3


async def test_a_certificate_that_clients_refuse_is_bad_from_everywhere(there: There, tmp_path: Path) -> None:
    with running(tmp_path / "data", domain=DOMAIN) as server:  # its own certificate, self-signed
        there.name(server)
        for own in (False, True):
            found = await there.look(server, own)
            assert [finding.verdict for finding in found] == [Verdict.BAD] * 3
            assert all("is refused: self-signed certificate" in finding.text for finding in found)


async def test_a_record_that_leads_to_another_program_is_bad(there: There, public: RunningServer) -> None:
    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n" + b"x" * 100_000)
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    there.name(public)
    there.names.zone[f"_xmpp-client._tcp.{DOMAIN}", "SRV"] = [f"0 5 {port} {DOMAIN}."]
    found = await there.look(public)
    assert (found[0].verdict, "no XMPP server" in found[0].text) == (Verdict.BAD, True)
    server.close()


async def test_what_answers_nothing_is_given_up(
    there: There, public: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr("kith.commands.reach.REACH_SECONDS", 0.5)
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    there.name(public)
    there.names.zone[f"_xmpps-client._tcp.{DOMAIN}", "SRV"] = [f"0 5 {port} {DOMAIN}."]
    async with asyncio.timeout(20):
        found = await there.look(public)
    assert any("no answer in time" in finding.text for finding in found)
    server.close()


async def test_a_name_without_an_address_is_bad(there: There, public: RunningServer) -> None:
    there.name(public)
    there.names.zone[f"_xmpp-client._tcp.{DOMAIN}", "SRV"] = [f"0 5 {public.port} gone.example."]
    found = await there.look(public)
    assert (found[0].verdict, found[0].text) == (Verdict.BAD, "DNS has no address of gone.example")


async def test_a_web_server_without_kith_behind_it_is_bad(there: There, public: RunningServer) -> None:
    there.name(public)
    there.names.zone["xmpp.example", "A"] = ["127.0.0.1"]
    found = await there.look(public, web=f"https://{DOMAIN}:{public.xmpps_port}")
    assert found[-1].verdict is Verdict.BAD
    assert "not Kith behind it" in found[-1].text or "refused" in found[-1].text


def test_a_name_that_is_none_is_refused_in_one_line(tmp_path: Path) -> None:
    for wrong in ("", "a b", "ada@chat.example", "chat.example/x"):
        done = RunningServer(tmp_path / "data").kith("doctor", wrong, check=False)
        assert done.returncode == 2
        assert len(done.stderr.splitlines()) == 1


def test_the_directory_of_people_is_asked(tmp_path: Path) -> None:
    settings = {"ldap_url": "ldaps://127.0.0.1:1", "ldap_base": "dc=example"}
    done = RunningServer(tmp_path / "data", **settings).kith("doctor", check=False)
    assert done.returncode == 1
    assert "ldaps://127.0.0.1:1" in done.stdout.replace("\n", "")
