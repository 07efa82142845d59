"""The wheel that finds silent clients: what it promises, and that it costs nothing for each of them."""

from __future__ import annotations

import asyncio
import math
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.accounts.credentials import make_keys
from kith.base.randomness import Randomness
from kith.config import Config
from kith.edge.keepalive import Rules, Wheel
from kith.ports.connection import Liveness
from kith.records.passwords import new_salts
from kith.server import Server
from tests.conftest import free_ports
from tests.raw import RawClient, online


@pytest.mark.parametrize(
    ("liveness", "seconds"),
    [
        (Liveness(), 420),
        (Liveness(resumable=True), 840),
        (Liveness(resting=True), 840),
        (Liveness(resumable=True, resting=True), 1680),
        (Liveness(interval=60), 420),
        (Liveness(interval=900), 1350),
        (Liveness(interval=86400), 3360),
        (Liveness(proxied=True), 48),
        (Liveness(proxied=True, resumable=True, resting=True), 48),
        (Liveness(proxied=True, interval=55), 420),
        (Liveness(proxied=True, interval=600), 48),
    ],
)
def test_how_long_a_client_is_left_in_peace(liveness: Liveness, seconds: float) -> None:
    plain = Config()
    rules = Rules(plain.ping_after, plain.ping_timeout, plain.proxy_timeout)
    assert rules.patience(liveness) == seconds


@given(
    st.lists(st.tuples(st.sampled_from(("enter", "leave", "hear", "turn")), st.integers(0, 9)), max_size=400)
)
def test_the_wheel_holds_each_connection_once_and_finds_every_silent_one(
    steps: list[tuple[str, int]],
) -> None:
    rules = Rules(ping_after=4, ping_timeout=2, proxy_timeout=20)
    wheel: Wheel[Stub] = Wheel(rules)
    inside: dict[int, Stub] = {}
    bound = math.ceil((rules.ping_after + rules.ping_timeout) / rules.turn) + 2
    for step, number in steps:
        if step == "enter" and number not in inside:
            wheel.enter(inside.setdefault(number, Stub()))
        elif step == "leave" and number in inside:
            wheel.leave(inside.pop(number))
        elif step == "hear" and number in inside:
            inside[number].heard = wheel.now
        elif step == "turn":
            for _ in range(4 * number):
                wheel.turn()
                for key in [key for key, stub in inside.items() if stub.lost]:
                    assert wheel.now - inside[key].heard >= bound - 4
                    wheel.leave(inside.pop(key))
                assert all(wheel.now - stub.heard <= bound for stub in inside.values())
        assert sorted(map(id, wheel)) == sorted(map(id, inside.values()))
        assert len(wheel) == len(inside)


def test_what_has_left_is_let_go_at_once() -> None:
    wheel: Wheel[Stub] = Wheel(Rules(ping_after=4, ping_timeout=2, proxy_timeout=20))
    connection = Stub()
    wheel.enter(connection)
    gone = weakref.ref(connection)
    wheel.leave(connection)
    del connection
    assert gone() is None


class Stub:
    """A connection that never answers unless it is told to."""

    def __init__(self) -> None:
        self.heard, self.asked = 0, -1
        self.lost = False

    def liveness(self) -> Liveness:
        return Liveness()

    def send_ping(self) -> None:
        pass

    def on_timeout(self) -> None:
        assert not self.lost
        self.lost = True


class CountingLoop(asyncio.SelectorEventLoop):
    """Knows the timers that are still to run."""

    def __init__(self) -> None:
        super().__init__()
        self._made: weakref.WeakSet[asyncio.TimerHandle] = weakref.WeakSet()

    def call_at(self, *args: Any, **kwargs: Any) -> asyncio.TimerHandle:
        handle = super().call_at(*args, **kwargs)
        self._made.add(handle)
        return handle

    @property
    def timers(self) -> int:
        return sum(not handle.cancelled() and handle.when() > self.time() for handle in self._made)


class Inside:
    """A server in a thread of this process, so that one can look into its loop."""

    def __init__(self, config: Config) -> None:
        self.loop = CountingLoop()
        self.server = Server(config)
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._serve())
        self.loop.close()

    async def _serve(self) -> None:
        await self.server.start()
        self._started.set()
        await self.server.run()
        await self.server.stop()

    async def look(self) -> tuple[int, int, int]:
        """Connections, tasks, timers."""

        async def count() -> tuple[int, int, int]:
            return len(self.server.edge.connections), len(asyncio.all_tasks()), self.loop.timers

        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(count(), self.loop))

    async def add_user(self, name: str) -> None:
        """Once it has started."""
        accounts = [(f"{name}@localhost", make_keys("pw", new_salts(Randomness())))]
        await asyncio.to_thread(self._started.wait, 20)
        create = self.server.node.store.create_accounts(accounts)
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(create, self.loop))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.server.request_stop)
        self._thread.join(30)


async def test_an_idle_connection_has_no_task_and_no_timer(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    settings = {"listen": ["127.0.0.1"], "xmpp_port": port, "xmpps_port": 0, "http_port": 0, "https_port": 0}
    settings |= {"media_http_port": 0, "media_https_port": 0}
    config = Config(data_dir=tmp_path, allow_plaintext=True, ping_after=1.0, **settings)  # type: ignore[arg-type]
    inside = Inside(config)
    inside.start()
    try:
        await inside.add_user("ada")
        found = []
        clients: list[RawClient] = []
        for wanted in (2, 30):
            while len(clients) < wanted:
                clients.append(await online(port, "ada"))
            rounds = inside.server.edge.connections.now
            while inside.server.edge.connections.now < rounds + 40:  # each was asked, and has answered
                await asyncio.sleep(0.05)
                for client in clients:
                    answer_pings(client)
            found.append(await inside.look())
        assert [connections for connections, _, _ in found] == [2, 30]
        assert found[0][1:] == found[1][1:], found
        for client in clients:
            client.abort()
    finally:
        inside.stop()


def answer_pings(client: RawClient) -> None:
    for ping in [e for e in client.inbox if e.find("{urn:xmpp:ping}ping") is not None]:
        client.inbox.remove(ping)
        client.send(f"<iq type='result' id='{ping.get('id')}' to='localhost'/>")
