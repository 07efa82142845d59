"""Features alone: a node in this process with one feature and those that it needs, and sessions of people.

async with room(tmp_path, Bookmarks) as there:
    ada = await there.session("ada/phone")
    await there.says(ada, "<iq type='get' id='1'>…</iq>")
    assert there.heard(ada) == […]
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.secret import Secret
from kith.bus.local import LocalPlacement
from kith.config import Config
from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.core.node import Node
from kith.ports.bus import Bus
from kith.ports.placement import Placement
from kith.ports.store import Keys
from kith.records.passwords import Passwords
from kith.store.sqlite import SQLiteStore
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

DOMAIN = "localhost"
_PATIENCE = 10.0


class ListSink:
    """A connection that keeps what is sent over it."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send(self, elements: Sequence[bytes]) -> None:
        self.sent += elements

    def close(self, error: bytes = b"") -> None:
        self.sent += [error] if error else []

    async def drained(self) -> None: ...
    def open(self, attrs: Mapping[str, str]) -> None: ...
    def restart(self) -> None: ...
    def start_tls(self) -> None: ...
    def close_for_restart(self) -> None: ...
    def abort(self) -> None: ...
    def note_sign_of_life(self) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...


def needed(*wanted: type[Feature]) -> list[type[Feature]]:
    """These features, each after those that it does not work without."""
    found: list[type[Feature]] = []
    for cls in wanted:
        hints = [
            hint
            for name, hint in get_type_hints(cls.__init__, localns={"Node": Node}).items()
            if name != "return"
        ]
        classes = [hint for hint in hints if isinstance(hint, type) and not get_args(hint)]
        others = needed(*(hint for hint in classes if issubclass(hint, Feature)))
        found += [other for other in (*others, cls) if other not in found]
    return found


class Room:
    """``node`` is the one that the feature is part of."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self._always = len(node.tasks._running)

    def rest(self) -> None:
        """What runs now runs for ever: `settle` does not wait for it."""
        self._always = len(self.node.tasks._running)

    async def session(self, address: str, presence: bool = True) -> Session:
        """``ada/phone`` is online, and an account if it was none."""
        jid = parse_jid(f"{address.partition('/')[0]}@{DOMAIN}/{address.partition('/')[2]}")
        await self.node.store.create_accounts([(jid.bare, {})])
        self.node.accounts.appeared(jid.bare)
        account = await self.node.accounts.load(jid.bare)
        assert account is not None
        session = Session(self.node.sessions, account, jid, ListSink())
        self.node.sessions.open(session)
        if presence:
            await self.says(session, "<presence/>")
        self.heard(session)
        return session

    async def says(self, session: Session, xml: str) -> None:
        """A client sends a stanza; returns when nothing is under way any more."""
        session.receive(Stanza.from_bytes(xml.encode()))
        await self.settle()

    async def settle(self) -> None:
        """Until the node has nothing to do."""
        async with asyncio.timeout(_PATIENCE):
            while True:
                await self.node.store.flush()
                for _ in range(5):
                    await asyncio.sleep(0)
                accounts = self.node.accounts.all()
                sessions = [one for account in accounts for one in account.sessions.values()]
                if len(self.node.tasks._running) <= self._always and all(one.idle for one in sessions):
                    return

    def heard(self, session: Session) -> list[Stanza]:
        """What the session was sent since it was asked last."""
        session.flush()
        sink = session.sink
        assert isinstance(sink, ListSink)
        sent, sink.sent = sink.sent, []
        return [Stanza.from_bytes(data) for data in sent]


def make(
    folder: Path,
    features: Sequence[type[Feature]],
    placement: Placement | None = None,
    bus: Bus | None = None,
    clock: Clock | None = None,
    randomness: Randomness | None = None,
    **settings: Any,
) -> Node:
    """A node of these features that has not started; ``settings`` are those of `Config`.

    ``placement``: without one, the node owns all accounts. ``bus``: where it meets other nodes. ``clock`` and
    ``randomness`` are the system's otherwise.
    """
    config = Config(data_dir=folder, domain=DOMAIN, **settings)
    store = SQLiteStore(folder / "kith.sqlite")
    passwords = partial(Passwords, _fits, _make)
    placement = placement or LocalPlacement()
    clock, randomness = clock or Clock(), randomness or Randomness()
    return Node(config, store, features, passwords, Secret(b"secret" * 8), placement, clock, randomness, bus)


@asynccontextmanager
async def room(folder: Path, *wanted: type[Feature], **given: Any) -> AsyncIterator[Room]:
    """A node with these features and what they need, started; ``given`` as `make` takes it."""
    node = make(folder, needed(*wanted), **given)
    await node.start()
    try:
        yield Room(node)
    finally:
        await node.stop()


def _fits(keys: Mapping[str, Keys], password: str) -> bool:
    return False


def _make(password: str, salts: Mapping[str, bytes]) -> dict[str, Keys]:
    return {}
