"""A server that is killed again and again while people write in groups: what came of it.

python -m tests.chaos.group_kills --kills 50

"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree.ElementTree import Element

from tests.chaos.people import LOST, PATIENCE, Device, Receiver, Sender, until
from tests.chaos.servers import Kith
from tests.raw import CLIENT

GROUPS = "urn:kith:groups:0"
MUC = "http://jabber.org/protocol/muc"
REST = 120.0
#: How many messages are acknowledged between two kills, at least.
MESSAGES = 60
_SELF = f"{{{MUC}#user}}x/{{{MUC}#user}}status[@code='110']"
_FORM = (
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
    "<field var='include-groupchat'><value>true</value></field></x>"
)


class Writer(Sender):
    """Writes numbered messages to groups, of which it gets everything back without noting it."""

    def got(self, message: Element) -> None:
        if message.get("type") == "error":
            super().got(message)

    def _send(self, device: Device, number: int) -> None:
        # the ids of retries are random, as those of apps are
        id = f"{random.Random(f'{self.name} {number}').getrandbits(128):032x}"
        device.send(
            f"<message to='{self.to[number]}' type='groupchat' id='{self.name}-{number}'>"
            f"<body>{self.name} {number}</body><origin-id xmlns='urn:xmpp:sid:0' id='{id}'/></message>"
        )


class Member(Receiver):
    """Has never entered a group: it gets the entries of its log, live and from the archive."""

    form = _FORM

    async def _begin(self, device: Device) -> None:
        await device.bind()
        answer = await device.iq("set", f"<groupchat xmlns='{GROUPS}'/>", timeout=PATIENCE)
        assert answer.get("type") == "result"
        if self.manages:
            await self.enable(device)
        await self._catch_up(device)
        device.send("<presence/>")


@dataclass
class Outcome:
    """``lost``: acknowledged, and not in the log of a member. ``twice``: two entries for one message.

    ``disorder``: a member's log has another order than the group's. ``gaps``: a device has not seen what is
    in its log, or in another order.
    """

    kills: int = 0
    acknowledged: int = 0
    resumptions: int = 0
    refused: list[str] = field(default_factory=list)
    lost: int = 0
    twice: int = 0
    disorder: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    seconds: float = 0

    @property
    def clean(self) -> bool:
        return not (self.lost or self.twice or self.disorder or self.gaps or self.refused)


class Cast:
    """Four who write and three who read; ``away`` is not there until the end. All are in all groups."""

    def __init__(self, server: Kith, rng: random.Random) -> None:
        self.server = server
        self.rng = rng
        self.groups = [f"{name}@groups.{server.domain}" for name in ("tea", "work")]
        self.writers = [Writer(server, f"writer{n}", rng, self.groups) for n in range(4)]
        self.members = [
            Member(server, "phone", rng),
            Member(server, "phone2", rng),
            Member(server, "reader", rng, manages=False),
        ]
        self.away = Member(server, "away", rng)

    @staticmethod
    def names() -> list[str]:
        return ["owner", "phone", "phone2", "reader", "away", *(f"writer{n}" for n in range(4))]

    async def make(self) -> None:
        """The groups, with everybody in them."""
        owner = Device(Member(self.server, "owner", self.rng))
        await owner.connect()
        await owner.login("owner")
        await owner.bind()
        owner.send("<presence/>")
        for group in self.groups:
            owner.send(f"<presence to='{group}/owner'><x xmlns='{MUC}'/></presence>")
            await owner.take(lambda e: e.tag == f"{CLIENT}presence" and e.find(_SELF) is not None, PATIENCE)
            submit = f"<query xmlns='{MUC}#owner'><x xmlns='jabber:x:data' type='submit'/></query>"
            assert (await owner.iq("set", submit, group)).get("type") == "result"
            items = "".join(
                f"<item jid='{name}@{self.server.domain}' affiliation='member'/>" for name in self.names()[1:]
            )
            query = f"<query xmlns='{MUC}#admin'>{items}</query>"
            assert (await owner.iq("set", query, group)).get("type") == "result"
        owner.abort()

    @property
    def acknowledged(self) -> int:
        return sum(len(writer.acknowledged) for writer in self.writers)

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(person.run()) for person in (*self.members, *self.writers)]
        tasks.append(asyncio.create_task(self._cut()))
        try:
            yield
        finally:
            for person in (*self.members, self.away):
                person.hang_up()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.05, 0.5))
            self.rng.choice([*self.members, *self.writers]).drop()

    async def flowing(self) -> None:
        wanted = self.acknowledged + MESSAGES
        await until(lambda: self.acknowledged >= wanted, REST, "nothing is acknowledged")

    async def finish(self) -> None:
        """The writers come to the end, and everybody reads what there is."""
        for writer in self.writers:
            writer.enough = True
        await until(lambda: all(writer.stopping for writer in self.writers), REST, "writers do not end")
        task = asyncio.create_task(self.away.run())
        everybody = [*self.members, self.away]
        with contextlib.suppress(TimeoutError):
            await until(
                lambda: all(len(one.notebook.seen) >= self.acknowledged for one in everybody), 60, "gaps"
            )
        await asyncio.sleep(0.5)  # for what should not come
        self.away.hang_up()
        await task

    async def outcome(self) -> Outcome:
        """Compares the logs of members, what they have seen, and the archives of the groups."""
        outcome = Outcome(
            acknowledged=self.acknowledged,
            resumptions=sum(person.resumptions for person in (*self.members, *self.writers)),
            refused=[error for writer in self.writers for error in writer.errors],
        )
        order = {group: await self._archive(group) for group in self.groups}
        wanted = {f"{w.name} {number}" for w in self.writers for number in w.acknowledged}
        for group, texts in order.items():
            outcome.twice += len(texts) - len(set(texts))
            for writer in self.writers:
                numbers = [int(t.split()[1]) for t in texts if t.startswith(f"{writer.name} ")]
                if numbers != sorted(numbers):
                    outcome.disorder.append(f"{writer.name} in {group}")
        outcome.lost += len(wanted - {text for texts in order.values() for text in texts})
        for member in (*self.members, self.away):
            log = await self._log(member)
            outcome.lost += len(wanted - set(log))
            outcome.twice += len(log) - len(set(log))
            for group, texts in order.items():
                if [text for text in log if text in set(texts)] != texts:
                    outcome.disorder.append(f"the log of {member.name} for {group}")
            if [text for _, text in sorted(member.notebook.seen)] != log:
                outcome.gaps.append(member.name)
        return outcome

    async def _log(self, member: Member) -> list[str]:
        """The texts in a member's log, in order."""
        reader = Member(self.server, member.name, self.rng)
        task = asyncio.create_task(reader.run())
        await asyncio.wait_for(reader.hearing.wait(), REST)
        reader.hang_up()
        await task
        return [text for _, text in reader.notebook.seen]

    async def _archive(self, group: str) -> list[str]:
        """The texts in a group's archive, in order."""
        device = Device(Member(self.server, "phone", self.rng))
        await device.connect()
        await device.login("phone")
        await device.bind()
        found: list[str] = []

        def got(message: Element) -> None:
            found.extend(text.text or "" for text in message.iter(f"{CLIENT}body"))

        device.person.got = got  # type: ignore[method-assign]
        last, complete = "", False
        while not complete:
            after = f"<after>{last}</after>" if last else ""
            paging = f"<set xmlns='http://jabber.org/protocol/rsm'><max>200</max>{after}</set>"
            answer = await device.iq("set", f"<query xmlns='urn:xmpp:mam:2'>{paging}</query>", group)
            fin = answer.find("{urn:xmpp:mam:2}fin")
            assert fin is not None
            complete = fin.get("complete") == "true"
            last = fin.findtext(".//{http://jabber.org/protocol/rsm}last") or last
        device.abort()
        return found


async def run(folder: Path, kills: int, seed: int) -> Outcome:
    """Kills a server so often while people write in groups, then compares."""
    rng = random.Random(seed)
    began = time.monotonic()
    server = Kith(folder)
    server.add_users(Cast.names())
    server.start()
    try:
        cast = Cast(server, rng)
        await cast.make()
        async with cast.at_work():
            for _ in range(kills):
                await cast.flowing()
                await asyncio.sleep(rng.uniform(0, 1))
                server.kill()
                await asyncio.to_thread(server.start)
            await cast.finish()
        outcome = await cast.outcome()
    finally:
        with contextlib.suppress(*LOST):
            server.stop()
    outcome.kills = kills
    outcome.seconds = round(time.monotonic() - began, 1)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(asyncio.run(run(Path(folder), args.kills, args.seed)))


if __name__ == "__main__":
    main()
