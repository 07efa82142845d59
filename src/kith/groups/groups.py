"""The groups that this node owns, with a cache of those in use."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable

import msgspec

from kith.base.clock import Clock
from kith.groups import config as configs
from kith.groups import group as states
from kith.groups import index
from kith.groups import members as affiliations
from kith.groups.config import Config
from kith.groups.group import Group, State
from kith.groups.members import Affiliation, Member, Members
from kith.groups.turns import Turns
from kith.ports.store import MEMBERSHIPS, Store, Write

#: The spaces of documents of a group.
GROUP, MEMBERS = "group", "members"
_CONFIG, _STATE = "config", "state"
#: How many members the groups in the cache have at most, together; a group counts as ten more.
_CACHED = 50_000


class Groups:
    """Loads groups, and caches them by address. Those with occupants stay in the cache."""

    def __init__(self, store: Store, clock: Clock, turns: Turns) -> None:
        self._store = store
        self._clock = clock
        self._turns = turns
        self._weights: dict[str, int] = {}  # of those in the cache, when they were added
        self._weight = 0  # the sum of these
        self._groups: OrderedDict[str, Group] = OrderedDict()
        #: The group of an address if it is in the cache, else None.
        self.get: Callable[[str], Group | None] = self._groups.get
        #: Called with each new group and its owner.
        self.created: list[Callable[[Group, Member], None]] = []
        #: Tell whether a group has to stay in the cache.
        self.busy: list[Callable[[Group], bool]] = []
        self._loading: dict[str, asyncio.Future[Group | None]] = {}

    async def load(self, jid: str) -> Group | None:
        """The group at a bare address, or None. A group that was destroyed is none."""
        group = self._groups.get(jid)
        if group is not None:
            self._groups.move_to_end(jid)
            return group
        future = self._loading.get(jid)
        if future is None:
            future = self._loading[jid] = asyncio.get_running_loop().create_task(self._read(jid))
        found = await asyncio.shield(future)
        return found if found is not None and not found.state.destroyed else None

    async def destroyed(self, jid: str) -> State | None:
        """What is left of a group that was destroyed; None if there never was one, or it exists."""
        record = await self._store.account(jid)
        found = await self._store.document(record.id, GROUP, _STATE) if record is not None else None
        state = states.load(found.value) if found is not None else None
        return state if state is not None and state.destroyed else None

    async def _read(self, jid: str) -> Group | None:
        try:
            record = await self._store.account(jid)
            if record is None:
                return None
            kept = await self._store.documents_of(record.id, (GROUP, MEMBERS))
            own = {document.key: document.value for document in kept[GROUP]}
            group = Group(
                jid,
                record.id,
                configs.load(own[_CONFIG]),
                states.load(own[_STATE]),
                Members(affiliations.load(document.value) for document in kept[MEMBERS]),
            )
            if not group.state.destroyed:
                self._add(group)
            return group
        finally:
            del self._loading[jid]

    async def create(self, jid: str, config: Config, owner: Member, locked: bool) -> Group | None:
        """Creates a group with one owner. Returns None if it exists."""
        now = int(self._clock.now() * 1000)
        state = State(created=now, creator=owner.jid, locked=locked)
        documents = [
            (GROUP, _CONFIG, configs.dump(config)),
            (GROUP, _STATE, states.dump(state)),
            (MEMBERS, owner.jid, affiliations.dump(owner)),
        ]
        if locked or not config.persistent:
            await index.note(self._store, jid, index.entry_of(config, locked))  # in case of a crash
        id = await self._store.create_group(jid, documents, memberships(jid, [owner]))
        if id is None:
            return await self._create_again(jid, config, state, owner)
        group = Group(jid, id, config, state, Members([owner]))
        self._add(group)
        for listener in self.created:
            listener(group, owner)
        return group

    async def _create_again(self, jid: str, config: Config, state: State, owner: Member) -> Group | None:
        """Creates a group at the address of one that was destroyed. Its members' logs keep what they have.

        Nothing else of it is left, nor of such a creation that was interrupted; the state is written last.
        """
        record = await self._store.account(jid)
        was = await self.destroyed(jid)
        if record is None or was is None:
            return None
        state = msgspec.structs.replace(state, number=was.number + 1)
        for space in await self._store.spaces(record.id, ""):
            if space != GROUP:
                await self._store.remove(record.id, space)
        await self._store.put(record.id, GROUP, _CONFIG, configs.dump(config))
        await self._store.put(record.id, MEMBERS, owner.jid, affiliations.dump(owner))
        await self._store.put(owner.account, MEMBERSHIPS, jid, b"")
        await self._store.put(record.id, GROUP, _STATE, states.dump(state))
        group = Group(jid, record.id, config, state, Members([owner]))
        self._add(group)
        for listener in self.created:
            listener(group, owner)
        return group

    def _add(self, group: Group) -> None:
        self._groups[group.jid] = group
        self._weights[group.jid] = weight = 10 + len(group.members)
        self._weight += weight
        for _ in range(64):
            if self._weight <= _CACHED or len(self._groups) < 2:
                return
            jid, oldest = next(iter(self._groups.items()))
            if oldest is group or len(oldest.occupants) or self._is_busy(oldest):
                self._groups.move_to_end(jid)
            else:
                self.drop(oldest)

    def _is_busy(self, group: Group) -> bool:
        return self._turns.busy(group.jid) or any(is_busy(group) for is_busy in self.busy)

    def drop(self, group: Group) -> None:
        """Removes a group from the cache."""
        if self._groups.get(group.jid) is group:
            del self._groups[group.jid]
            self._weight -= self._weights.pop(group.jid)

    def all(self) -> list[Group]:
        """The groups in the cache."""
        return list(self._groups.values())


def memberships(jid: str, members: Iterable[Member]) -> list[Write]:
    """The documents by which accounts know whether they are in the group with this address."""
    return [
        Write(member.account, MEMBERSHIPS, jid, b"" if member.affiliation >= Affiliation.MEMBER else None)
        for member in members
        if member.account
    ]


def config_write(group: Group, config: Config) -> Write:
    """The document of a group's configuration."""
    return Write(group.id, GROUP, _CONFIG, configs.dump(config))


def state_write(group: Group, state: State) -> Write:
    """The document of a group's state."""
    return Write(group.id, GROUP, _STATE, states.dump(state))


def member_writes(group: Group, members: Iterable[Member]) -> list[Write]:
    """The documents of members; those without an affiliation are removed."""
    return [
        Write(
            group.id,
            MEMBERS,
            member.jid,
            affiliations.dump(member) if member.affiliation is not Affiliation.NONE else None,
        )
        for member in members
    ]
