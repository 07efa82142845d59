"""Group calls: which groups have one, at which SFU, and who may join.

A member joins with a token for a random room under a random identity; the SFU is told nothing else, and it
can't hear, since devices encrypt the frames (docs/calls.md, Group calls). While a call goes on, the server
looks at it from time to time: it removes those who are not members any more, and ends it when it is empty.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

import msgspec
import structlog

from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.base.tasks import Tasks
from kith.calls.livekit import LiveKit
from kith.config import Config
from kith.core.hooks.feature import Feature
from kith.core.sessions.bans import Bans
from kith.groups.service import GroupService
from kith.ports.sfu import SFU, SFUFailed
from kith.ports.store import DocumentStore
from kith.wire.jid import parse_jid

logger = structlog.get_logger("kith")
#: The space of documents of account 0 in which the calls are, by group.
SPACE = "group-calls"
#: How many devices may be in a call at once.
MOST = 32
#: For how many seconds a token lets an app join. Who has joined stays, and the SFU renews it.
TOKEN_SECONDS = 600
#: Seconds between two looks at each call, and after how many of them without a participant it is over.
LOOK_SECONDS, EMPTY_SECONDS = 5.0, 60.0
#: How often an account may join calls in ten minutes.
MAX_JOINS, JOINS_SECONDS = 60, 600.0


#: How many identities of one call are remembered; beyond it, old ones that are not there are forgotten.
_REMEMBERED = 512


class Refusal(Exception):
    """Somebody can't join: ``not-found`` (no such group, or not a member), ``too-many``, ``unavailable``.

    ``wait``: seconds after which to try again; 0: not known.
    """

    def __init__(self, reason: str, text: str, wait: float = 0.0) -> None:
        super().__init__(text)
        self.reason = reason
        self.wait = wait


class Ongoing(msgspec.Struct):
    """A call. ``id``: of its room; ``url``: that of its SFU; ``began``, ``seen``: in seconds since 1970, the
    latter when somebody was there last; ``people``: accounts by the identities that they were given.
    """

    id: str
    url: str
    began: float
    seen: float
    people: dict[str, str] = {}


class Ticket(NamedTuple):
    """What an app joins with. ``created``: the call begins with it."""

    call: Ongoing
    identity: str
    token: str
    created: bool


class GroupCalls(Feature):
    """The calls of the groups of this node. There are none without the setting ``sfus``."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        store: DocumentStore,
        clock: Clock,
        randomness: Randomness,
        tasks: Tasks,
        groups: GroupService,
        bans: Bans,
    ) -> None:
        self._config = config
        self._service = f"{GroupService.service}.{domain.name}"
        self._store = store
        self._clock = clock
        self._randomness = randomness
        self._tasks = tasks
        self._groups = groups.groups
        self._bans = bans
        self._sfus: dict[str, SFU] = {}
        self._calls: dict[str, Ongoing] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._joins = RateLimit(MAX_JOINS, JOINS_SECONDS)
        self._looking = False

    async def start(self) -> None:
        for document in await self._store.documents(0, SPACE):
            self._calls[document.key] = msgspec.msgpack.decode(document.value, type=Ongoing)
        if self._calls:
            self._look_soon()

    async def stop(self) -> None:
        for sfu in self._sfus.values():
            await sfu.close()

    def sfus(self) -> Sequence[SFU]:
        """The SFUs of the settings. Those that are not there any more are forgotten."""
        wanted = {one.url: one for one in self._config.sfus}
        self._sfus = {url: self._sfus.get(url) or LiveKit(one) for url, one in wanted.items()}
        return list(self._sfus.values())

    async def find(self, group: str, account: str) -> Ongoing | None:
        """The call of a group, if there is one. Raises Refusal if ``account`` is not a member."""
        await self._check_member(group, account)
        call = self._calls.get(group)
        if call is not None and await self._participants(call) is None:
            return None
        return call

    async def join(self, group: str, account: str) -> Ticket:
        """A member joins the call of a group, or begins it. Both are bare addresses. Raises Refusal."""
        now = self._clock.steady()
        if not self._joins.take(account, now):
            raise Refusal("too-many", "You join too often.", self._joins.wait(account, now))
        await self._check_member(group, account)
        lock = self._locks.setdefault(group, asyncio.Lock())
        async with lock:
            call, created = self._calls.get(group), False
            there = None if call is None else await self._participants(call)
            if call is None or there is None:
                call, created, there = await self._begin(group, account), True, []
            if len(there) >= MOST:
                raise Refusal("too-many", f"{MOST} devices are in this call already.")
            identity = self._randomness.hex(16)
            if len(call.people) >= _REMEMBERED:  # some join again and again, over a bad network
                newest = list(call.people)[-_REMEMBERED // 2 :]
                call.people = {one: call.people[one] for one in {*there, *newest} & call.people.keys()}
            call.people[identity] = account
            await self._write(group, call)
        token = self._sfus[call.url].token(call.id, identity, TOKEN_SECONDS)
        return Ticket(call, identity, token, created)

    async def _check_member(self, group: str, account: str) -> None:
        if not self._config.sfus:
            raise Refusal("unavailable", "This server has no group calls.")
        if not await self._is_member(group, account):
            raise Refusal("not-found", "There is no such group, or you are not a member.")

    async def _is_member(self, group: str, account: str) -> bool:
        """Whether an account belongs to a group, and is not banned or suspended."""
        try:
            address = parse_jid(group)
        except ValueError:
            return False
        if address.domain != self._service or not address.local:
            return False
        found = await self._groups.load(address.bare)
        member = found.members.get(account) if found is not None else None
        if found is None or member is None or not member.belongs:
            return False
        return self._bans.of_account(found.members.recipients.get(account, 0), account) is None

    async def _begin(self, group: str, account: str) -> Ongoing:
        """Makes a room at the SFU with the fewest calls, or at another one if it fails. Raises Refusal."""
        counts = dict.fromkeys((sfu.url for sfu in self.sfus()), 0)
        for call in self._calls.values():
            if call.url in counts:
                counts[call.url] += 1
        near = {
            one.url for one in self._config.sfus if any(account.startswith(prefix) for prefix in one.prefixes)
        }
        for url in sorted(counts, key=lambda url: (url not in near, counts[url])):
            room = self._randomness.hex(16)
            try:
                await self._sfus[url].make(room, MOST)
            except SFUFailed as error:
                logger.warning("sfu failed", url=url, reason=str(error))
                continue
            now = self._clock.now()
            call = self._calls[group] = Ongoing(room, url, now, now)
            self._look_soon()
            return call
        raise Refusal("unavailable", "No server for calls can be reached. Try again later.", 10.0)

    async def _participants(self, call: Ongoing) -> list[str] | None:
        """The identities in a call; None if it is over, or its SFU is gone."""
        self.sfus()
        sfu = self._sfus.get(call.url)
        if sfu is None:
            return None
        try:
            return await sfu.participants(call.id)
        except SFUFailed as error:
            logger.warning("sfu failed", url=call.url, reason=str(error))
            return None

    async def _write(self, group: str, call: Ongoing) -> None:
        await self._store.put(0, SPACE, group, msgspec.msgpack.encode(call))

    # -- looking after calls ---------------------------------------------------------------------------

    def _look_soon(self) -> None:
        if not self._looking:
            self._looking = True
            self._tasks.spawn(self._look())

    async def _look(self) -> None:
        """Looks at all calls until there are none."""
        try:
            while self._calls:
                await asyncio.sleep(LOOK_SECONDS)
                for group, call in list(self._calls.items()):
                    await self.look_at(group, call)
        finally:
            self._looking = False

    async def look_at(self, group: str, call: Ongoing) -> None:
        """Removes those who are not members any more, and ends a call that is empty."""
        there, now = await self._participants(call), self._clock.now()
        if self._calls.get(group) is not call:
            return
        if there:
            call.seen = now
        if there is None or now - call.seen > EMPTY_SECONDS:
            del self._calls[group]
            await self._store.remove(0, SPACE, group)
            await self._end(call)
            return
        for identity in there:
            account = call.people.get(identity)
            if account is None or not await self._is_member(group, account):
                try:
                    await self._sfus[call.url].remove(call.id, identity)
                except SFUFailed as error:
                    logger.warning("sfu failed", url=call.url, reason=str(error))

    async def _end(self, call: Ongoing) -> None:
        sfu = self._sfus.get(call.url)
        if sfu is not None:
            try:
                await sfu.end(call.id)
            except SFUFailed as error:
                logger.debug("a room has ended by itself", reason=str(error))
