"""Two servers that are killed again and again while people on both write to each other: what came of it.

python -m tests.federation.kills --other prosody --messages 2000 --kills 8

The other server may be ``kith``, ``prosody`` (with stream management between servers), ``prosody-plain``
(without) or ``ejabberd``. What the other server acknowledges to its people and then loses is its own affair,
and counted apart.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol
from xml.etree.ElementTree import Element

from tests.chaos.people import CLIENT, Device, Receiver, Sender, until
from tests.conftest import RunningServer
from tests.federation.ejabberd import ejabberd
from tests.federation.prosody import prosody
from tests.federation.world import World, world

#: How long everything may take to come to rest after the last kill, in seconds.
REST = 180.0
#: How many people write on each side, and how many read.
WRITERS, READERS = 4, 2
OTHERS = ("kith", "prosody", "prosody-plain", "ejabberd")


class Neighbour(Protocol):
    """A server with accounts whose password is ``pw``."""

    port: int
    domain: str

    @property
    def pid(self) -> int: ...
    def start(self) -> None: ...
    def kill(self) -> None: ...


@dataclass
class Direction:
    """What became of messages that the sender's server had acknowledged.

    ``lost``: neither at their recipient nor returned. ``returned``: the sender got an error. ``twice``: came
    twice, for the recipient to recognise by the id. ``disorder``: older ones of a sender after newer ones.
    """

    acknowledged: int = 0
    arrived: int = 0
    returned: int = 0
    lost: int = 0
    twice: int = 0
    disorder: int = 0


@dataclass
class Outcome:
    other: str
    kills: int = 0
    out: Direction = field(default_factory=Direction)  # from Kith
    back: Direction = field(default_factory=Direction)
    seconds: float = 0


class Writer(Sender):
    """Writes so many messages to people of the other server."""

    def __init__(
        self, server: Neighbour, name: str, rng: random.Random, recipients: list[str], total: int
    ) -> None:
        super().__init__(server, name, rng, recipients)
        self.total = total
        self.returned: set[int] = set()

    def got(self, message: Element) -> None:
        if message.get("type") == "error":
            number = (message.get("id") or "").rpartition("-")[2]
            if number.isdigit():
                self.returned.add(int(number))
                error = message.find(f"{CLIENT}error")
                self.errors.append(error[0].tag.partition("}")[2] if error is not None else "")

    def _send(self, device: Device, number: int) -> None:
        self.enough = number + 1 >= self.total or self.enough
        id = f"{self.name}-{number}"
        device.send(
            f"<message to='{self.to[number]}' type='chat' id='{id}'><body>{self.name} {number}</body>"
            f"<origin-id xmlns='urn:xmpp:sid:0' id='{id}'/></message>"
        )

    async def work(self, device: Device, resumed: bool) -> None:
        try:
            await super().work(device, resumed)
        finally:
            if self.stopping and len(self.returned) < len(self.acknowledged):
                self.stopping = False  # errors may still come
        await self._stay(device)

    async def _stay(self, device: Device) -> None:
        device.send("<presence/>")
        while not self.stopping:
            await asyncio.sleep(0.05)
            if device.closed:
                return


class Side:
    """The people of one server, who write to those of the other."""

    def __init__(self, server: Neighbour, rng: random.Random, kith: bool) -> None:
        self.server = server
        self.rng = rng
        self.readers = [Receiver(server, f"reader{n}", rng, eager=not kith) for n in range(READERS)]
        self.writers: list[Writer] = []

    def write(self, other: Side, messages: int) -> None:
        to = [reader.bare for reader in other.readers]
        for number in range(WRITERS):
            self.writers.append(Writer(self.server, f"writer{number}", self.rng, to, messages // WRITERS))

    @staticmethod
    def names() -> list[str]:
        return [*(f"reader{n}" for n in range(READERS)), *(f"writer{n}" for n in range(WRITERS))]

    @property
    def acknowledged(self) -> int:
        return sum(len(writer.acknowledged) for writer in self.writers)

    @property
    def written(self) -> bool:
        return all(writer.enough and not writer.waiting and not writer.again for writer in self.writers)

    def seen(self) -> set[tuple[str, str]]:
        """All messages that have arrived: (recipient, text)."""
        return {(reader.bare, text) for reader in self.readers for _, text in reader.notebook.seen}

    def missing(self, other: Side) -> list[tuple[Writer, int]]:
        """Messages to the other side that were acknowledged, and have neither arrived nor come back."""
        seen = other.seen()
        return [
            (writer, number)
            for writer in self.writers
            for number in sorted(writer.acknowledged - writer.returned)
            if (writer.to[number], f"{writer.name} {number}") not in seen
        ]

    def direction(self, other: Side) -> Direction:
        found = Direction(self.acknowledged, returned=sum(len(w.returned) for w in self.writers))
        found.lost = len(self.missing(other))
        found.arrived = len(other.seen())
        for reader in other.readers:
            texts = [text for _, text in reader.notebook.seen]
            found.twice += len(texts) - len(set(texts))
            newest: dict[str, int] = {}
            known: set[str] = set()
            for text in texts:
                name, _, number = text.partition(" ")
                if text not in known:
                    found.disorder += int(number) < newest.get(name, -1)
                    newest[name] = max(newest.get(name, -1), int(number))
                known.add(text)
        return found


@contextlib.contextmanager
def _other(kind: str, here: World, kith: RunningServer, names: Sequence[str]) -> Iterator[Neighbour]:
    port = int(kith.environ["KITH_FEDERATION_PORT"])
    if kind == "kith":
        with here.kith("other.test", strangers_per_hour="0", people=names) as server:
            yield server
    elif kind == "ejabberd":
        with ejabberd(here, "other.test", names, kith.domain, port) as server:
            yield server
    else:
        modules = "message iq mam offline carbons smacks"
        options = "" if kind == "prosody" else "smacks_enabled_s2s = false"
        known = {kith.domain: port}
        with prosody(here, "other.test", known, modules, people=names, options=options) as server:
            yield server


async def _kill(rng: random.Random, servers: Sequence[Neighbour]) -> None:
    """One of them, or both; now and then one hangs for a while before."""
    victims = rng.choice([[servers[0]], [servers[1]], list(servers)])
    if rng.random() < 0.4:
        for victim in victims:
            os.kill(victim.pid, signal.SIGSTOP)
        await asyncio.sleep(rng.uniform(0.2, 1.5))
    for victim in victims:
        victim.kill()
    await asyncio.sleep(rng.choice([0, 0, 1.5]) * rng.random())
    for victim in rng.sample(victims, len(victims)):
        await asyncio.to_thread(victim.start)


async def run(kind: str, folder: Path, messages: int, kills: int, seed: int) -> Outcome:
    """``messages`` each way while both servers are killed ``kills`` times; then compares."""
    rng = random.Random(seed)
    began = time.monotonic()
    outcome = Outcome(kind, kills)
    with contextlib.ExitStack() as stack:
        here = stack.enter_context(world(folder))
        kith = stack.enter_context(here.kith("kith.test", strangers_per_hour="0", people=Side.names()))
        with _other(kind, here, kith, Side.names()) as other:
            near, far = Side(kith, rng, True), Side(other, rng, kind == "kith")
            near.write(far, messages)
            far.write(near, messages)
            people = [*near.readers, *near.writers, *far.readers, *far.writers]
            tasks = [asyncio.create_task(person.run()) for person in people]
            try:
                for number in range(kills):
                    share = messages * (number + 1) // (kills + 1)
                    await until(
                        lambda share=share: near.acknowledged >= share and far.acknowledged >= share,  # type: ignore[misc]
                        REST,
                        "nothing is acknowledged",
                    )
                    await asyncio.sleep(rng.uniform(0, 0.3))
                    await _kill(rng, (kith, other))
                await until(lambda: near.written and far.written, REST, "people do not get to the end")
                with contextlib.suppress(TimeoutError):
                    await until(lambda: not near.missing(far), REST, "not all has arrived")
                with contextlib.suppress(TimeoutError):
                    await until(lambda: not far.missing(near), REST if kind == "kith" else 10, "not all came")
                await asyncio.sleep(1)  # for what should not come
                outcome.out, outcome.back = near.direction(far), far.direction(near)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--other", choices=OTHERS, default="kith")
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(run(args.other, Path(folder), args.messages, args.kills, args.seed))
    print(json.dumps(asdict(outcome)))


if __name__ == "__main__":
    main()
