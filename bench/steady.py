"""What a message costs, and how long it takes, at loads below the limit: commits that gather, or do not.

    python bench/steady.py [--rates N ...] [--lockstep PAIRS ...] [--rounds N] [--against FOLDER]

``--rates``: so many messages a second of fifty senders, whatever the server does. ``--lockstep``: each of so
many senders waits until its message has arrived before it writes the next; who writes alone is one of them.
``--against`` is another checkout of Kith, which is measured in turns with this one. CPU is the server's, all
threads, user and kernel. Each figure is the best of the rounds: a shared disk has bad moments.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import statistics
import tempfile
import time
from pathlib import Path

from lab import PLAIN, Peer, Server, kith, log_in
from loads import LATE, Figures, _Count, _message

_USERS = 100


async def steady(server: Server, payload: str, pairs: int, rate: int, seconds: float) -> Figures:
    """From the write of a message to its arrival, with random gaps between the messages."""
    peers = await log_in(server.port, range(2 * pairs))
    sent: dict[bytes, float] = {}
    times: list[float] = []

    def receive(data: bytes) -> None:
        now = time.perf_counter()
        for found in _STAMP.finditer(data):
            times.append((now - sent.pop(found[1])) * 1000)

    for peer in peers:
        peer.on_data = receive
    gaps = random.Random(rate)
    cpu, start = server.cpu(), time.perf_counter()
    due, number = start, 0
    while due < start + seconds:
        while (now := time.perf_counter()) >= due:
            pair = 2 * (number % pairs)
            key = f"L{number:08d}"
            sent[key.encode()] = now
            peers[pair].write(_message(peers[pair + 1], payload, key))
            number += 1
            due += gaps.expovariate(rate)
        time.sleep(1e-4)  # noqa: ASYNC251 - the loop's timers come in steps of a millisecond
        await asyncio.sleep(0)
    late = time.perf_counter() + LATE
    while sent and time.perf_counter() < late:  # noqa: ASYNC110 - the clock counts, not an event
        await asyncio.sleep(0.01)
    cpu = server.cpu() - cpu
    for peer in peers:
        peer.transport.abort()
    return _figures(times, cpu, seconds)


_STAMP = re.compile(rb"""id=['"](L\d{8})['"]""")


def _figures(times: list[float], cpu: float, seconds: float) -> Figures:
    return {
        "us": cpu / len(times) * 1e6,
        "p50_ms": statistics.median(times),
        "p99_ms": statistics.quantiles(times, n=100)[98],
        "per_second": len(times) / seconds,
    }


async def lockstep(server: Server, payload: str, pairs: int, seconds: float) -> Figures:
    """Messages a second, and CPU for each."""
    peers = await log_in(server.port, range(2 * pairs))
    times: list[float] = []

    class Next(_Count):
        """Writes the next one when this one has arrived."""

        def __init__(self, sender: Peer, receiver: Peer) -> None:
            super().__init__(receiver)
            self._sender = sender
            self._text = _message(receiver, payload)
            self._since = 0.0

        def write(self) -> None:
            self._since = time.perf_counter()
            self._sender.write(self._text)

        def hit(self, found: int) -> None:
            times.append((time.perf_counter() - self._since) * 1000)
            if running:
                self.write()

    running = True
    for sender, receiver in zip(peers[::2], peers[1::2], strict=True):
        Next(sender, receiver).write()
    await asyncio.sleep(0.5)
    times.clear()
    cpu, start = server.cpu(), time.perf_counter()
    await asyncio.sleep(seconds)
    figures = _figures(times, server.cpu() - cpu, time.perf_counter() - start)
    running = False
    await asyncio.sleep(0.2)
    for peer in peers:
        peer.transport.abort()
    return figures


async def measure(servers: dict[str, Server], options: argparse.Namespace) -> None:
    loads = [("rate", rate) for rate in options.rates] + [("lockstep", pairs) for pairs in options.lockstep]
    found: dict[tuple[str, int, str], list[Figures]] = {}
    for _ in range(options.rounds):
        for kind, number in loads:
            for name, server in servers.items():
                if kind == "rate":
                    figures = await steady(server, PLAIN, _USERS // 2, number, options.seconds)
                else:
                    figures = await lockstep(server, PLAIN, number, options.seconds)
                found.setdefault((kind, number, name), []).append(figures)
    print("load              server    CPU µs   median ms   99 % ms   a second")
    for (kind, number, name), rounds in found.items():
        us, p50, p99, rate = (
            best(figures[key] for figures in rounds)
            for key, best in (("us", min), ("p50_ms", min), ("p99_ms", min), ("per_second", max))
        )
        print(f"{kind:8} {number:7}  {name:8} {us:8.1f} {p50:11.2f} {p99:9.2f} {rate:10.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rates", type=int, nargs="*", default=[100, 300, 1000, 3000])
    parser.add_argument("--lockstep", type=int, nargs="*", default=[1, 2, 8], metavar="PAIRS")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--against", type=Path, help="another checkout")
    options = parser.parse_args()
    trees = {"this": Path(__file__).parent.parent}
    if options.against is not None:
        trees = {"against": options.against, **trees}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        servers = {}
        for name, tree in trees.items():
            os.environ["PYTHONPATH"] = str(tree.resolve() / "src")
            servers[name] = stack.enter_context(kith(Path(folder) / name, _USERS))
        asyncio.run(measure(servers, options))


if __name__ == "__main__":
    main()
