"""`kith doctor`: what it finds, and what it says to do."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiodns

from kith.commands.doctor import check_dns
from kith.commands.finding import Verdict
from kith.config import Config
from tests.conftest import RunningServer, free_ports, running


def test_a_running_server_is_well(server: RunningServer) -> None:
    done = server.kith("doctor")
    media = server.media_http_port, server.media_https_port
    for port in (server.port, server.xmpps_port, server.http_port, server.https_port, *media):
        assert f"port {port}" in done.stdout
    assert done.stdout.count("Kith answers") == 6
    assert "bad" not in done.stdout


def test_a_disk_without_room_for_files_is_bad(server: RunningServer) -> None:
    other = RunningServer(server.data_dir)
    other.environ = server.environ | {"KITH_MEDIA_FREE_BYTES": str(2**60)}
    done = other.kith("doctor", check=False)
    assert done.returncode == 1
    assert "kith media usage" in done.stdout


def test_a_port_that_another_program_has_is_bad(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    with socket.socket() as other:
        other.bind(("127.0.0.1", server.port))
        other.listen()
        done = server.kith("doctor", check=False)
    assert done.returncode == 1
    assert "another program uses it" in done.stdout
    assert "KITH_XMPP_PORT" in done.stdout
    assert "is free; Kith is not running" in done.stdout


def test_a_database_that_is_gone_is_bad(tmp_path: Path) -> None:
    server = RunningServer(tmp_path / "data")
    server.data_dir.mkdir()
    assert "none yet; kith serve makes one" in server.kith("doctor", check=False).stdout
    (server.data_dir / "secret").write_bytes(b"s" * 32)
    done = server.kith("doctor", check=False)
    assert done.returncode == 1
    assert "is gone, though a server has used this folder" in done.stdout
    assert not server.data_dir.joinpath("kith.sqlite").exists()


def test_a_certificate_for_another_name_is_bad(server: RunningServer, tmp_path: Path) -> None:
    other = RunningServer(tmp_path / "data")
    other.environ |= {
        "KITH_CERTIFICATE": str(server.data_dir / "certificate.pem"),
        "KITH_PRIVATE_KEY": str(server.data_dir / "private-key.pem"),
        "KITH_DOMAIN": "intranet",
        "KITH_XMPP_PORT": str(free_ports(1)[0]),
    }
    done = other.kith("doctor", check=False)
    assert done.returncode == 1
    assert "not for intranet" in done.stdout


class Nowhere(asyncio.DatagramProtocol):
    """A name server that knows no name (RFC 1035 §4.1.1: response code 3), but for one SRV record."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        question = data[12 : data.index(b"\0", 12) + 5]
        if question.startswith(b"\x0c_xmpp-client"):
            target = b"\x04chat\x07example\0"
            record = b"\xc0\x0c\0\x21\0\x01\0\0\0\x3c" + (6 + len(target)).to_bytes(2, "big")
            record += b"\0\0\0\x05" + (5299).to_bytes(2, "big") + target
            answer = data[:2] + b"\x81\x80\0\x01\0\x01\0\0\0\0" + question + record
        else:
            answer = data[:2] + b"\x81\x83\0\x01\0\0\0\0\0\0" + question
        self.transport.sendto(answer, address)


async def test_missing_and_wrong_dns_records_come_with_what_to_do() -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Nowhere, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    resolver = aiodns.DNSResolver(nameservers=["127.0.0.1"], udp_port=port, timeout=2, tries=1)
    findings = await check_dns(Config(domain="chat.example"), resolver)
    transport.close()
    verdicts = [finding.verdict for finding in findings]
    assert verdicts == [Verdict.BAD, Verdict.NOTE, Verdict.BAD, Verdict.NOTE]
    assert "5299" in findings[0].text
    assert "_xmpps-client._tcp.chat.example. 3600 IN SRV 0 5 5223" in findings[1].todo
    assert "no A record for chat.example" in findings[2].text


def test_it_asks_where_the_server_listens(tmp_path: Path) -> None:
    with running(tmp_path / "data", listen="127.0.0.1,127.0.0.2") as server:
        assert server.kith("doctor").stdout.count("Kith answers") == 6
        server.environ["KITH_LISTEN"] = "127.0.0.1,127.0.0.4"
        done = server.kith("doctor", check=False)
        assert done.returncode == 1
        assert done.stdout.count("Kith does not answer at 127.0.0.4") == 6
