"""Whether a message costs more when there is more of everything: CPU per 1 kB message, also at ten times.

    python bench/scale.py [--seconds N]

Ten times the people who write, the idle connections beside them, the messages in the archive. The two of each
pair are measured in turn, several times, because machines are noisy: the median counts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import loads
import uvloop
from lab import OMEMO, add_users, environment, log_in, serving
from lab import Server as Measured

from kith.ports.store import INCOMING, Append
from kith.store.sqlite import SQLiteStore

OUT = Path(__file__).parent / "out"
_BATCH = 2000


@dataclass(frozen=True)
class Size:
    """How much there is of what."""

    people: int = 100
    idle: int = 0
    archive: int = 0
    window: int = 20
    """Messages under way between the two of each pair."""


PAIRS = {
    "people who write": (Size(people=100, window=4), Size(people=1000, window=4)),
    "idle connections": (Size(idle=500), Size(idle=5000)),
    "messages in the archive": (Size(archive=100_000), Size(archive=1_000_000)),
}


async def fill(folder: Path, size: Size) -> None:
    """An archive of delivered messages between all who write."""
    store = SQLiteStore(folder / "kith.sqlite")
    await store.open()
    ids = [record.id for jid in await store.accounts() if (record := await store.account(jid))]
    chance = random.Random(1)
    began = int((time.time() - 86400) * 1000) << 20
    for start in range(0, size.archive, _BATCH):
        for number in range(start, min(start + _BATCH, size.archive)):
            one, other = chance.sample(range(size.people), 2)
            data = f"<message from='u{one}@localhost/r' to='u{other}@localhost'>{OMEMO}</message>".encode()
            owners = [(ids[one], f"u{other}@localhost", 0), (ids[other], f"u{one}@localhost", INCOMING)]
            store.append(Append(began + number, data, owners, lambda *_: None))
        await store.flush()
    for id in ids:
        store.mark_delivered(id, began + size.archive)
    await store.close()


async def measure(server: Measured, size: Size, seconds: float) -> float:
    """Microseconds of the server's CPU for each message."""
    idle = await log_in(server.port, range(size.people, size.people + size.idle))
    found = await loads.throughput(server, OMEMO, size.people // 2, size.window, seconds)
    for peer in idle:
        peer.transport.abort()
    await asyncio.sleep(1)
    return found["us"]


def once(size: Size, seconds: float) -> float:
    with tempfile.TemporaryDirectory() as folder:
        environ = environment(Path(folder))
        add_users(environ, size.people + size.idle)
        if size.archive:
            asyncio.run(fill(Path(folder), size))
        with serving(environ) as process:
            server = Measured("Kith", int(environ["KITH_XMPP_PORT"]), process)
            return uvloop.run(measure(server, size, seconds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=4, help="for each measurement")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    results = {}
    for name, pair in PAIRS.items():
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(args.repeat):
            for size, times in zip(pair, found, strict=True):
                times.append(once(size, args.seconds))
        few, many = (statistics.median(times) for times in found)
        results[name] = {"us": round(few, 1), "us at ten times": round(many, 1)}
        print(json.dumps({"more": name, **results[name], "sizes": [str(size) for size in pair]}), flush=True)
    OUT.mkdir(exist_ok=True)
    (OUT / "scale.json").write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
