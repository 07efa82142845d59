"""A long run of ordinary life: logins, messages, lost connections, resumptions. Memory has to stay flat.

    make soak                       SOAK_MINUTES (30), SOAK_PEOPLE (150)
    python -m tests.chaos.soak --minutes 3 --people 60

Writes `soak.csv` and `soak.svg` to bench/out, and prints one line of figures. Exit status 1 if the memory of
the server grew; it raises TimeoutError if a message was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import datetime
import json
import random
import ssl
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.chaos.people import PATIENCE, Device, Person, Receiver, Sender, until
from tests.chaos.servers import Kith

ROOT = Path(__file__).parents[2]
OUT = ROOT / "bench/out"
IMAGE = ROOT / "docs/images/soak.svg"
#: The first part of the run fills caches, and counts for nothing.
WARM_UP = 0.25
#: What memory may grow by afterwards, as a share of what it was.
GROWTH = 0.1


class Sample(NamedTuple):
    """``memory`` in MiB, ``database`` in MB, the rest counted since the start."""

    seconds: float
    memory: float
    threads: int
    files: int
    database: float
    acknowledged: int
    received: int
    logins: int
    resumptions: int


class Visitor(Person):
    """Logs in, asks for this and that, and goes, now properly and now without a word; now and then in TLS."""

    def __init__(self, server: Kith, name: str, rng: random.Random) -> None:
        super().__init__(server, name, rng)
        self.tls_port = server.xmpps_port
        self.visits = 0

    def new_device(self) -> Device:
        device = super().new_device()
        if self.rng.random() < 0.5:
            device.port, device.tls = self.tls_port, _TRUSTING
        return device

    async def work(self, device: Device, resumed: bool) -> None:
        self.visits += 1
        if not resumed:
            await device.bind()
            if self.rng.random() < 0.5:
                await self.enable(device)
            device.send("<presence><show>away</show></presence>")
        for question in self.rng.sample(_QUESTIONS, 3):
            await device.iq(*question, timeout=PATIENCE)
            await asyncio.sleep(self.rng.random())
        if self.rng.random() < 0.5:
            self.token = ""
            device.send("</stream:stream>")
            await device.end(PATIENCE)
        await asyncio.sleep(self.rng.random() * 3)


_TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_TRUSTING.check_hostname = False
_TRUSTING.verify_mode = ssl.CERT_NONE
_QUESTIONS = [
    ("get", "<query xmlns='jabber:iq:roster'/>"),
    ("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
    ("set", "<query xmlns='urn:xmpp:mam:2'/>"),
    ("get", "<blocklist xmlns='urn:xmpp:blocking'/>"),
    ("get", "<ping xmlns='urn:xmpp:ping'/>"),
    ("set", "<enable xmlns='urn:xmpp:carbons:2'/>"),
]


class Town:
    """A third of the people write, a third read, a third come and go."""

    def __init__(self, server: Kith, people: int, rng: random.Random) -> None:
        self.server = server
        self.rng = rng
        third = max(1, people // 3)
        self.receivers = [Receiver(server, f"reader{n}", rng, eager=n % 2 == 0) for n in range(third)]
        names = [receiver.name for receiver in self.receivers]
        self.senders = [_Slow(server, f"writer{n}", rng, names) for n in range(third)]
        self.visitors = [Visitor(server, f"visitor{n}", rng) for n in range(third)]
        self.people: list[Person] = [*self.receivers, *self.senders, *self.visitors]
        self.samples: list[Sample] = []

    @property
    def visits(self) -> int:
        return sum(visitor.visits for visitor in self.visitors)

    async def live(self, seconds: float, messages: int = 0, visits: int = 0) -> None:
        """For at least so long, and until so many messages were acknowledged and visits made."""
        tasks = [asyncio.create_task(person.run()) for person in self.people]
        tasks.append(asyncio.create_task(self._cut()))
        try:
            began = time.monotonic()
            process = psutil.Process(self.server.pid)
            while (
                (now := time.monotonic() - began) < seconds
                or self.acknowledged < messages
                or self.visits < visits
            ):
                self.samples.append(self._sample(now, process))
                await asyncio.sleep(min(5.0, seconds / 100))
            for sender in self.senders:
                sender.enough = True
            await until(lambda: all(sender.stopping for sender in self.senders), 120, "senders do not end")
            await until(lambda: self.received >= self.acknowledged, 120, "messages are missing")
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        """Connections are lost all the time."""
        while True:
            await asyncio.sleep(self.rng.expovariate(len(self.people) / 20))
            self.rng.choice(self.people).drop()

    @property
    def acknowledged(self) -> int:
        return sum(len(sender.acknowledged) for sender in self.senders)

    @property
    def received(self) -> int:
        return sum(len(receiver.notebook.seen) for receiver in self.receivers)

    def _sample(self, now: float, process: psutil.Process) -> Sample:
        return Sample(
            round(now, 1),
            process.memory_info().rss / 2**20,
            process.num_threads(),
            process.num_fds(),
            (self.server.data_dir / "kith.sqlite").stat().st_size / 1e6,
            self.acknowledged,
            self.received,
            self.visits,
            sum(person.resumptions for person in self.people),
        )

    def growth(self) -> tuple[float, float]:
        """Memory after the first part and at the end, in MiB: medians of a tenth of the run each."""
        count = len(self.samples)
        tenth = max(1, count // 10)
        first = sorted(s.memory for s in self.samples[int(count * WARM_UP) :][:tenth])
        last = sorted(s.memory for s in self.samples[-tenth:])
        return first[len(first) // 2], last[len(last) // 2]


class _Slow(Sender):
    """Writes as people do: a few words, and a pause."""

    pause = 1.0

    async def work(self, device: Device, resumed: bool) -> None:
        self.window = self.rng.randint(1, 10)
        await super().work(device, resumed)


def plot(samples: list[Sample], caption: str, file: Path) -> None:
    """Writes an SVG."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    pyplot.rcParams.update({"font.family": "sans-serif", "font.size": 9, "svg.fonttype": "path"})
    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(9, 5), layout="constrained")
    minutes = [sample.seconds / 60 for sample in samples]
    above.plot(minutes, [sample.memory for sample in samples], label="memory of the server, MiB")
    above.plot(minutes, [sample.files for sample in samples], label="open files")
    below.plot(minutes, [sample.received / 1000 for sample in samples], label="messages, thousands")
    below.plot(minutes, [sample.resumptions / 1000 for sample in samples], label="resumptions, thousands")
    below.plot(minutes, [sample.logins / 1000 for sample in samples], label="visits, thousands")
    below.set_xlabel("minutes")
    for axes in (above, below):
        axes.set_ylim(bottom=0)
        axes.legend(frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(caption, fontsize=8, color="#5f6b76")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, facecolor="white")


async def soak(
    folder: Path, minutes: float, people: int, messages: int = 0, visits: int = 0
) -> tuple[Town, bool]:
    """Returns what was seen, and whether memory stayed flat. For the arguments see `Town.live`."""
    server = Kith(folder)
    server.start()
    try:
        town = Town(server, people, random.Random(6))
        server.add_users([person.name for person in town.people])
        await town.live(minutes * 60, messages, visits)
        before, after = town.growth()
        return town, after <= before * (1 + GROWTH)
    finally:
        server.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--people", type=int, default=150)
    parser.add_argument("--publish", action="store_true", help="write the picture of docs/reliability.md")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        town, flat = asyncio.run(soak(Path(folder), args.minutes, args.people))
    OUT.mkdir(parents=True, exist_ok=True)
    with (OUT / "soak.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Sample._fields)
        writer.writerows(town.samples)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    caption = f"{len(town.people)} people, {today}"
    plot(town.samples, caption, IMAGE if args.publish else OUT / "soak.svg")
    before, after = town.growth()
    last = town.samples[-1]
    figures = {
        "minutes": args.minutes,
        "people": len(town.people),
        "messages": town.received,
        "resumptions": last.resumptions,
        "visits": last.logins,
        "memory_mib": [round(before, 1), round(after, 1)],
        "open_files": [town.samples[len(town.samples) // 4].files, last.files],
        "flat": flat,
    }
    print(json.dumps(figures))
    return 0 if flat else 1


if __name__ == "__main__":
    sys.exit(main())
