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
import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import psutil
import uvloop
from lab import OMEMO, PLAIN, Peer, add_users, environment, serving


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
        environ = environment(Path(folder))
        add_users(environ, max(args.idle, 2 * args.pairs))
        machine = platform.processor() or platform.machine()
        print(json.dumps({"machine": machine, "cores": len(os.sched_getaffinity(0))}))
        with serving(environ) as process, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(Bench(int(environ["KITH_XMPP_PORT"]), process), args))


if __name__ == "__main__":
    main()
