"""Where a message's microseconds go: the server's own code in this process, with no socket.

    python bench/budget.py [--messages N] [--batch N] [--profile]

Connections are real but for their transports, which take bytes and throw them away; the store is real.
``loop`` is CPU of the thread that reads, routes and delivers, ``store`` that of the thread that commits.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import cProfile
import pstats
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

import uvloop
from lab import BIND, HEAD, OMEMO, PLAIN, add_users, environment

from kith import journal
from kith.accounts.credentials import check_password, make_keys
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.bus.local import LocalPlacement
from kith.config import Config
from kith.core.login.stream import Stream
from kith.core.node import Node
from kith.edge.edge import Edge
from kith.edge.tcp import TCPConnection
from kith.features import ALL
from kith.records.passwords import Passwords
from kith.store.sqlite import SQLiteStore
from kith.wire.limits import Limits
from kith.wire.parser import ParserPool, StreamParser


class Tally:
    """Messages that were delivered, to all together."""

    def __init__(self) -> None:
        self.missing = 0
        self.done = asyncio.Event()


class Wire:
    """A transport to nowhere; counts the messages written to it."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.written = b""

    def get_extra_info(self, name: str, default: object = None) -> object:
        return ("127.0.0.1", 1) if name == "peername" else default

    def write(self, data: bytes) -> None:
        self.written = data
        self.tally.missing -= data.count(b"</message>")
        if self.tally.missing <= 0:
            self.tally.done.set()

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def abort(self) -> None: ...
    def close(self) -> None: ...
    def can_write_eof(self) -> bool:
        return False


async def _client(edge: Edge, node: Node, user: str, tally: Tally) -> TCPConnection:
    wire = Wire(tally)
    connection = TCPConnection(
        edge, lambda sink, security: Stream(node.entrance, sink, security, starttls=False)
    )
    connection.connection_made(wire)  # type: ignore[arg-type]
    token = base64.b64encode(f"\0{user}\0secret".encode()).decode()
    auth = f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>"
    for text, mark in ((HEAD, b"features>"), (auth, b"<success"), (HEAD, b"<bind"), (BIND, b"</jid>")):
        connection.data_received(text.encode())
        while mark not in wire.written:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
    connection.data_received(b"<presence/>")
    return connection


async def measure(folder: Path, payload: str, people: int, messages: int, batch: int, profile: bool) -> None:
    store = SQLiteStore(folder / "kith.sqlite")
    config = Config(data_dir=folder, allow_plaintext=True)
    node = Node(
        config,
        store,
        ALL,
        partial(Passwords, check_password, make_keys),
        Secret(b"s" * 32),
        LocalPlacement(),
        Clock(),
        Randomness(),
    )
    await node.start()
    edge = Edge(config, node.domain, node.tasks, partial(Stream, node.entrance), ParserPool(Limits()), None)  # type: ignore[arg-type]
    tally = Tally()
    clients = [await _client(edge, node, f"u{number}", tally) for number in range(people)]
    await asyncio.sleep(0.1)
    sent = [
        f"<message to='u{number ^ 1}@localhost' type='chat' id='m'>{payload}</message>".encode()
        for number in range(people)
    ]

    async def burst(count: int) -> None:
        tally.missing = count
        tally.done.clear()
        for number in range(count):
            clients[number % people].data_received(sent[number % people])
        await tally.done.wait()

    await burst(people * 4)
    writer = next(thread for thread in threading.enumerate() if thread.name == "kith-store")
    clock = time.pthread_getcpuclockid(writer.ident or 0)
    loop, stored = time.thread_time(), time.clock_gettime(clock)
    profiler = cProfile.Profile() if profile else None
    if profiler is not None:
        profiler.enable()
    for _ in range(messages // batch):
        await burst(batch)
    if profiler is not None:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(40)
    count = messages // batch * batch
    loop, stored = time.thread_time() - loop, time.clock_gettime(clock) - stored
    pool = ParserPool(Limits())
    parser = StreamParser(pool, opened=True)
    parser.feed(sent[0])
    begun = time.thread_time()
    for _ in range(5000):
        parser.feed(sent[0])
    parsing = (time.thread_time() - begun) / 5000
    name = "OMEMO" if payload is OMEMO else "plain"
    figures: dict[str, Any] = {"parse": parsing, "loop": loop / count, "store": stored / count}
    print(f"{name:6} " + "  ".join(f"{key} {value * 1e6:5.1f} µs" for key, value in figures.items()))
    await node.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=200, help="messages that come at once")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--profile", action="store_true", help="show the functions that take longest")
    args = parser.parse_args()
    journal.set_up("warning", "text")
    for payload in (PLAIN, OMEMO):
        with tempfile.TemporaryDirectory() as folder:
            add_users(environment(Path(folder)), args.people)
            work = measure(Path(folder), payload, args.people, args.messages, args.batch, args.profile)
            uvloop.run(work)


if __name__ == "__main__":
    main()
