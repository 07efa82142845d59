"""A store that is slow, freezes, fills up and loses what was not committed, all as its seed says.

It fulfils `kith.ports.store.Store` in virtual time. Everything queued goes into one commit, which takes a
while; after it, another while passes until anybody learns of it. A node that is killed in between has
committed, and nobody knows.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from kith.base.histogram import Commits
from kith.ports.store import (
    AccountRecord,
    Append,
    Document,
    Entry,
    Holdings,
    Keys,
    Logged,
    LogQuery,
    Outgoing,
    Overview,
    Page,
    Queued,
    Unavailable,
    Usage,
    Write,
)
from tests.simulation.disk import Disk

_T = TypeVar("_T")
_TEXT = re.compile(rb"<body>([^<]*)</body>")
#: How long a commit, its answer, and a read take, in seconds: mostly short, now and then long.
QUICK, SLOW = 0.002, 0.2


class Refused(Unavailable):
    """The disk is full."""

    condition = "resource-constraint"


class Fenced(Unavailable):
    """Another node owns the account."""


class _Operation:
    """Something to be committed, for these accounts; ``done`` learns of it."""

    __slots__ = ("accounts", "done", "size", "work")

    def __init__(
        self,
        work: Callable[[Disk], Any],
        done: Callable[[Any, BaseException | None], None],
        accounts: Sequence[int] = (),
        size: int = 0,
    ) -> None:
        self.work = work
        self.done = done
        self.accounts = accounts
        self.size = size


class SimulatedStore:
    """One node's connection to a `Disk`. ``full``: writes fail. ``frozen``: the disk does not answer."""

    def __init__(self, disk: Disk, rng: random.Random, owns: Callable[[int], bool] | None = None) -> None:
        """``owns``: whether this node has the lock of an account's slot; None: no other node has the disk."""
        self.disk = disk
        self._owns = owns
        self.rng = rng
        self.commits = Commits()
        self.full = False
        self.frozen = False
        self.waiting_bytes = 0
        self._queue: list[_Operation] = []
        self._committing: list[_Operation] | None = None
        self._answering = 0  # operations that are committed, and nobody knows
        self._marks: list[tuple[int, Callable[[Disk], None]]] = []
        self._marked = 0  # how many are on the disk, and in the list no more
        self._loop: asyncio.AbstractEventLoop | None = None  # None: closed, or its node is dead
        self._answered = 0.0

    # -- life -----------------------------------------------------------------------------------------

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        await asyncio.sleep(self._delay())
        for account in [id for id in self.disk.logs if id not in self.disk.by_id]:
            self.disk.empty_log(account)  # a removal that was cut off

    async def close(self) -> None:
        if self._loop is not None:
            await self.flush()
            await asyncio.sleep(0)
            self._loop = None

    def kill(self) -> None:
        """The node is gone: a commit that is under way takes place, or it does not."""
        committing, self._committing = self._committing, None
        self._loop = None
        self._queue.clear()
        if committing and not self.full and self.rng.random() < 0.5:
            for operation in committing:
                if self._owns is None or all(map(self._owns, operation.accounts)):
                    operation.work(self.disk)

    def thaw(self) -> None:
        """The disk answers again."""
        self.frozen = False
        self._start()

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._committing or ()) + self._answering

    @property
    def failing(self) -> bool:
        return False

    def _delay(self) -> float:
        slow = self.rng.random() < 0.05
        return self.rng.random() * (SLOW if slow else QUICK)

    # -- writes ---------------------------------------------------------------------------------------

    def _put(self, operation: _Operation) -> None:
        if self._loop is None:
            return
        self._queue.append(operation)
        self._start()

    def _start(self) -> None:
        if self._loop is not None and self._queue and self._committing is None and not self.frozen:
            self._committing = []  # whatever comes until it begins goes with it
            self._loop.call_later(self._delay() / 2, self._begin)

    def _begin(self) -> None:
        if self._loop is None:
            return
        self._committing, self._queue = self._queue, []
        self._loop.call_later(self._delay(), self._commit)

    def _commit(self) -> None:
        if self._loop is None:
            return
        if self.frozen:
            self._loop.call_later(0.05, self._commit)
            return
        batch, self._committing = self._committing or [], None
        answers: list[tuple[_Operation, Any, BaseException | None]] = []
        for operation in batch:
            if self.full:
                self.commits.failed += 1
                answers.append((operation, None, Refused("the disk is full")))
                continue
            if self._owns is not None and not all(map(self._owns, operation.accounts)):
                answers.append((operation, None, Fenced("another node has the account")))
                continue
            try:
                answers.append((operation, operation.work(self.disk), None))
            except Exception as error:  # of the others, nothing is lost
                answers.append((operation, None, error))
        self._answering += len(answers)
        # answers come in the order of the commits
        self._answered = max(self._answered + 1e-6, self._loop.time() + self._delay())
        self._loop.call_at(self._answered, self._tell, answers)
        self._start()

    def _tell(self, answers: Sequence[tuple[_Operation, Any, BaseException | None]]) -> None:
        self._answering -= len(answers)
        for operation, result, error in answers:
            self.waiting_bytes -= operation.size
            operation.done(result, error)

    async def _write(self, work: Callable[[Disk], _T], *accounts: int) -> _T:
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._put(_Operation(work, done, accounts))
        return await future

    async def flush(self) -> None:
        if self.waiting:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._put(
                _Operation(lambda _: None, lambda *_: None if future.done() else future.set_result(None))
            )
            await future

    # -- reads ----------------------------------------------------------------------------------------

    async def _read(self, look: Callable[[Disk], _T]) -> _T:
        """What is read may be older than the answer."""
        if self._loop is None:
            raise Refused("the node is dead")
        early = self.rng.random() < 0.5 and not self.frozen
        found = look(self.disk) if early else None
        future: asyncio.Future[_T] = asyncio.get_running_loop().create_future()
        self._loop.call_later(self._delay() / 2, self._answer, future, look, found, early)
        return await future

    def _answer(
        self, future: asyncio.Future[_T], look: Callable[[Disk], _T], found: _T | None, early: bool
    ) -> None:
        if self.frozen and self._loop is not None:
            self._loop.call_later(0.05, self._answer, future, look, found, early)
        elif not future.done():
            future.set_result(found if early else look(self.disk))  # type: ignore[arg-type]

    async def holdings(self) -> Holdings:
        return await self._read(
            lambda disk: Holdings(len(disk.names(False)), disk.undelivered_of_all(), 0, 0)
        )

    async def overview(self, spaces: Sequence[str], after: str, limit: int) -> list[Overview]:
        return await self._read(lambda disk: disk.overview(spaces, after, limit))

    async def usage(self, account: int) -> Usage:
        return await self._read(lambda disk: disk.usage(account))

    async def logged(self, account: int, before: int, limit: int, peer: str = "") -> list[Logged]:
        return await self._read(lambda disk: disk.logged(account, before, limit, peer))

    # -- accounts -------------------------------------------------------------------------------------

    async def account(self, jid: str) -> AccountRecord | None:
        return await self._read(lambda disk: disk.record(jid))

    async def account_with(
        self, jid: str, space: str, key: Callable[[int], str]
    ) -> tuple[AccountRecord | None, Document | None]:
        def look(disk: Disk) -> tuple[AccountRecord | None, Document | None]:
            record = disk.record(jid)
            id = record.id if record is not None else 0
            return record, disk.document(id, space, key(id))

        return await self._read(look)

    async def accounts(self) -> list[str]:
        return await self._read(lambda disk: disk.names(groups=False))

    async def groups(self) -> list[str]:
        return await self._read(lambda disk: disk.names(groups=True))

    async def create_group(
        self, jid: str, documents: Sequence[tuple[str, str, bytes]], others: Sequence[Write] = ()
    ) -> int | None:
        return await self._write(lambda disk: disk.create_group(jid, documents, others))

    async def groups_of(self, account: int) -> list[tuple[int, str]]:
        return await self._read(lambda disk: disk.groups_of(account))

    async def audience(self, ids: Sequence[int]) -> list[int]:
        return await self._read(lambda disk: disk.audience(ids))

    async def side_log(self, account: int, name: str, create: bool = True) -> int:
        return await self._write(lambda disk: disk.side_log(account, name, create))

    async def side_logs(self, name: str, jids: Sequence[str]) -> dict[str, tuple[int, int]]:
        return await self._write(lambda disk: disk.side_logs(name, jids))

    async def expire_shared(self, now: int) -> int:
        return await self._write(lambda disk: disk.expire_shared(now))

    async def create_accounts(self, accounts: Sequence[tuple[str, dict[str, Keys]]]) -> list[str]:
        return await self._write(lambda disk: disk.create_accounts(accounts))

    async def set_keys(self, jid: str, keys: dict[str, Keys]) -> bool:
        return await self._write(lambda disk: disk.set_keys(jid, keys))

    async def upgrade_keys(self, jid: str, was: dict[str, Keys], keys: dict[str, Keys]) -> bool:
        return await self._write(lambda disk: disk.upgrade_keys(jid, was, keys))

    async def rename_account(self, jid: str, new: str) -> bool:
        return await self._write(lambda disk: disk.rename_account(jid, new))

    async def delete_account(self, jid: str, ended: Callable[[], Awaitable[None]] | None = None) -> bool:
        logs = await self._write(lambda disk: disk.delete_account(jid))
        if not logs:
            return False
        if ended is not None:
            await ended()
        for log in logs:
            await self.empty_log(log)
        return True

    async def tidy(self) -> bool:
        return True

    async def empty_log(self, account: int) -> None:
        await self._write(lambda disk: disk.empty_log(account), account)

    # -- the log --------------------------------------------------------------------------------------

    def append(self, entry: Append) -> None:
        size = len(entry.stanza)
        self.waiting_bytes += size

        def done(existing: int | None, error: BaseException | None) -> None:
            if error is not None and (text := _TEXT.search(entry.stanza)):
                self.disk.refused.add(text[1])
            entry.done(existing, error)

        accounts = [account for account, _, _ in entry.owners]
        self._put(_Operation(lambda disk: disk.append(entry), done, accounts, size))

    async def stored(self, entry: Append) -> int | None:
        return await self._write(lambda disk: disk.existing(entry))

    async def last_id(self, slot: int) -> int:
        await self.flush()
        return max(self.disk.last.values(), default=0) if self._owns is None else self.disk.last_id(slot)

    async def page(self, query: LogQuery) -> Page:
        return await self._read(lambda disk: disk.page(query))

    async def count(self, query: LogQuery) -> int:
        return await self._read(lambda disk: disk.count(query))

    async def peers(self, account: int) -> list[str]:
        return await self._read(lambda disk: disk.peers(account))

    async def bounds(self, account: int, shared: bool = False) -> tuple[int, int] | None:
        return await self._read(lambda disk: disk.bounds(account, shared))

    async def undelivered(
        self, account: int, after: int, limit: int, since: int | None = None, shared: bool = False
    ) -> list[Entry]:
        return await self._read(lambda disk: disk.undelivered(account, after, limit, since, shared))

    def mark_delivered(self, account: int, upto: int, late: Sequence[int] = ()) -> None:
        ids = list(late)
        self._mark(account, lambda disk: disk.mark_delivered(account, upto, ids))

    def mark_undelivered(self, account: int, ids: Sequence[int]) -> None:
        ids = list(ids)
        self._mark(account, lambda disk: disk.mark_undelivered(account, ids))

    def _mark(self, account: int, mark: Callable[[Disk], None]) -> None:
        """In order, each again and again until it is there, as `kith.store.marks` has it."""
        self._marks.append((account, mark))
        self._write_marks()

    def _write_marks(self) -> None:
        def work(disk: Disk) -> int:
            for account, mark in self._marks:
                if self._owns is None or self._owns(account):  # or another node writes them
                    mark(disk)
            return self._marked + len(self._marks)

        def done(upto: int | None, error: BaseException | None) -> None:
            if error is None and upto is not None:
                del self._marks[: max(0, upto - self._marked)]
                self._marked = max(self._marked, upto)

        self._put(_Operation(work, done))

    async def outbox(self, slot: int | None, after: int, limit: int) -> list[Outgoing]:
        return await self._read(lambda disk: disk.outbox(slot, after, limit))

    async def outbox_to(self, domain: str, after: int, limit: int) -> list[Outgoing]:
        return await self._read(lambda disk: disk.outbox(None, after, limit, domain))

    async def outbox_sizes(self) -> list[Queued]:
        return await self._read(lambda disk: disk.outbox_sizes())

    def handed_on(self, account: int, ids: Sequence[int]) -> None:
        there = list(ids)
        self._put(_Operation(lambda disk: disk.handed_on(account, there), lambda *_: None, [account]))

    def turned_away(self, account: int, ids: Sequence[int]) -> None:
        there = list(ids)
        self._put(_Operation(lambda disk: disk.turned_away(account, there), lambda *_: None, [account]))

    async def rewrite(self, id: int, stanza: bytes) -> None:
        await self._write(lambda disk: disk.rewrite(id, stanza))

    async def forget_origins(self, before: int) -> int:
        return await self._write(lambda disk: disk.forget_origins(before))

    async def expire(self, before: int) -> int:
        return await self._write(lambda disk: disk.expire(before))

    # -- documents ------------------------------------------------------------------------------------

    async def documents(self, account: int, space: str) -> list[Document]:
        return await self._read(lambda disk: disk.all_documents(account, space))

    async def documents_of(self, account: int, spaces: Sequence[str]) -> dict[str, list[Document]]:
        return await self._read(lambda disk: {space: disk.all_documents(account, space) for space in spaces})

    async def document(self, account: int, space: str, key: str) -> Document | None:
        return await self._read(lambda disk: disk.document(account, space, key))

    async def put(self, account: int, space: str, key: str, value: bytes) -> int:
        return await self._write(lambda disk: disk.put(account, space, key, value), account)

    def put_soon(self, account: int, space: str, key: str, value: bytes) -> None:
        self._put(_Operation(lambda disk: disk.put(account, space, key, value), lambda *_: None, [account]))

    async def put_if(self, account: int, space: str, key: str, value: bytes, seq: int) -> int:
        return await self._write(lambda disk: disk.put_if(account, space, key, value, seq), account)

    async def remove(self, account: int, space: str, key: str | None = None) -> int:
        return await self._write(lambda disk: disk.remove(account, space, key), account)

    async def take(self, space: str, slot: int | None) -> list[tuple[str, Document]]:
        return await self._write(lambda disk: disk.take(space, slot, self._owns or (lambda account: True)))

    async def spaces(self, account: int, prefix: str) -> list[str]:
        return await self._read(lambda disk: disk.spaces(account, prefix))

    def watch(self) -> None:
        if self._marks and not self.full:
            self._write_marks()

    def changed_elsewhere(self) -> bool:
        return False
