"""A disk that is full, read-only, broken or silent: senders wait, or are told to, and nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import resource
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.chaos.conftest import LONG
from tests.chaos.disk import Disk, preload
from tests.chaos.people import Receiver, Sender, until
from tests.chaos.servers import Kith
from tests.raw import body, condition, online

HANG = 30.0 if LONG else 7.0  # after 5 seconds the operator is told
TROUBLE = 10.0 if LONG else 1.5


@dataclass
class Scene:
    """Three people write to two, on a disk that can fail."""

    server: Kith
    disk: Disk
    senders: list[Sender]
    receivers: list[Receiver]

    @property
    def acknowledged(self) -> int:
        return sum(len(sender.acknowledged) for sender in self.senders)

    @property
    def told(self) -> list[str]:
        """The lines about the disk."""
        lines = self.server.log.read_text().splitlines()
        return [line for line in lines if "level=error" in line or "level=warning" in line]

    async def flowing(self) -> None:
        """Messages are stored."""
        before = self.acknowledged
        await until(lambda: self.acknowledged > before + 50, 60, "nothing is acknowledged")

    async def expect_all_delivered(self) -> None:
        """Everybody has everything, once and in order."""
        for sender in self.senders:
            sender.enough = True
        await until(lambda: all(sender.stopping for sender in self.senders), 60, "senders do not end")
        for receiver in self.receivers:
            wanted = {
                f"{s.name} {n}" for s in self.senders for n in s.acknowledged if s.to[n] == receiver.name
            }
            seen = receiver.notebook.seen
            await until(lambda: len(seen) >= len(wanted), 30, "not all has arrived")  # noqa: B023
            texts = [text for _, text in seen]
            assert set(texts) == wanted
            assert len(texts) == len(wanted)

    @property
    def errors(self) -> set[str]:
        return {error for sender in self.senders for error in sender.errors}


@contextlib.asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    disk = Disk(folder)
    server = Kith(folder)
    preload(server.environ, disk)
    server.start()
    rng = random.Random(3)
    names = ["ada", "ben"]
    senders = [Sender(server, f"sender{n}", rng, names) for n in range(3)]
    receivers = [Receiver(server, name, rng) for name in names]
    tasks = []
    try:
        server.add_users([*names, *(sender.name for sender in senders)])
        tasks = [asyncio.create_task(person.run()) for person in (*receivers, *senders)]
        made = Scene(server, disk, senders, receivers)
        await made.flowing()
        yield made
    finally:
        disk.mode = "0"
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.kill()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("mode", "errors", "words"),
    [
        ("F", {"wait resource-constraint"}, "database or disk is full"),
        ("R", {"wait internal-server-error"}, "disk I/O error"),
        ("E", {"wait internal-server-error"}, "disk I/O error"),
    ],
    ids=["full", "read-only", "failing syncs"],
)
async def test_a_disk_that_refuses_makes_senders_wait_and_is_told_of_once(
    tmp_path: Path, mode: str, errors: set[str], words: str
) -> None:
    async with scene(tmp_path) as made:
        assert made.told == []
        made.disk.mode = mode
        await until(lambda: all(sender.errors for sender in made.senders), 60, "nobody is told")
        await asyncio.sleep(TROUBLE)
        # who is there stays, and reads go on
        reader = await online(made.server.port, "ada", "reader", presence=None)
        answer = await reader.iq("set", "<query xmlns='urn:xmpp:mam:2'/>")
        assert answer.get("type") == "result"
        reader.abort()
        made.disk.mode = "0"
        await made.flowing()
        await until(lambda: len(made.told) == 2, 60, "it does not say that it is over")
        assert made.errors == errors
        assert "the disk refuses to store" in made.told[0]
        assert words in made.told[0]
        assert "the disk stores again" in made.told[1]
        await made.expect_all_delivered()
        assert len(made.told) == 2


@pytest.mark.timeout(300)
async def test_a_disk_that_does_not_answer_makes_everybody_wait_and_is_told_of_once(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        witness = await online(made.server.port, "ada", "witness")
        # about to be noticed by the server, which then has to read
        await asyncio.to_thread(made.server.add_user, "late")
        await asyncio.sleep(0.7)
        made.disk.mode = "H"
        await asyncio.sleep(HANG)
        await witness.iq("get", "<ping xmlns='urn:xmpp:ping'/>")  # the server itself does not hang
        acknowledged = made.acknowledged
        await asyncio.sleep(0.2)
        assert made.acknowledged == acknowledged
        made.disk.mode = "0"
        await made.flowing()
        assert not made.errors
        try:
            await until(lambda: len(made.told) >= 2, 60, "it does not say that it is over")
        except TimeoutError:
            pytest.fail("\n".join(made.told))
        assert len(made.told) == 2, made.told
        assert "the disk does not answer" in made.told[0]
        assert "the disk answers again" in made.told[1]
        await made.expect_all_delivered()


@pytest.mark.timeout(300)
async def test_a_kill_while_the_disk_is_full_loses_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as made:
        made.disk.mode = "F"
        await until(lambda: all(sender.errors for sender in made.senders), 60, "nobody is told")
        made.server.kill()
        made.disk.mode = "0"
        await asyncio.to_thread(made.server.start)
        await made.flowing()
        await made.expect_all_delivered()


@pytest.mark.timeout(180)
async def test_what_waits_for_a_silent_disk_is_bounded(tmp_path: Path) -> None:
    """One sender is not read on; where many make it too much, they are told to wait."""
    disk = Disk(tmp_path)
    server = Kith(tmp_path, rate_bytes="0")
    preload(server.environ, disk)
    server.start()
    try:
        names = [f"sender{n}" for n in range(7)]
        server.add_users(["ben", *names])
        senders = [
            await online(server.port, name, f"r{n}", presence=None) for n in range(25) for name in names
        ]
        senders[0].send("<message to='ben@localhost' type='chat'><body>first</body></message>")
        await senders[0].ping()
        disk.mode = "H"
        large = "x" * 500_000
        for number, sender in enumerate(senders):
            sender.send(f"<message to='ben@localhost' type='chat'><body>{number} {large}</body></message>")
        refused = set()
        async with asyncio.timeout(60):
            while len(refused) < 10:
                refused = {n for n, sender in enumerate(senders) if sender.inbox}
                await asyncio.sleep(0.05)
        assert {condition(senders[n].inbox[0]) for n in refused} == {"resource-constraint"}
        memory = psutil.Process(server.pid).memory_info().rss
        greedy = senders[0]
        for _ in range(150):
            greedy.send(f"<message to='ben@localhost' type='chat'><body>greed {large}</body></message>")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await greedy._writer.drain()
        assert psutil.Process(server.pid).memory_info().rss < memory + 16 * 2**20
        greedy.abort()
        disk.mode = "0"
        for sender in senders[1:]:
            await sender.ping()
        refused = {n for n, sender in enumerate(senders) if sender.inbox}
        assert 10 <= len(refused) < 100
        ben = await online(server.port, "ben", presence=None)
        ben.send("<presence/>")
        senders[1].send("<message to='ben@localhost' type='chat'><body>last</body></message>")
        found = []
        while "last" not in found:
            found.append(body(await ben.message(30)).partition(" ")[0])
        of_others = [text for text in found if text not in ("0", "greed")]
        assert len(of_others) == len(set(of_others))
        accepted = {str(n) for n in range(1, len(senders)) if n not in refused}
        assert set(of_others) == {"first", *accepted, "last"}
    finally:
        disk.mode = "0"
        server.kill()


async def test_a_disk_that_is_too_full_for_the_log_lines_stops_nobody(tmp_path: Path) -> None:
    """Here it is a limit of the process; whatever it writes to a file, its standard error too, is refused."""
    async with scene(tmp_path) as made:
        _, hard = resource.prlimit(made.server.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(made.server.pid, resource.RLIMIT_FSIZE, (0, hard))
        await until(lambda: all(sender.errors for sender in made.senders), 60, "nobody is told")
        await asyncio.sleep(TROUBLE)
        resource.prlimit(made.server.pid, resource.RLIMIT_FSIZE, (hard, hard))
        await made.flowing()
        await made.expect_all_delivered()


def spoil(database: Path, mark: bytes) -> None:
    """Overwrites each page of a database with that text in it."""
    content = bytearray(database.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    pages = [start for start in range(size, len(content), size) if mark in content[start : start + size]]
    assert pages
    for start in pages:
        content[start : start + size] = b"\xa5" * size
    database.write_bytes(content)


async def test_a_damaged_page_is_told_of_once_and_what_lies_elsewhere_is_served(tmp_path: Path) -> None:
    server = Kith(tmp_path)
    server.start()
    try:
        server.add_users(["ada", "ben", "cem"])
        ada = await online(server.port, "ada")
        for number in range(50):
            for to, words in (("cem", "in good order"), ("ben", "to be lost")):
                text = f"{words} {number} {'.' * 3000}"
                ada.send(f"<message to='{to}@localhost' type='chat'><body>{text}</body></message>")
        await ada.ping()
        await asyncio.to_thread(server.stop)
        spoil(server.data_dir / "kith.sqlite", b"to be lost 7 ")
        found = await asyncio.to_thread(server.kith, "doctor", check=False)
        assert found.returncode == 1
        assert "damaged" in found.stdout
        server.log.write_text("")
        server.start()
        cem = await online(server.port, "cem")
        assert [body(await cem.message()).split(" ")[3] for _ in range(50)] == [str(n) for n in range(50)]
        ben = await online(server.port, "ben")  # what waits for him can't be read, what comes arrives
        ben.inbox.clear()
        ada = await online(server.port, "ada")
        ada.send("<message to='ben@localhost' type='chat'><body>fresh</body></message>")
        assert body(await ben.message()) == "fresh"
        answer = await ben.iq("set", "<query xmlns='urn:xmpp:mam:2'/>")
        assert condition(answer) == "internal-server-error"
        error = answer.find("{jabber:client}error")
        assert error is not None
        assert error.get("type") == "wait"
        told = [line for line in server.log.read_text().splitlines() if "level=error" in line]
        assert len(told) == 1
        assert "the database is damaged" in told[0]
        assert "kith doctor" in told[0]
    finally:
        server.kill()


async def test_damage_is_found_after_an_end_that_was_no_stop(tmp_path: Path) -> None:
    server = Kith(tmp_path)
    server.start()
    try:
        server.add_users(["ada", "ben"])
        ada = await online(server.port, "ada")
        for number in range(50):
            text = f"to be lost {number} {'.' * 3000}"
            ada.send(f"<message to='ben@localhost' type='chat'><body>{text}</body></message>")
        await ada.ping()
        await asyncio.to_thread(server.stop)
        server.start()
        ada = await online(server.port, "ada")
        ada.send("<message to='ben@localhost' type='chat'><body>a last one</body></message>")
        await ada.ping()
        server.kill()
        spoil(server.data_dir / "kith.sqlite", b"to be lost 7 ")
        server.start()  # nobody reads that page
        await until(lambda: "the database is damaged" in server.log.read_text(), 20, "not found")
    finally:
        server.kill()
