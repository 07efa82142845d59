"""XEP-0313: Message Archive Management. The archive of an account is its log."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from xml.etree.ElementTree import Element

from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature, handles_iq
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
from kith.ports.store import LogQuery, LogStore, Page
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_GROUPCHAT = ns.tag(ns.GROUPS, "groupchat")
#: An id that is lower than all others.
_NOTHING = 1


class Archive(Feature):
    """Answers queries, with all fields of the extended namespace, and requests for the archive's metadata."""

    account_disco = (ns.MAM_EXTENDED, f"{ns.MAM}#groupchat-field", ns.GROUPS, ns.STANZA_ID)
    # the archive is at the account's address (XEP-0313 §3), but Profanity only asks the server
    disco = (ns.MAM,)
    bind_features = (ns.GROUPS,)

    def __init__(self, store: LogStore, assertions: Assertions) -> None:
        self._store = store
        self._assertions = assertions
        #: Answers queries for other archives of an account, by the ``node`` that names them.
        self.nodes: dict[str, Callable[[Session, Element], Awaitable[Sequence[Element]]]] = {}

    @handles_iq("get", ns.MAM, "query", to="own")
    async def fields(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        return (form_of_fields([("include-groupchat", "boolean")]),)

    @handles_iq("set", ns.MAM, "query", to="own")
    async def query(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        element = iq.child(QUERY)
        assert element is not None
        if (other := self.nodes.get(element.get("node", ""))) is not None:
            return await other(session, element)
        asked = await parse(self._store, element, LogQuery(session.account.id), own=True)
        query = asked.query
        if asked.count_only:
            return (count_of(await self._store.count(query)),)
        page = await read(self._store, asked)
        for result in results(element, page.entries, session.account.jid, session.full, self._assertions):
            session.transmit(result)
        if session.sink is not None:
            await session.sink.drained()
        if query.peer is None and query.ids is None and not session.counted:
            _note(session, query, page)
        return (end_of(page),)

    @handles_iq("get", ns.MAM, "metadata", to="own")
    async def metadata(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        return (metadata_of(await self._store.bounds(session.account.id, session.shared)),)

    @handles_iq("set", ns.GROUPS, "groupchat", to="own")
    async def groupchat(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        """From now on, the session gets the messages of groups."""
        session.shared = True
        return ()

    async def session_bound(self, session: Session, request: Element) -> Sequence[Element]:
        """Notes that the client reads existing messages from the archive (XEP-0386 §2.2).

        If it asks for the messages of groups, it gets these as well from now on (docs/protocol.md).
        """
        session.shared = request.find(_GROUPCHAT) is not None
        await self._store.flush()
        bounds = await self._store.bounds(session.account.id, session.shared)
        if bounds is not None:
            session.synced = bounds[1]
        session.caught_up = session.synced or _NOTHING
        return (metadata_of(bounds),)

    def session_saved(self, session: Session) -> object:
        return session.shared or None

    def session_restored(self, session: Session, saved: Any) -> None:
        session.shared = True


def _note(session: Session, query: LogQuery, page: Page) -> None:
    """Notes the last message that a client without presence has read, where `kith.core.log.replay`
    continues.
    """
    read = page.entries[-1].id if page.entries else (query.after or _NOTHING)
    if page.complete or not query.backwards:  # a client that reads on from an id has the messages before it
        session.synced = max(session.synced, read)
    if query.before is None and (page.complete or query.backwards):
        session.caught_up = max(session.caught_up, read)
