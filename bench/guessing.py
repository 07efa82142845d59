"""Can somebody who may try tell by the time that an answer takes whether there is an account?

    python bench/guessing.py --rounds 400

For each way to log in, wrong logins to accounts that exist and to some that do not, in turns, over loopback:
medians in microseconds, and how often one who has seen both would be right by guessing that the slower
exists (50 % is a coin). Attempts come from made-up addresses, or they would be refused.
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import random
import statistics
import tempfile
import time
import uuid
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from pathlib import Path

from lab import Peer, add_users, environment, free_port, serving

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
_OPEN = "<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'{}/>"
_AGENT = uuid.uuid4()


class Visitor(Peer):
    """A WebSocket of bytes, from an address that a proxy would have seen."""

    async def enter(self, port: int) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        address = ".".join(str(random.randrange(1, 255)) for _ in range(3))
        self.transport.write(
            "GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"X-Forwarded-For: 11.{address}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: xmpp\r\n\r\n".encode()
        )
        await self.until(b"\r\n\r\n")

    async def ask(self, text: str, mark: bytes) -> tuple[bytes, float]:
        """The answer, and how long it took in microseconds."""
        data = text.encode()
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big")
        start = time.perf_counter()
        self.transport.write(b"\x81" + size + b"\0\0\0\0" + data)
        answer = await self.until(mark)
        return answer, (time.perf_counter() - start) * 1e6


async def _opened(port: int, claims: str = "") -> tuple[Visitor, float]:
    visitor = Visitor("")
    await visitor.enter(port)
    sender = f" from='{claims}@localhost'" if claims else ""
    _, took = await visitor.ask(_OPEN.format(sender), b"</stream:features>")
    return visitor, took


async def features(port: int, user: str) -> float:
    """The features for a header that names the account."""
    visitor, took = await _opened(port, user)
    visitor.transport.abort()
    return took


async def plain(port: int, user: str) -> float:
    visitor, _ = await _opened(port)
    data = b64encode(f"\0{user}\0wrong".encode()).decode()
    _, took = await visitor.ask(f"<auth xmlns='{SASL}' mechanism='PLAIN'>{data}</auth>", b"</failure>")
    visitor.transport.abort()
    return took


async def scram_salt(port: int, user: str) -> float:
    """The challenge."""
    visitor, _ = await _opened(port)
    _, took = await visitor.ask(_first(user), b"</challenge>")
    visitor.transport.abort()
    return took


async def scram_proof(port: int, user: str) -> float:
    """The answer to a wrong proof."""
    visitor, _ = await _opened(port)
    answer, _ = await visitor.ask(_first(user), b"</challenge>")
    challenge = b64decode(answer.partition(b"<challenge")[2].partition(b">")[2].partition(b"<")[0]).decode()
    nonce = challenge.partition("r=")[2].partition(",")[0]
    final = b64encode(f"c=biws,r={nonce},p={b64encode(bytes(32)).decode()}".encode()).decode()
    _, took = await visitor.ask(f"<response xmlns='{SASL}'>{final}</response>", b"</failure>")
    visitor.transport.abort()
    return took


def _first(user: str) -> str:
    data = b64encode(f"n,,n={user},r=abc".encode()).decode()
    return f"<auth xmlns='{SASL}' mechanism='SCRAM-SHA-256'>{data}</auth>"


async def token(port: int, user: str) -> float:
    visitor, _ = await _opened(port)
    proof = hmac.digest(b"x", b"Initiator", "sha256")
    data = b64encode(f"{user}\0".encode() + proof).decode()
    _, took = await visitor.ask(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='HT-SHA-256-NONE'>"
        f"<initial-response>{data}</initial-response><user-agent id='{_AGENT}'/>"
        "<fast xmlns='urn:xmpp:fast:0'/></authenticate>",
        b"</failure>",
    )
    visitor.transport.abort()
    return took


WAYS: tuple[Callable[[int, str], Awaitable[float]], ...] = (features, plain, scram_salt, scram_proof, token)


def told_apart(there: list[float], absent: list[float]) -> float:
    """How often the slower of two is the one that exists (the area under the curve), in percent."""
    wins = sum((a > b) + (a == b) / 2 for a in there for b in absent)
    return 100 * wins / (len(there) * len(absent))


async def measure(port: int, rounds: int) -> None:
    print(f"{'way':12} {'exists':>9} {'absent':>9} {'told apart':>11}")
    for way in WAYS:
        times: dict[bool, list[float]] = {True: [], False: []}
        for number in range(rounds):
            for exists in random.sample((True, False), 2):
                # each name few times, or the answers would be slowed down
                times[exists].append(await way(port, f"{'u' if exists else 'v'}{number}"))
        there, absent = times[True][20:], times[False][20:]
        print(
            f"{way.__name__:12} {statistics.median(there):7.0f}µs {statistics.median(absent):7.0f}µs "
            f"{told_apart(there, absent):9.1f} %",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=400)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environ = environment(Path(folder), http_port=str(port), log_level="error")
        add_users(environ, args.rounds)
        with serving(environ):
            asyncio.run(measure(port, args.rounds))


if __name__ == "__main__":
    main()
