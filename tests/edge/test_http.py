"""The HTTP port towards peers that do not know HTTP well."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import RunningServer

UPGRADE = (
    b"GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Protocol: xmpp\r\n\r\n"
)
OPEN = b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>"
CLOSE = b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>"


def frame(opcode: int, payload: bytes) -> bytes:
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + b"\0\0\0\0" + payload


async def answer(server: RunningServer, data: bytes) -> bytes:
    """All that the server says until it closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.http_port)
    writer.write(data)
    async with asyncio.timeout(25):
        said = await reader.read()
    writer.close()
    return said


async def test_frames_that_come_with_the_upgrade_are_read_after_it(server: RunningServer) -> None:
    """Found by fuzzing: the answer to a ping came before that to the request, a close was an error."""
    farewell = frame(8, b"\x03\xe8")
    said = await answer(server, UPGRADE + frame(9, b"ping") + frame(1, OPEN) + frame(1, CLOSE) + farewell)
    head, _, frames = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert frames == b"\x8a\x04ping\x88\x02\x03\xe8"  # after a farewell, nothing more may be said


@pytest.mark.parametrize("path", [b"/.well-known/host-meta", b"/.well-known/host-meta.json"])
async def test_a_host_that_is_none_is_a_bad_request(server: RunningServer, path: bytes) -> None:
    """Found by fuzzing: one that was no UTF-8 was an error of the server's."""
    for host in (b"local\x98\x90host", b"a'b", b"a b", b"x" * 300):
        said = await answer(
            server, b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (path, host)
        )
        assert said.startswith(b"HTTP/1.1 400 "), (host, said)
    for host in (b"localhost", b"[::1]:8080", b"localhost:443"):
        said = await answer(
            server, b"GET %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % (path, host)
        )
        assert b"ws://%b/xmpp-websocket" % host in said


async def test_what_is_no_http_is_answered_and_not_the_operators_business(server: RunningServer) -> None:
    for data in (b"\x16\x03\x01\x02\0\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\0" * 20_000, b"A" * 20_000):
        assert (await answer(server, data)).startswith(b"HTTP/1.")
    assert "level=error" not in server.log.read_text()
    assert "Traceback" not in server.log.read_text()
