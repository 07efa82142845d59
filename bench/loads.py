"""The loads: each drives one server, and returns its figures by name. CPU is the server's, all of it.

Clients are hand-made bytes, so that one core of load can fill one core of server.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
import statistics
import time

from lab import HEAD, Peer, Server, log_in

Figures = dict[str, float]
_SASL2 = "urn:xmpp:sasl:2"
_END = b"</message>"
#: How long the last messages may take to arrive until they count as lost, in seconds.
LATE = 60.0


def _message(to: Peer, payload: str, id: str = "m") -> str:
    return f"<message to='{to.user}@localhost' type='chat' id='{id}'>{payload}</message>"


def _hang_up(peers: list[Peer]) -> None:
    for peer in peers:
        peer.transport.abort()


class _Count:
    """Counts the messages that a client gets, wherever they are cut; ``hit`` is told how many."""

    def __init__(self, peer: Peer) -> None:
        self.total = 0
        self._rest = b""
        peer.on_data = self._read

    def _read(self, data: bytes) -> None:
        data = self._rest + data
        found = data.count(_END)
        self._rest = data[data.rfind(_END) + len(_END) :][-9:] if found else data[-9:]
        self.total += found
        if found:
            self.hit(found)

    def hit(self, found: int) -> None:
        """So many have come."""


class _Answer(_Count):
    """Answers each message with another."""

    def __init__(self, peer: Peer, message: bytes) -> None:
        super().__init__(peer)
        self._write = peer.transport.write  # type: ignore[attr-defined]
        self._message = message
        self.running = True

    def hit(self, found: int) -> None:
        if self.running:
            self._write(self._message * found)


async def throughput(server: Server, payload: str, pairs: int, window: int, seconds: float) -> Figures:
    """``window`` messages under way between the two of each pair, as fast as they go."""
    peers = await log_in(server.port, range(2 * pairs))
    answers = [
        _Answer(peer, _message(peers[number ^ 1], payload).encode()) for number, peer in enumerate(peers)
    ]
    for peer, answer in zip(peers, answers, strict=True):
        peer.transport.write(answer._message * (window // 2))  # type: ignore[attr-defined]
    await asyncio.sleep(1.5)
    count = sum(answer.total for answer in answers)
    cpu, start = server.cpu(), time.perf_counter()
    await asyncio.sleep(seconds)
    count = sum(answer.total for answer in answers) - count
    cpu, took = server.cpu() - cpu, time.perf_counter() - start
    for answer in answers:
        answer.running = False
    await asyncio.sleep(0.5)
    _hang_up(peers)
    return {"us": cpu / max(count, 1) * 1e6, "per_second": count / took}


async def latency(server: Server, payload: str, pairs: int, rate: int, seconds: float) -> Figures:
    """From the write of a message to its arrival, at a steady rate, in milliseconds."""
    peers = await log_in(server.port, range(2 * pairs))
    sent: dict[bytes, float] = {}
    times: list[float] = []

    def receive(data: bytes) -> None:
        now = time.perf_counter()
        for found in _STAMP.finditer(data):
            begun = sent.pop(found[1], None)
            if begun is not None:
                times.append((now - begun) * 1000)

    for peer in peers:
        peer.on_data = receive
    cpu, start, number = server.cpu(), time.perf_counter(), 0
    while number < rate * seconds:
        for number in range(number, min(int((time.perf_counter() - start) * rate), int(rate * seconds))):  # noqa: B020
            pair = 2 * (number % pairs)
            key = f"L{number:08d}"
            sent[key.encode()] = time.perf_counter()
            peers[pair].write(_message(peers[pair + 1], payload, key))
        number += 1
        await asyncio.sleep(0.001)
    late = time.perf_counter() + LATE
    while sent and time.perf_counter() < late:  # noqa: ASYNC110 - the clock counts, not an event
        await asyncio.sleep(0.1)
    cpu = server.cpu() - cpu
    _hang_up(peers)
    if len(times) < 100:
        return {"lost": len(sent)}
    points = statistics.quantiles(times, n=1000)
    return {
        "lost": len(sent),
        "p50_ms": points[499],
        "p99_ms": points[989],
        "us": cpu / len(times) * 1e6,
    }


_STAMP = re.compile(rb"""id=['"](L\d{8})['"]""")


async def idle(server: Server, count: int, tls: bool) -> Figures:
    """Memory for each connection that is logged in and says nothing."""
    before = server.memory()
    peers = await log_in(server.port, range(count), tls=tls)
    await asyncio.sleep(3)
    used = server.memory() - before
    _hang_up(peers)
    await asyncio.sleep(2)
    return {"kb": used / count / 1024}


async def login(server: Server, count: int) -> Figures:
    """TCP, SASL PLAIN, binding, presence, without TLS; everybody for the second time."""
    _hang_up(await log_in(server.port, range(count)))
    await asyncio.sleep(1)
    cpu = server.cpu()
    peers = await log_in(server.port, range(count))
    cpu = server.cpu() - cpu
    _hang_up(peers)
    return {"ms": cpu / count * 1000}


async def offline(server: Server, payload: str, people: int, count: int) -> Figures:
    """One writes to people who are away; then they log in, and get it all.

    What the logins cost is not part of what fetching does: it has a figure of its own.
    """
    sender = await Peer("u0").login(server.port)
    away = [Peer(f"u{number}") for number in range(1, people + 1)]
    cpu = server.cpu()
    for number in range(count):
        sender.write("".join(_message(peer, payload, str(number)) for peer in away))
        await asyncio.sleep(0)
    await sender.fence()
    await asyncio.sleep(0.5)  # what was acknowledged last is committed, too
    stored = server.cpu() - cpu
    await log_in_again(server, away)
    cpu = server.cpu()
    counts = [_Count(peer) for peer in away]
    for peer in away:
        peer.write("<presence/>")
    for _ in range(600):
        await asyncio.sleep(0.05)
        if sum(counted.total for counted in counts) >= people * count:
            break
    fetched = server.cpu() - cpu
    _hang_up([sender, *away])
    total = people * count
    got = sum(counted.total for counted in counts)
    return {"store_us": stored / total * 1e6, "fetch_us": fetched / total * 1e6, "lost": total - got}


async def log_in_again(server: Server, peers: list[Peer]) -> None:
    for peer in peers:
        await peer.login(server.port, presence=False)


async def token_login(server: Server, count: int) -> Figures:
    """SASL2 with Bind 2 and a FAST token, presence in the same breath (XEP-0388, 0386, 0484).

    The token was used before, as it is each time but the first after it was given.
    """
    tokens = [await _token(server, number) for number in range(count)]
    gate = asyncio.Semaphore(50)

    async def one(number: int, token: str) -> Peer:
        async with gate:
            return await _with_token(server, number, token)

    _hang_up(await asyncio.gather(*(one(number, token) for number, token in enumerate(tokens))))
    await asyncio.sleep(1)
    cpu = server.cpu()
    peers = await asyncio.gather(*(one(number, token) for number, token in enumerate(tokens)))
    cpu = server.cpu() - cpu
    _hang_up(peers)
    return {"ms": cpu / count * 1000}


async def _with_token(server: Server, number: int, token: str) -> Peer:
    peer = Peer(f"u{number}")
    await asyncio.get_running_loop().create_connection(lambda: peer, "127.0.0.1", server.port)
    proof = hmac.digest(token.encode(), b"Initiator", hashlib.sha256)
    data = base64.b64encode(peer.user.encode() + b"\0" + proof).decode()
    await peer.say(
        f"{HEAD}<authenticate xmlns='{_SASL2}' mechanism='HT-SHA-256-NONE'><initial-response>{data}"
        f"</initial-response>{_agent(number)}<bind xmlns='urn:xmpp:bind:0'/>"
        "<fast xmlns='urn:xmpp:fast:0'/></authenticate><presence/>",
        b"</success>",
    )
    return peer


def _agent(number: int) -> str:
    return f"<user-agent id='d4565fa7-4d72-4749-b3d3-{number:012x}'/>"


async def _token(server: Server, number: int) -> str:
    peer = Peer(f"u{number}")
    await peer.open(server.port)
    data = base64.b64encode(f"\0{peer.user}\0secret".encode()).decode()
    answer = await peer.say(
        f"<authenticate xmlns='{_SASL2}' mechanism='PLAIN'><initial-response>{data}</initial-response>"
        f"{_agent(number)}<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
        "</authenticate>",
        b"</success>",
    )
    peer.transport.abort()
    found = re.search(rb"token=['\"]([^'\"]+)", answer)
    assert found is not None, answer
    return found[1].decode()
