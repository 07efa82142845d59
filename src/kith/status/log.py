"""The status log, as devices read it that know status (XEP-0313), and how they say that they do."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import unescape
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.ids import parse_stamp, to_text
from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.asserted import Assertions
from kith.features.archive import Archive
from kith.features.archive_query import count_of, end_of, parse, read, results
from kith.ports.store import Entry, LogQuery, Page, Store
from kith.status.inboxes import Inboxes
from kith.status.names import ENTRY, STATUS
from kith.status.service import StatusService
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_FROM = re.compile(rb"<message from='([^']*)'")
_UNTIL = re.compile(rb"<status xmlns='urn:kith:status:0' [^>]*until='([^']*)'")


class StatusLog(Feature):
    """Answers queries for the archive with the node ``urn:kith:status:0``."""

    bind_features = (STATUS,)

    def __init__(
        self,
        clock: Clock,
        store: Store,
        assertions: Assertions,
        archive: Archive,
        inboxes: Inboxes,
        service: StatusService,
    ) -> None:
        self._clock = clock
        self._store = store
        self._assertions = assertions
        self._inboxes = inboxes
        self._audience = service.audience
        archive.nodes[STATUS] = self._query

    @handles_iq("set", STATUS, "status", to="own")
    async def listen(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        """From now on, the session gets statuses; the answer says which entry is the last one."""
        return (await self._listen(session),)

    async def session_bound(self, session: Session, request: Element) -> Sequence[Element]:
        """As `listen`, for a client that asks in Bind 2."""
        return (await self._listen(session),) if request.find(ENTRY) is not None else ()

    async def _listen(self, session: Session) -> Element:
        log = await self._inboxes.listen(session)
        await self._store.flush()
        bounds = await self._store.bounds(log, shared=True)
        return Element(ENTRY, {"last": to_text(bounds[1])} if bounds is not None else {})

    async def _query(self, session: Session, element: Element) -> Sequence[Element]:
        await self._store.flush()
        scope = LogQuery(await self._inboxes.of_session(session), shared=True)
        asked = await parse(self._store, element, scope, own=False, expiring=True)
        if asked.count_only:
            return (count_of(await self._store.count(asked.query)),)
        page = await read(self._store, asked)
        entries = await self._shown(session, page)
        for result in results(element, entries, session.account.jid, session.full, self._assertions):
            session.transmit(result)
        if session.sink is not None:
            await session.sink.drained()
        return (end_of(page),)

    async def _shown(self, session: Session, page: Page) -> Sequence[Entry]:
        """The entries of a page from people whom the reader may see."""
        may: dict[str, bool] = {}
        found = []
        for entry in page.entries:
            match = _FROM.match(entry.stanza)
            author = unescape(match[1].decode()) if match is not None else ""
            if author not in may:
                may[author] = bool(author) and await self._audience.may_read(session.account, author)
            if may[author] and not self._is_over(entry):
                found.append(entry)
        return found

    def _is_over(self, entry: Entry) -> bool:
        """Whether a status has expired, and is only not deleted yet."""
        match = _UNTIL.search(entry.stanza)
        return match is not None and parse_stamp(match[1].decode()).timestamp() <= self._clock.now()
