"""A restart while people are connected: how long until all are back, what it costs, whether anything is lost.

    python bench/restart.py [--people 2000] [--tls]

Each person has a session that can be resumed, and writes to the next one every two seconds. The server is
told to stop (SIGTERM), is started again, and everybody reconnects by themselves, every half second or so.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import datetime
import json
import random
import re
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import uvloop
from lab import HEAD, KITH, Peer, add_users, environment, listening, load_on_other_core, on_core

OUT = Path(__file__).parent / "out"
SM = "urn:xmpp:sm:3"
#: How long a person waits between two messages, and between two tries to connect, in seconds.
PAUSE, AGAIN = 2.0, 0.5
#: After this many seconds somebody is missing.
PATIENCE = 120.0
_NEWS = re.compile(
    rb"<body>(?P<who>\d+) (?P<number>\d+)</body>.*?</message>|<(?P<asked>r) xmlns[^>]*/>"
    rb"|<a xmlns='urn:xmpp:sm:3' h='(?P<h>\d+)'/>",
    re.DOTALL,
)


class Person(Peer):
    """Writes to the next, resumes when the connection is lost. Times are of the load's clock."""

    def __init__(self, number: int, port: int, people: int, tls: bool) -> None:
        super().__init__(f"u{number}")
        self.number, self.port, self.tls = number, port, tls
        self.to = (number + 1) % people
        self.token = ""
        self.got: list[int] = []
        self.sent = 0
        self.acknowledged = 0
        self.back_at = 0.0
        self.refused = 0
        self.told: list[str] = []
        self._gone = asyncio.Event()

    def connection_lost(self, error: Exception | None) -> None:
        self._gone.set()
        self.news.set()

    async def begin(self) -> None:
        await self.login(self.port, tls=self.tls)
        answer = await self.say(f"<enable xmlns='{SM}' resume='true'/>", b"<enabled ")
        found = re.search(rb" id='([^']+)'", answer)
        assert found is not None, answer
        self.token = found[1].decode()
        self._listen(b"")

    def _listen(self, data: bytes) -> None:
        self.buffer = b""
        self.on_data = self.read
        self.read(data)

    def read(self, data: bytes) -> None:
        self.buffer += data
        end = 0
        for found in _NEWS.finditer(self.buffer):
            end = found.end()
            if found["who"]:
                self.got.append(int(found["number"]))
            elif found["asked"]:
                self.write(f"<a xmlns='{SM}' h='{len(self.got)}'/>")
            else:
                self.acknowledged = int(found["h"])
        if b"<stream:error" in self.buffer:
            self.told.append(self.buffer.decode(errors="replace"))
        self.buffer = self.buffer[end:]

    def _say(self, number: int) -> None:
        body = f"<body>{self.number} {number}</body>"
        self.write(f"<message to='u{self.to}@localhost' type='chat'>{body}</message>")

    async def live(self, until: asyncio.Event) -> None:
        """Writes, and comes back when the connection is lost."""
        await asyncio.sleep(random.random() * PAUSE)
        while not until.is_set():
            if self._gone.is_set():
                await self._return()
            self.sent += 1
            self._say(self.sent)
            self.write(f"<r xmlns='{SM}'/>")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone.wait(), PAUSE)

    async def _return(self) -> None:
        while True:
            try:
                await self._resume()
                return
            except (OSError, TimeoutError):
                await asyncio.sleep(AGAIN * (0.5 + random.random()))

    async def _resume(self) -> None:
        self._gone.clear()
        self.buffer, self.on_data = b"", self.gather
        await self.open(self.port, self.tls)
        token = base64.b64encode(f"\0{self.user}\0secret".encode()).decode()
        await self.say(
            f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{token}</auth>", b"<success"
        )
        await self.say(HEAD, b"</stream:features>")
        answer = await self.say(
            f"<resume xmlns='{SM}' previd='{self.token}' h='{len(self.got)}'/>", b" xmlns='urn:xmpp:sm:3'"
        )
        while b">" not in answer.partition(b"urn:xmpp:sm:3'")[2]:
            answer += await self.until(b">")
        found = re.search(rb"<resumed [^>]*h='(\d+)'[^>]*>", answer)
        if found is None:
            self.refused += 1
            raise OSError("not resumed")
        self.back_at = time.monotonic()
        self.acknowledged = int(found[1])
        self._listen(answer[found.end() :])
        for number in range(self.acknowledged + 1, self.sent + 1):
            self._say(number)


def start(environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*on_core(), *KITH, "serve"], env=dict(environ), stdout=subprocess.DEVNULL)


def cpu(process: subprocess.Popen[bytes]) -> float:
    return float(sum(psutil.Process(process.pid).cpu_times()[:2]))


async def measure(environ: Mapping[str, str], people: int, tls: bool) -> dict[str, float]:
    port = int(environ["KITH_XMPP_PORT"])
    server = start(environ)
    try:
        await asyncio.to_thread(listening, port)
        crowd = [Person(number, port, people, tls) for number in range(people)]
        gate = asyncio.Semaphore(50)

        async def begin(person: Person) -> None:
            async with gate:
                await person.begin()

        await asyncio.gather(*map(begin, crowd))
        enough = asyncio.Event()
        lives = [asyncio.create_task(person.live(enough)) for person in crowd]
        await asyncio.sleep(3 * PAUSE)
        before = cpu(server)
        began = time.monotonic()
        server.terminate()
        while server.poll() is None:
            with contextlib.suppress(psutil.Error):
                stopping = cpu(server) - before
            await asyncio.sleep(0.01)
        assert server.returncode == 0
        stopped = time.monotonic()
        server = start(environ)
        await asyncio.to_thread(listening, port)
        there = time.monotonic()
        async with asyncio.timeout(PATIENCE):
            while not all(person.back_at for person in crowd):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        starting = cpu(server)
        enough.set()
        await asyncio.wait(lives)
        async with asyncio.timeout(PATIENCE):
            while any(crowd[person.to].got[-1:] != [person.sent] for person in crowd):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        caught_up = time.monotonic()
        wrong = [p for p in crowd if crowd[p.to].got != list(range(1, p.sent + 1))]
        backs = sorted(person.back_at - began for person in crowd)
        return {
            "people": people,
            "stopped_s": round(stopped - began, 2),
            "listens_s": round(there - began, 2),
            "half_are_back_s": round(backs[people // 2], 2),
            "all_are_back_s": round(backs[-1], 2),
            "caught_up_s": round(caught_up - began, 2),
            "cpu_stop_s": round(stopping, 2),
            "cpu_start_and_return_s": round(starting, 2),
            "messages": sum(person.sent for person in crowd),
            "lost_twice_or_out_of_order": len(wrong),
            "not_resumed": sum(person.refused for person in crowd),
            "saw_an_error": sum(bool(person.told) for person in crowd),
        }
    finally:
        if server.poll() is None:
            server.kill()
        server.wait(20)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--tls", action="store_true", help="over TLS")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, load_on_other_core():
        environ = environment(Path(folder))
        add_users(environ, args.people)
        found = uvloop.run(measure(environ, args.people, args.tls))
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(json.dumps({"restart": "TLS" if args.tls else "plain", "date": today, **found}))
    OUT.mkdir(exist_ok=True)
    (OUT / f"restart{'-tls' if args.tls else ''}.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
