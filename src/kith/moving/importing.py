"""Writes accounts into a store, in groups, so that one commit serves many.

An account is marked as begun before it is created, and the mark is removed when all of its data are durable.
So an import that was interrupted continues where it was: it completes the accounts with a mark, and leaves
those alone that exist without one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor

from kith.accounts.credentials import WeakPassword, make_keys
from kith.base.randomness import Randomness
from kith.moving import credentials
from kith.moving.arrival import Arrival, Context, Standing
from kith.moving.blocks import Blocks
from kith.moving.cards import Cards
from kith.moving.contacts import Contacts
from kith.moving.messages import Messages
from kith.moving.names import CREDENTIALS_TAG
from kith.moving.nodes import Nodes
from kith.moving.private import Private
from kith.moving.reading import (
    Event,
    HostOpened,
    Part,
    RoomClosed,
    RoomOpened,
    Stray,
    UserClosed,
    UserOpened,
)
from kith.ports.store import Keys
from kith.records.passwords import new_salts
from kith.wire.jid import JID, prepare_local

#: The space of the marks, as documents of the server.
BEGUN = "moving-in"
#: A group has at most so many accounts, and bytes of their data.
_GROUP = 200
_GROUP_BYTES = 8 * 1024 * 1024
#: How many passwords a worker process gets at once.
_PASSWORDS = 20


class _Kinds:
    """The kinds of data of one account, in the order in which they are completed."""

    def __init__(self, context: Context, arrival: Arrival) -> None:
        nodes = Nodes(context, arrival)
        self.messages = Messages(context, arrival)
        self.all = (
            Contacts(context, arrival),
            Private(context, arrival, nodes),
            nodes,
            Cards(context, arrival, nodes),
            Blocks(context, arrival),
            self.messages,
        )

    async def take(self, part: Part) -> bool:
        for kind in self.all:
            if await kind.take(part):
                return True
        return False


class Importer:
    """Imports accounts.

    ``merge``: whether accounts that exist get what they do not have. ``workers`` derive keys from passwords.
    ``finished`` is called with each complete account.
    """

    def __init__(self, context: Context, merge: bool, workers: Executor | None) -> None:
        self._context = context
        self._merge = merge
        self._workers = workers
        self._host = ""
        self._unknown: set[str] = set()
        self._current: Arrival | None = None
        self._group: list[Arrival] = []
        self._held = 0
        self._seen: set[str] = set()
        self._existing: set[str] = set()
        self._begun: set[str] = set()
        self._kinds: dict[str, _Kinds] = {}
        #: Whether there are rooms in the files, which are not taken here.
        self.has_rooms = False
        self._in_room = False

    def takes(self, jid: str) -> bool:
        """Whether an account is in the files."""
        return jid in self._seen

    async def run(self, events: Iterable[Event], step: Callable[[], None] = lambda: None) -> None:
        """Imports everything. Raises `kith.ports.store.Unavailable` if the store fails."""
        store = self._context.store
        self._existing = set(await store.accounts())
        self._begun = {document.key for document in await store.documents(0, BEGUN)}
        for event in events:
            self._handle(event)
            if len(self._group) >= _GROUP or self._held > _GROUP_BYTES:
                await self._write()
                step()
        self._leave_open()
        await self._write()

    def _handle(self, event: Event) -> None:
        match event:
            case HostOpened():
                self._leave_open()
                self._host = event.jid
            case UserOpened():
                self._leave_open()
                self._open(event)
            case UserClosed():
                if self._current is not None:
                    self._current.complete = True
                self._current = None
            case RoomOpened():
                self.has_rooms = self._in_room = True
            case RoomClosed():
                self._in_room = False
            case Part() if not self._in_room:
                if self._current is not None:
                    self._current.parts.append(event)
                    self._held += event.size + 200
            case Stray():
                self._context.report.leave("accounts", "an unknown element of the file", event.tag)

    def _leave_open(self) -> None:
        """The file ended within an account."""
        if self._current is not None:
            self._context.report.note(
                "an account is incomplete, because its file is; run the import again with a complete file",
                self._current.jid,
            )
        self._current = None

    def _open(self, event: UserOpened) -> None:
        report, names = self._context.report, self._context.names
        domain = names.domain(self._host)
        shown = f"{event.name}@{self._host}"
        if domain is None:
            hint = f"not of {names.own}; to take them along: --domain {self._host or 'OLD'}={names.own}"
            report.leave("accounts", hint, shown)
            return
        try:
            address = names.jid(str(JID(prepare_local(event.name), domain)))
        except ValueError:
            report.leave("accounts", "not an address", shown)
            return
        bare = address.bare
        if bare in self._seen:
            report.leave("accounts", "twice in the files", bare)
            return
        self._seen.add(bare)
        renamed = names.renames(self._host)
        arrival = Arrival(address, self._host, renamed, event.password)
        if bare in self._existing:
            arrival.standing = Standing.INTERRUPTED if bare in self._begun else Standing.EXISTING
            if arrival.standing is Standing.EXISTING and not self._merge:
                report.found("accounts")
                return
        self._current = arrival
        self._group.append(arrival)

    # -- writing ----------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """Writes the group. The account that is being read stays in it for the next time."""
        group = self._group
        context = self._context
        new = [arrival for arrival in group if not arrival.begun]
        for arrival in group:
            self._take_keys(arrival)
        await self._create(new)
        for arrival in group:
            kinds = self._kinds.get(arrival.jid)
            if kinds is None:
                kinds = self._kinds[arrival.jid] = _Kinds(context, arrival)
            parts, arrival.parts = arrival.parts, []
            for part in parts:
                if not await kinds.take(part):
                    context.report.leave("accounts", "unknown data of an account", part.tag)
            if arrival.complete:
                for kind in kinds.all:
                    await kind.close()
            await context.writes.relieve()
        await context.writes.settle()
        for arrival in group:
            await self._kinds[arrival.jid].messages.mark()
        await context.writes.settle()
        await self._finish([arrival for arrival in group if arrival.complete])
        self._group = [arrival for arrival in group if arrival is self._current]
        self._kinds = {a.jid: self._kinds[a.jid] for a in self._group}
        self._held = 0

    async def _create(self, new: Sequence[Arrival]) -> None:
        """Creates the accounts that do not exist, and reads the ids of all."""
        report, store, writes = self._context.report, self._context.store, self._context.writes
        await self._derive([arrival for arrival in new if arrival.is_new])
        created = [arrival for arrival in new if arrival.is_new]
        if writes.real:
            for arrival in created:
                store.put_soon(0, BEGUN, arrival.jid, b"")
            made = set(await store.create_accounts([(a.jid, a.keys) for a in created])) if created else set()
            for arrival in created:
                if arrival.jid not in made:
                    arrival.standing = Standing.INTERRUPTED
            records = await asyncio.gather(*(store.account(arrival.jid) for arrival in new))
        else:
            records = await asyncio.gather(*(store.account(a.jid) for a in new if not a.is_new))
        by_jid = {record.jid: record for record in records if record is not None}
        for arrival in new:
            record = by_jid.get(arrival.jid)
            if record is not None:
                arrival.id, arrival.has_keys = record.id, bool(record.keys)
            arrival.begun = True
            report.take("accounts") if arrival.is_new else report.found("accounts")

    def _take_keys(self, arrival: Arrival) -> None:
        rest: list[Part] = []
        for part in arrival.parts:
            if part.within or part.tag != CREDENTIALS_TAG:
                rest.append(part)
            elif part.element is not None:
                try:
                    name, keys = credentials.read(part.element)
                    arrival.keys.setdefault(name, keys)
                except ValueError as error:
                    self._context.report.note(f"a password was not taken: {error}", arrival.jid)
        arrival.parts = rest

    async def _derive(self, arrivals: Sequence[Arrival]) -> None:
        """Derives the keys of those with plain passwords, in worker processes."""
        plain = [(a.jid, a.password) for a in arrivals if a.password and not a.keys]
        by_jid = {arrival.jid: arrival for arrival in arrivals}
        if self._workers is not None and plain:
            loop = asyncio.get_running_loop()
            portions = [plain[start : start + _PASSWORDS] for start in range(0, len(plain), _PASSWORDS)]
            results = await asyncio.gather(
                *(loop.run_in_executor(self._workers, derive, portion) for portion in portions)
            )
            for jid, keys in (pair for result in results for pair in result):
                if isinstance(keys, str):
                    self._context.report.note(f"a password was not taken: {keys}", jid)
                else:
                    by_jid[jid].keys = keys

    async def _finish(self, complete: Sequence[Arrival]) -> None:
        """Sets keys that came late, tells of accounts without any, and removes the marks."""
        store = self._context.store
        for arrival in complete:
            if arrival.keys and not arrival.has_keys and arrival.standing is not Standing.EXISTING:
                if self._context.writes.real:
                    await store.set_keys(arrival.jid, arrival.keys)
            elif not arrival.has_keys and not arrival.keys and (self._workers or not arrival.password):
                self._context.report.note(
                    "no password came with the account; set one with kith user passwd", arrival.jid
                )
        if self._context.writes.real:
            begun = [a.jid for a in complete if a.standing is not Standing.EXISTING]
            await asyncio.gather(*(store.remove(0, BEGUN, jid) for jid in begun))


def derive(passwords: Sequence[tuple[str, str]]) -> list[tuple[str, dict[str, Keys] | str]]:
    """The keys of passwords, by address; or why there are none. Called in a worker process."""
    made: list[tuple[str, dict[str, Keys] | str]] = []
    for jid, password in passwords:
        try:
            made.append((jid, make_keys(password, new_salts(Randomness()))))
        except WeakPassword as error:
            made.append((jid, str(error)))
    return made
