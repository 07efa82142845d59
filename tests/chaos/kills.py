"""A server that is killed again and again while people write: what came of it.

python -m tests.chaos.kills --server prosody --kills 50

"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.chaos.people import Receiver, Sender, until
from tests.chaos.servers import Killable, served

#: How long everything may take to come to rest after the last kill, in seconds.
REST = 120.0
#: How many messages are acknowledged, and how many sessions resumed, between two kills: at least.
MESSAGES, RESUMPTIONS = 100, 1


@dataclass
class Outcome:
    """What happened to messages that the server had acknowledged to their senders.

    ``lost``: neither delivered nor in the recipient's archive. ``gaps``: in the archive, but the device that
    resumed and caught up does not have them. ``not_offered``: the same for a client that reads no archive.
    ``twice``: two messages for one. ``disorder``: older ones of a sender after newer ones. ``repeated``: the
    same, with the same id, for a client to recognise; ``needlessly``: to one that had read the archive first.
    """

    kills: int = 0
    drops: int = 0
    resumptions: int = 0
    acknowledged: int = 0
    lost: int = 0
    gaps: int = 0
    not_offered: int = 0
    twice: int = 0
    disorder: int = 0
    repeated: int = 0
    needlessly: int = 0
    archive_forgot: int = 0
    refused: int = 0
    seconds: float = 0

    @property
    def clean(self) -> bool:
        return not (
            self.lost or self.gaps or self.not_offered or self.twice or self.disorder or self.needlessly
        )


class Cast:
    """Everybody. ``phones`` resume, ``readers`` have the archive only, ``sleeper`` comes now and then and
    takes what waits, ``away`` is not there until the end."""

    def __init__(self, server: Killable, rng: random.Random, senders: int, eager: bool) -> None:
        self.server = server
        self.rng = rng
        # one kind of phone is eager in any case
        self.phones = [Receiver(server, f"phone{n}", rng, eager=eager or n == 0) for n in range(3)]
        self.readers = [Receiver(server, f"reader{n}", rng, manages=False, eager=eager) for n in range(2)]
        self.sleeper = Receiver(server, "sleeper", rng, reads=False)
        self.away = Receiver(server, "away", rng, eager=eager)
        self.receivers = [*self.phones, *self.readers, self.sleeper, self.away]
        names = [receiver.name for receiver in self.receivers]
        self.senders = [Sender(server, f"sender{n}", rng, names) for n in range(senders)]
        self.drops = 0

    @staticmethod
    def names(senders: int) -> list[str]:
        phones, readers = [f"phone{n}" for n in range(3)], [f"reader{n}" for n in range(2)]
        return [*phones, *readers, "sleeper", "away", *(f"sender{n}" for n in range(senders))]

    @property
    def acknowledged(self) -> int:
        return sum(len(sender.acknowledged) for sender in self.senders)

    @property
    def resumptions(self) -> int:
        return sum(person.resumptions for person in (*self.receivers, *self.senders))

    async def flowing(self) -> None:
        """Waits until people write again, and sessions have come back. Raises TimeoutError."""
        messages, resumptions = self.acknowledged + MESSAGES, self.resumptions + RESUMPTIONS
        await until(lambda: self.acknowledged >= messages, REST, "nothing is acknowledged")
        await until(lambda: self.resumptions >= resumptions, REST, "no session is resumed")

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """Everybody but who is away writes and reads; connections are cut at random."""
        present = [*self.phones, *self.readers, *self.senders]
        tasks = [asyncio.create_task(person.run()) for person in present]
        tasks += [asyncio.create_task(self._cut()), asyncio.create_task(self._sleep())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.05, 0.4))
            victim = self.rng.choice([*self.phones, *self.readers, *self.senders])
            if victim.device is not None and not victim.stopping:
                self.drops += 1
                victim.drop()

    async def _sleep(self) -> None:
        """The sleeper looks in, and goes without a word."""
        while True:
            await asyncio.sleep(self.rng.uniform(0.5, 2))
            self.sleeper.stopping = False
            task = asyncio.create_task(self.sleeper.run())
            await asyncio.sleep(self.rng.uniform(0.1, 0.8))
            self.sleeper.hang_up()
            await task

    def expected(self) -> dict[str, list[tuple[str, int]]]:
        """By recipient: the acknowledged messages as (sender, number)."""
        found: dict[str, list[tuple[str, int]]] = {receiver.name: [] for receiver in self.receivers}
        for sender in self.senders:
            for number in sorted(sender.acknowledged):
                found[sender.to[number]].append((sender.name, number))
        return found

    async def come_to_rest(self) -> None:
        """Senders get to the end; who was away comes; receivers get what there is."""
        for sender in self.senders:
            sender.enough = True
        await until(lambda: all(sender.stopping for sender in self.senders), REST, "senders do not end")

    async def last_look(self) -> None:
        """Everybody reads until nothing new comes."""
        for late in (self.away, self.sleeper):
            late.stopping = False
        tasks = [asyncio.create_task(late.run()) for late in (self.away, self.sleeper)]
        try:
            expected = self.expected()

            def complete() -> bool:
                return all(len(r.notebook.seen) >= len(expected[r.name]) for r in self.receivers)

            with contextlib.suppress(TimeoutError):
                await until(complete, 20, "not all has arrived")
            await asyncio.sleep(1)  # for what should not come
        finally:
            for person in self.receivers:
                person.hang_up()
            await asyncio.gather(*tasks)

    async def outcome(self) -> Outcome:
        """Compares what was acknowledged with what was seen and with the archives."""
        outcome = Outcome(
            drops=self.drops,
            resumptions=self.resumptions,
            refused=sum(len(sender.errors) for sender in self.senders),
        )
        for receiver in self.receivers:
            expected = self.expected()[receiver.name]
            seen = [_parse(text) for _, text in receiver.notebook.seen]
            known = set(seen)
            archived = await self._archive(receiver.name)
            missing = [message for message in expected if message not in known]
            outcome.acknowledged += len(expected)
            outcome.lost += sum(message not in archived for message in missing)
            if receiver is self.sleeper:
                outcome.not_offered += sum(message in archived for message in missing)
            else:
                outcome.gaps += sum(message in archived for message in missing)
            outcome.twice += len(seen) - len(known)
            outcome.disorder += _disorder(seen)
            outcome.archive_forgot += receiver.forgotten
            outcome.repeated += receiver.notebook.repeated
            if not (receiver.eager or receiver is self.sleeper):
                outcome.needlessly += receiver.notebook.repeated
        return outcome

    async def _archive(self, name: str) -> set[tuple[str, int]]:
        reader = Receiver(self.server, name, self.rng)
        task = asyncio.create_task(reader.run())
        await asyncio.wait_for(reader.hearing.wait(), REST)
        reader.hang_up()
        await task
        return {_parse(text) for _, text in reader.notebook.seen}


def _parse(text: str) -> tuple[str, int]:
    name, _, number = text.partition(" ")
    return name, int(number)


def _disorder(seen: list[tuple[str, int]]) -> int:
    """How often a first sight of a message comes after a newer one of the same sender."""
    newest: dict[str, int] = {}
    known: set[tuple[str, int]] = set()
    wrong = 0
    for sender, number in seen:
        if (sender, number) not in known:
            wrong += number < newest.get(sender, -1)
            newest[sender] = max(newest.get(sender, -1), number)
        known.add((sender, number))
    return wrong


async def run(kind: str, folder: Path, kills: int, seed: int, senders: int = 6) -> Outcome:
    """Kills a server so often while people write, then compares."""
    rng = random.Random(seed)
    began = time.monotonic()
    with served(kind, folder, Cast.names(senders)) as server:
        cast = Cast(server, rng, senders, eager=kind != "kith")
        async with cast.at_work():
            for _ in range(kills):
                await cast.flowing()
                await asyncio.sleep(rng.uniform(0, 1))
                server.kill()
                await asyncio.to_thread(server.start)
            await cast.come_to_rest()
            await cast.last_look()
        outcome = await cast.outcome()
    outcome.kills = kills
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--server", choices=("kith", "prosody", "ejabberd"), default="kith")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = asyncio.run(run(args.server, Path(folder), args.kills, args.seed))
    print(json.dumps({"server": args.server, **asdict(outcome)}))


if __name__ == "__main__":
    main()
