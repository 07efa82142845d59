"""The list of public rooms (XEP-0045 §6.3), names for new ones, and the end of temporary ones."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.base.randomness import Randomness
from kith.base.tasks import Tasks
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.features.disco import item
from kith.groups import index
from kith.groups.group import Group
from kith.groups.index import Listed
from kith.groups.names import MUC
from kith.groups.service import GroupService
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

UNIQUE = f"{MUC}#unique"
#: How often temporary rooms without occupants are ended, in seconds. There are some after a crash.
_INTERVAL = 60.0


class RoomList(Feature):
    """Lists public rooms, and knows the temporary ones."""

    service = "groups"

    def __init__(
        self, store: DocumentStore, randomness: Randomness, tasks: Tasks, groups: GroupService
    ) -> None:
        self._store = store
        self._randomness = randomness
        self._tasks = tasks
        self._groups = groups
        self._listed: dict[str, Listed] = {}
        self._items: Sequence[Element] | None = None
        groups.changes.configured.append(self._changed)

    async def start(self) -> None:
        self._listed = await index.read(self._store)
        self._tasks.later(_INTERVAL, self._clean_later)

    def _changed(self, group: Group) -> None:
        entry = index.entry_of(group.config, group.state.locked)
        if group.state.destroyed or not (entry.public or entry.temporary):
            self._listed.pop(group.jid, None)
        else:
            self._listed[group.jid] = entry
        self._items = None

    async def node_info(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        return None

    async def node_items(self, sender: Sender, to: JID, node: str) -> Sequence[Element] | None:
        """The public rooms, by address; long lists come in pages (XEP-0059)."""
        if node:
            return None
        if self._items is None:
            public = sorted((jid, entry.name) for jid, entry in self._listed.items() if entry.public)
            self._items = [item(jid, name=name or parse_jid(jid).local) for jid, name in public]
        return self._items

    @handles_iq("get", UNIQUE, "unique", to="service")
    async def unique(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """A name that no room has."""
        name = Element(ns.tag(UNIQUE, "unique"))
        name.text = self._randomness.uuid()
        return (name,)

    # -- temporary rooms ----------------------------------------------------------------------------

    def _clean_later(self) -> None:
        self._tasks.spawn(self.clean())
        self._tasks.later(_INTERVAL, self._clean_later)

    async def clean(self) -> None:
        """Ends temporary rooms in which nobody is."""
        for jid in [jid for jid, entry in self._listed.items() if entry.temporary]:
            there = self._groups.groups.get(jid)
            if there is None or not len(there.occupants):
                await self._groups.turn(jid, lambda jid=jid: self._end(jid))  # type: ignore[misc]

    async def _end(self, jid: str) -> None:
        group = await self._groups.groups.load(jid)
        if group is None:
            self._listed.pop(jid, None)
            await index.forget(self._store, jid)
        elif not group.is_temporary:  # it was made again after a crash
            await index.note(self._store, jid, index.entry_of(group.config, False))
            self._changed(group)
        elif not len(group.occupants):
            await self._groups.changes.vanish(group)
