"""A STUN server (RFC 8489 §12, "basic server"): it tells devices the address that others see them with.

That is enough for most calls between two home networks. Where it is not, a relay is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aioice import stun

from kith.base.addresses import network
from kith.base.rates import RateLimit

#: How many answers a network address gets: a burst, and as many in so many seconds. A call asks a few times.
MAX_ANSWERS, SECONDS = 300, 60.0
#: Larger packets are no requests for an address.
_MAX_BYTES = 548


def answer(packet: bytes, address: tuple[str, int]) -> bytes:
    """The answer to a packet from an address; empty if it is no request for that."""
    if len(packet) > _MAX_BYTES:
        return b""
    try:
        request = stun.parse_message(packet)
    except Exception:  # whatever the library raises: this is not a message of STUN
        return b""
    if request.message_method != stun.Method.BINDING or request.message_class != stun.Class.REQUEST:
        return b""
    response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
    response.attributes["XOR-MAPPED-ADDRESS"] = address
    response.add_fingerprint()
    return bytes(response)


class StunServer(asyncio.DatagramProtocol):
    """Answers on one socket. ``now`` returns seconds of a monotonic clock.

    The sender of a packet may be forged, so answers to one address are bounded: they are hardly larger than
    requests, and nobody can be flooded with them.
    """

    def __init__(self, limit: RateLimit, now: Callable[[], float]) -> None:
        self._limit = limit
        self._now = now
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, but not the class
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._transport is None or not self._limit.take(network(addr[0]), self._now()):
            return
        if found := answer(data, addr[:2]):
            self._transport.sendto(found, addr)


def make_limit() -> RateLimit:
    """The limit that the sockets of a server share."""
    return RateLimit(MAX_ANSWERS, SECONDS)
