"""The archive of a group, as clients read it that enter it as a room (XEP-0313 §3.2)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.actors.sender import Sender
from kith.core.routing.asserted import Assertions
from kith.features.archive_query import (
    QUERY,
    count_of,
    end_of,
    form_of_fields,
    metadata_of,
    parse,
    read,
    results,
)
from kith.groups.group import Group
from kith.groups.history import History
from kith.groups.members import Affiliation
from kith.ports.store import LogQuery, LogStore
from kith.wire.errors import StanzaError
from kith.wire.stanza import Stanza


class GroupArchive:
    """Answers queries for the archives of groups. Members see what was said since they came."""

    def __init__(self, store: LogStore, history: History, assertions: Assertions) -> None:
        self._store = store
        self._history = history
        self._assertions = assertions

    def fields(self) -> Sequence[Element]:
        return (form_of_fields(),)

    async def query(self, group: Group, sender: Sender, iq: Stanza) -> Sequence[Element]:
        """Answers a query. Raises StanzaError."""
        element = iq.child(QUERY)
        assert element is not None
        await self._store.flush()
        asked = await parse(self._store, element, self._scope(group, sender), own=False)
        if asked.count_only:
            return (count_of(await self._store.count(asked.query)),)
        page = await read(self._store, asked)
        for result in results(element, page.entries, group.jid, sender.full, self._assertions):
            if isinstance(sender, Session):
                sender.transmit(result)
            else:
                sender.send(Stanza.from_bytes(result))
        if isinstance(sender, Session) and sender.sink is not None:
            await sender.sink.drained()
        return (end_of(page),)

    async def metadata(self, group: Group, sender: Sender) -> Sequence[Element]:
        scope = self._scope(group, sender)
        ids: list[int] = []
        for backwards in (False, True):
            query = dataclasses.replace(scope, limit=1, backwards=backwards)
            ids += [entry.id for entry in (await self._store.page(query)).entries]
        return (metadata_of((ids[0], ids[-1]) if ids else None),)

    def _scope(self, group: Group, sender: Sender) -> LogQuery:
        """What somebody may read. Raises StanzaError if that is nothing."""
        affiliation = group.members.affiliation(sender.bare)
        inside = group.occupants.of(sender.full) is not None
        if affiliation is Affiliation.OUTCAST or (affiliation is Affiliation.NONE and not inside):
            raise StanzaError("forbidden", "only those who are in the group may read its archive")
        scope = self._history.visible(group, sender.bare)
        if scope is None:
            raise StanzaError("forbidden", "you may not read the archive")
        return scope
