"""The server's own STUN server (RFC 8489), asked by coturn's client, and attacked."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from kith.calls.stun import MAX_ANSWERS, StunServer, answer, make_limit
from tests.conftest import RunningServer, free_ports, running

REQUEST = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningServer, int]]:
    (port,) = free_ports(1)
    with running(tmp_path_factory.mktemp("kith") / "data", stun_port=str(port)) as it:
        yield it, port
        assert "level=error" not in it.log.read_text()


def test_coturns_client_learns_its_address(server: tuple[RunningServer, int]) -> None:
    done = subprocess.run(
        ["turnutils_stunclient", "-p", str(server[1]), "127.0.0.1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "UDP reflexive addr: 127.0.0.1:" in done.stdout, done.stdout + done.stderr


def test_rubbish_gets_no_answer_and_does_no_harm(server: tuple[RunningServer, int]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", server[1]))
        for packet in (
            b"",
            b"x",
            os.urandom(1400),
            bytes(REQUEST)[:-1],
            bytes(20),
            bytes(REQUEST) + b"\0" * 600,
        ):
            client.send(packet)
        client.send(bytes(REQUEST))
        found = stun.parse_message(client.recv(2000))
        assert found.transaction_id == REQUEST.transaction_id
        assert found.attributes["XOR-MAPPED-ADDRESS"] == client.getsockname()


@given(st.binary(max_size=600))
def test_no_packet_makes_it_fail(packet: bytes) -> None:
    answer(packet, ("192.0.2.1", 1))
    answer(bytes(REQUEST)[:20] + packet, ("2001:db8::1", 1))


def test_an_answer_is_hardly_larger_than_the_request() -> None:
    assert len(answer(bytes(REQUEST), ("2001:db8::1", 65535))) <= 3 * len(bytes(REQUEST))


class Transport:
    def __init__(self) -> None:
        self.sent: list[tuple[bytes, object]] = []

    def sendto(self, data: bytes, addr: object) -> None:
        self.sent.append((data, addr))


def test_nobody_can_be_flooded_with_answers() -> None:
    transport = Transport()
    server = StunServer(make_limit(), lambda: 0.0)
    server.connection_made(transport)  # type: ignore[arg-type]
    for _ in range(MAX_ANSWERS + 100):
        server.datagram_received(bytes(REQUEST), ("198.51.100.7", 9))
    assert len(transport.sent) == MAX_ANSWERS
    server.datagram_received(bytes(REQUEST), ("198.51.100.8", 9))
    assert transport.sent[-1][1] == ("198.51.100.8", 9)
