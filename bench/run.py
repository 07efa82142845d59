"""What the README's figures come from: CPU per message, latency and memory, on this machine.

    make bench              a server of its own, on loopback, in a temporary folder
    python bench/run.py --seconds 10 --pairs 50

Clients are hand-made bytes, so that one core of load can fill one core of server. The server is
measured as it ships: the archive on for both sides, every commit synced to disk before a message
is delivered.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import uvloop

HEAD = (
    "<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
    "xmlns:stream='http://etherx.jabber.org/streams'>"
)
BIND = (
    "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>r</resource></bind></iq>"
)
PLAIN = "<body>" + "the quick brown fox jumps over the lazy dog " * 4 + "</body>"
OMEMO = (
    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'>"
    f"<key rid='2'>{'k' * 176}</key><key rid='3'>{'k' * 176}</key><iv>aaaaaaaaaaaaaaaa</iv></header>"
    f"<payload>{'p' * 280}</payload></encrypted>"
    "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
    "<store xmlns='urn:xmpp:hints'/>"
)


class Peer(asyncio.Protocol):
    """A client; after `login`, ``on_data`` gets what comes."""

    def __init__(self, user: str) -> None:
        self.user = user
        self.buffer = b""
        self.news = asyncio.Event()
        self.on_data = self.gather

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.on_data(data)

    def gather(self, data: bytes) -> None:
        self.buffer += data
        self.news.set()

    async def until(self, mark: bytes) -> None:
        async with asyncio.timeout(60):
            while mark not in self.buffer:
                self.news.clear()
                await self.news.wait()
        self.buffer = b""

    def write(self, text: str) -> None:
        self.transport.write(text.encode())

    async def login(self, port: int) -> Peer:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        token = base64.b64encode(f"\0{self.user}\0secret".encode()).decode()
        for text, mark in (
            (HEAD, b"</stream:features>"),
            (f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>", b"<success"),
            (HEAD, b"</stream:features>"),
            (BIND, b"</iq>"),
            ("<presence/><iq type='get' id='p'><ping xmlns='urn:xmpp:ping'/></iq>", b"id='p'"),
        ):
            self.write(text)
            await self.until(mark)
        return self


class Bench:
    """A running server and how to measure it."""

    def __init__(self, port: int, process: psutil.Process) -> None:
        self.port = port
        self.process = process

    def cpu(self) -> float:
        used = self.process.cpu_times()
        return used.user + used.system

    async def users(self, count: int) -> list[Peer]:
        gate = asyncio.Semaphore(50)

        async def one(number: int) -> Peer:
            async with gate:
                return await Peer(f"u{number}").login(self.port)

        return list(await asyncio.gather(*(one(number) for number in range(count))))

    async def throughput(self, pairs: int, window: int, seconds: float, payload: str) -> dict[str, float]:
        """``window`` messages under way between the two of each pair, as fast as they go."""
        peers = await self.users(2 * pairs)
        counted = 0
        running = True
        for number, peer in enumerate(peers):
            to = peers[number ^ 1].user
            message = f"<message to='{to}@localhost' type='chat' id='m'>{payload}</message>".encode()

            def receive(data: bytes, peer: Peer = peer, message: bytes = message) -> None:
                nonlocal counted
                data = peer.buffer + data
                found = data.count(b"</message>")
                peer.buffer = data[-9:] if found == 0 else data[data.rfind(b"</message>") + 10 :][-9:]
                counted += found
                if running and found:
                    peer.transport.write(message * found)

            peer.on_data = receive
            peer.transport.write(message * (window // 2))
        await asyncio.sleep(1)
        begin, cpu, start = counted, self.cpu(), time.perf_counter()
        await asyncio.sleep(seconds)
        messages, cpu, elapsed = counted - begin, self.cpu() - cpu, time.perf_counter() - start
        running = False
        await asyncio.sleep(0.5)
        for peer in peers:
            peer.transport.abort()
        return {
            "messages_per_second": round(messages / elapsed),
            "cpu_us_per_message": round(cpu / messages * 1e6, 1),
        }

    async def latency(self, pairs: int, rate: int, seconds: float) -> dict[str, float]:
        """From the write of a 1 kB encrypted message to its arrival, in milliseconds."""
        peers = await self.users(2 * pairs)
        sent: dict[bytes, float] = {}
        times: list[float] = []
        for peer in peers:

            def receive(data: bytes) -> None:
                now = time.perf_counter()
                for part in data.split(b" id='L")[1:]:
                    start = sent.pop(part[:8], None)
                    if start is not None:
                        times.append((now - start) * 1000)

            peer.on_data = receive
        start = time.perf_counter()
        for number in range(int(rate * seconds)):
            wait = start + number / rate - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            pair = 2 * (number % pairs)
            key = f"{number:08d}"
            sent[key.encode()] = time.perf_counter()
            peers[pair].write(
                f"<message to='{peers[pair + 1].user}@localhost' type='chat' id='L{key}'>{OMEMO}</message>"
            )
        await asyncio.sleep(1)
        for peer in peers:
            peer.transport.abort()
        points = statistics.quantiles(times, n=1000)
        return {
            "lost": len(sent),
            "p50_ms": round(points[499], 2),
            "p95_ms": round(points[949], 2),
            "p99_ms": round(points[989], 2),
        }

    async def idle(self, count: int) -> dict[str, float]:
        before = self.process.memory_info().rss
        peers = await self.users(count)
        await asyncio.sleep(2)
        used = self.process.memory_info().rss - before
        for peer in peers:
            peer.transport.abort()
        return {"connections": count, "kib_per_connection": round(used / count / 1024, 1)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def measure(bench: Bench, args: argparse.Namespace) -> None:
    def show(name: str, figures: dict[str, float]) -> None:
        print(json.dumps({"measured": name, **figures}), flush=True)

    show("idle", await bench.idle(args.idle))
    for name, payload in (("plain 250 B", PLAIN), ("OMEMO 1 kB", OMEMO)):
        show(name, await bench.throughput(args.pairs, 20, args.seconds, payload))
    show(f"latency at {args.rate}/s", await bench.latency(args.pairs, args.rate, args.seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8, help="for each measurement")
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--rate", type=int, default=500, help="messages a second, for the latency")
    parser.add_argument("--idle", type=int, default=2000, help="idle connections")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        environ = {name: value for name, value in os.environ.items() if not name.startswith("KITH_")} | {
            "KITH_DATA_DIR": folder,
            "KITH_LISTEN": "127.0.0.1",
            "KITH_XMPP_PORT": str(port),
            "KITH_XMPPS_PORT": "0",
            "KITH_HTTP_PORT": "0",
            "KITH_HTTPS_PORT": "0",
            "KITH_ALLOW_PLAINTEXT": "on",
        }
        kith = [sys.executable, "-m", "kith"]
        names = Path(folder) / "users.csv"
        count = max(args.idle, 2 * args.pairs)
        names.write_text("jid,password\n" + "".join(f"u{n}@localhost,secret\n" for n in range(count)))
        subprocess.run([*kith, "user", "import", str(names)], env=environ, check=True)
        # the server on one core and the load on another, where there are two
        cores = sorted(os.sched_getaffinity(0))
        pin = ["taskset", "-c", str(cores[0])] if len(cores) > 1 else []
        if len(cores) > 1:
            os.sched_setaffinity(0, {cores[1]})
        print(json.dumps({"machine": platform.processor() or platform.machine(), "cores": len(cores)}))
        process = subprocess.Popen([*pin, *kith, "serve"], env=environ, stdout=subprocess.DEVNULL)
        try:
            time.sleep(2)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(measure(Bench(port, psutil.Process(process.pid)), args))
        finally:
            process.terminate()
            process.wait(20)


if __name__ == "__main__":
    main()
