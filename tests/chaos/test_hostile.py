"""Promise 6: whoever means harm, or is broken, gets the standard's error; nobody else notices.

Two people write to each other meanwhile. Each kind of trouble comes from a process of its own, so that their
times are the server's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.chaos.conftest import LONG
from tests.chaos.hostile import KINDS
from tests.chaos.meter import Meter, prefer
from tests.chaos.people import until
from tests.chaos.servers import Kith

#: How many connections are held, and of those that the server lets wait for a login, how many and how long.
CROWD, ROOM, PATIENCE = (5000, 4000, 30) if LONG else (150, 100, 3)
#: How long each goes on at least, in seconds.
SECONDS = 10.0 if LONG else 1.5
#: 99 % of all messages, in milliseconds. The short form may share two cores with much else: there it is
#: about a server that stops.
P99 = 50.0 if LONG else 1500.0
#: What else the machine does can only add to the times: the best of so many counts.
ATTEMPTS = 3
MIB = 2**20
EVIL = [f"evil{n}" for n in range(16)]

#: What the server answers (RFC 6120 §4.9.3 and §8.3.3), and the memory that it may take: MiB, MiB for 1000 of
#: the crowd. Where nothing is named, the connections go on.
EXPECTED: dict[str, tuple[set[str], int, int]] = {
    "large_stanzas": ({"policy-violation"}, 64, 0),
    "large_before_login": ({"policy-violation"}, 64, 0),
    "tiny_elements": ({"policy-violation"}, 64, 0),
    "many_tiny_elements": (set(), 64, 0),
    "deep_nesting": ({"policy-violation"}, 128, 0),
    "entity_bombs": ({"restricted-xml"}, 32, 0),
    "entities_in_a_stream": ({"restricted-xml"}, 32, 0),
    "invalid_text": ({"not-well-formed"}, 32, 0),
    "long_addresses": ({"jid-malformed"}, 32, 0),
    "silent": ({"resource-constraint"}, 32, 20),
    "headers_only": ({"connection-timeout"}, 32, 20),
    "half_handshakes": ({"closed"}, 32, 60),
    "half_starttls": ({"closed"}, 32, 60),
    "half_requests": ({"closed"}, 32, 30),
    "half_bodies": ({"closed"}, 32, 30),
    "handshakes": ({"done"}, 48, 0),
    "never_reading": ({"closed"}, 128, 0),
    "reading_slowly": ({"closed"}, 128, 0),
}


class Attack:
    """One kind of trouble. ``answers``: what the server has said so far."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.answers: Counter[str] = Counter()
        self.opened = 0

    async def listen(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            report = json.loads(line)
            self.answers, self.opened = Counter(report["answers"]), report["opened"]


@contextlib.asynccontextmanager
async def attacked(server: Kith, kind: str) -> AsyncIterator[Attack]:
    ports = ",".join(map(str, (server.port, server.xmpps_port, server.http_port, server.https_port)))
    module = (sys.executable, "-m", "tests.chaos.hostile")
    process = await asyncio.create_subprocess_exec(
        *module, kind, ports, ",".join(EVIL), str(CROWD), stdin=PIPE, stdout=PIPE
    )
    attack = Attack(process)
    listening = asyncio.create_task(attack.listen())
    try:
        yield attack
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            async with asyncio.timeout(60):
                status = await process.wait()
        except TimeoutError:
            process.kill()
            status = await process.wait()
        await listening
    assert status == 0


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kith]:
    """A server for all of them, one after the other."""
    folder: Path = tmp_path_factory.mktemp("besieged")
    server = Kith(folder, unauthenticated_connections=str(ROOM), auth_timeout=str(PATIENCE))
    server.start()
    try:
        server.add_users(["ada", "ben", *EVIL])
        if LONG:
            prefer(server.pid, os.getpid())
        yield server
    finally:
        server.kill()
    assert "level=error" not in server.log.read_text()


def test_every_kind_of_trouble_is_tried() -> None:
    assert set(EXPECTED) == set(KINDS)


@pytest.mark.timeout(300 if LONG else 90)
@pytest.mark.parametrize("kind", EXPECTED)
async def test_trouble_gets_its_error_and_nobody_else_notices(besieged: Kith, kind: str) -> None:
    conditions, memory, crowd = EXPECTED[kind]
    slow = []
    for _ in range(ATTEMPTS):
        async with Meter(besieged, ("ada", "ben")) as meter, attacked(besieged, kind) as attack:
            await until(lambda: attack.opened > 0, 30, "nothing happens")
            await asyncio.sleep(SECONDS)
            await until(lambda: conditions <= set(attack.answers), 60, f"answers: {attack.answers}")
        assert set(attack.answers) - {"closed"} <= conditions, attack.answers
        figures = (
            f"{kind}: {len(meter.times)} messages, 50 % within {meter.quantile(0.5):.1f} ms, "
            f"99 % within {meter.quantile(0.99):.1f} ms, {meter.grown / MIB:.0f} MiB"
        )
        print(figures, dict(attack.answers))
        assert meter.grown < (memory + crowd * CROWD / 1000) * MIB, figures
        if meter.quantile(0.99) < P99:
            return
        slow.append(figures)
    pytest.fail("; ".join(slow))
