"""What a message costs in the store: CPU per 1 kB message in two logs, beside a busy event loop.

    python bench/store.py [--messages N] [--batches N ...] [--gather MS ...]
    python bench/store.py --rate N ... [--gather MS ...]

A competing thread holds the interpreter's lock as a loaded event loop does. Its CPU is not counted:
`store` is the writer thread's, `append` the loop's for queueing and callbacks. `idle ms` is the median
time from one append to its callback when nothing else happens.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

from kith.ports.store import INCOMING, Append, Keys
from kith.store.sqlite import SQLiteStore

_STANZA = b"<message>" + b"x" * 1000 + b"</message>"


class Busy:
    """A thread that does nothing but compute, until it is told to stop."""

    def __init__(self) -> None:
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop:
            sum(range(100))

    def stop(self) -> None:
        self._stop = True
        self._thread.join()


def thread_cpu(name: str) -> float:
    """CPU seconds of a thread of this process, by its name."""
    for thread in threading.enumerate():
        if thread.name == name and thread.ident is not None:
            return time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    raise LookupError(name)


async def burst(
    store: SQLiteStore, first: int, count: int, batch: int, owners: list[tuple[int, str, int]]
) -> None:
    """Appends in batches; each waits for its commit."""
    loop = asyncio.get_running_loop()
    for start in range(first, first + count, batch):
        finished = loop.create_future()
        left = batch

        def done(existing: int | None, error: BaseException | None) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                raise error
            if not left and not finished.done():  # noqa: B023
                finished.set_result(None)  # noqa: B023

        for id in range(start, start + batch):
            origin = id.to_bytes(16, "big")
            store.append(Append(id, _STANZA, owners, done, owners[1][1], owners[0][1], origin))
        await finished


async def stream(
    store: SQLiteStore, rate: int, seconds: float, owners: list[tuple[int, str, int]]
) -> list[float]:
    """Appends at a steady rate, whatever the store does. Returns how long each took, in ms."""
    took: list[float] = []

    def appended(at: float) -> Callable[[int | None, BaseException | None], None]:
        return lambda existing, error: took.append((time.perf_counter() - at) * 1e3)

    began, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - began) < seconds:
        while sent < now * rate:
            id = 1_000_000 + sent
            origin = id.to_bytes(16, "big")
            done = appended(time.perf_counter())
            store.append(Append(id, _STANZA, owners, done, owners[1][1], owners[0][1], origin))
            sent += 1
        await asyncio.sleep(0.0002)
    await store.flush()
    return took


async def steady(folder: Path, rate: int, gather: float) -> tuple[float, float, float]:
    """µs of the writer thread per message; median and 99th percentile of the time to the callback in ms."""
    store = SQLiteStore(folder / "steady.sqlite", gather)
    await store.open()
    keys = {"SHA-256": Keys(b"salt", b"stored", b"server", 4096)}
    await store.create_accounts([("a@localhost", keys), ("b@localhost", keys)])
    owners = [(1, "b@localhost", 0), (2, "a@localhost", INCOMING)]
    before = thread_cpu("kith-store")
    took = sorted(await stream(store, rate, 1.5, owners))
    spent = (thread_cpu("kith-store") - before) / len(took) * 1e6
    await store.close()
    return spent, took[len(took) // 2], took[len(took) * 99 // 100]


async def measure(folder: Path, batch: int, gather: float, messages: int, busy: bool) -> tuple[float, ...]:
    """µs of the writer thread, of the loop, and of the wall clock, per message; idle latency in ms."""
    store = SQLiteStore(folder / f"{batch}-{gather}-{busy}.sqlite", gather)
    await store.open()
    keys = {"SHA-256": Keys(b"salt", b"stored", b"server", 4096)}
    await store.create_accounts([("a@localhost", keys), ("b@localhost", keys)])
    a, b = await store.account("a@localhost"), await store.account("b@localhost")
    assert a is not None
    assert b is not None
    owners = [(a.id, "b@localhost", 0), (b.id, "a@localhost", INCOMING)]
    await burst(store, 1, batch * 4, batch, owners)
    latencies = []
    for id in range(10_000, 10_030):
        began = time.perf_counter()
        await burst(store, id, 1, 1, owners)
        latencies.append((time.perf_counter() - began) * 1e3)
        await asyncio.sleep(0.002)
    count = max(messages // batch, 8) * batch
    competitor = Busy() if busy else None
    writer, loop, wall = thread_cpu("kith-store"), time.thread_time(), time.perf_counter()
    await burst(store, 100_000, count, batch, owners)
    spent = thread_cpu("kith-store") - writer, time.thread_time() - loop, time.perf_counter() - wall
    if competitor is not None:
        competitor.stop()
    await store.close()
    return (*(seconds / count * 1e6 for seconds in spent), statistics.median(latencies))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument("--messages", type=int, default=4000)
    arguments.add_argument("--gather", type=float, nargs="+", default=[0.0], metavar="MS")
    arguments.add_argument("--batches", type=int, nargs="+", default=[1, 8, 32, 128, 512])
    arguments.add_argument("--rate", type=int, nargs="+", metavar="PER_SECOND", help="a steady rate instead")
    options = arguments.parse_args()
    if options.rate:
        print("gather ms    rate  store µs  median ms  99% ms   (per message)")
        for rate in options.rate:
            for gather in options.gather:
                with tempfile.TemporaryDirectory() as folder:
                    spent, median, late = asyncio.run(steady(Path(folder), rate, gather / 1000))
                print(f"{gather:9.1f} {rate:7} {spent:9.1f} {median:10.2f} {late:7.2f}")
        return
    print("gather ms  batch  beside  store µs  append µs  wall µs  idle ms   (per message)")
    for gather in options.gather:
        for batch in options.batches:
            for busy in (False, True):
                with tempfile.TemporaryDirectory() as folder:
                    count = min(options.messages, batch * 40)
                    figures = asyncio.run(measure(Path(folder), batch, gather / 1000, count, busy))
                store, append, wall, idle = figures
                beside = "busy" if busy else "idle"
                print(
                    f"{gather:9.1f} {batch:6} {beside:>7} {store:9.1f} {append:10.1f} {wall:8.1f} {idle:8.2f}"
                )


if __name__ == "__main__":
    main()
