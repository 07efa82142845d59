"""Reads from the archive (XEP-0313) what this device missed, and remembers its place there."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from xml.etree.ElementTree import Element

from slixmpp.exceptions import IqError, IqTimeout

from kith.client import stanzas
from kith.client.database import Database
from kith.client.history import History
from kith.client.stanzas import Forwarded
from kith.client.stream import Stream

_PAGE_SIZE = 100
_GO_BACK = timedelta(days=7)
_ANSWER_TIMEOUT, _LOOK_EVERY = 3600.0, 0.5  # seconds
_EPOCH = datetime.fromtimestamp(0, UTC)


class CatchUp:
    """Fetches the archive page by page, from the last entry that the archive itself has shown.

    The place is an archive id in the local database. It is never taken from a live message, whose
    ``<stanza-id/>`` may be forged.
    """

    __slots__ = ("_db", "_history", "_own", "_pages", "_stream", "_with_groups")

    def __init__(
        self, stream: Stream, database: Database, history: History, with_groups: Callable[[], bool]
    ) -> None:
        """``with_groups()``: whether the archive has messages of groups as well, which are to be read."""
        self._with_groups = with_groups
        self._stream = stream
        self._db = database
        self._history = history
        self._own = str(stream.requested_jid.bare)
        self._pages: dict[str, list[Forwarded]] = {}

    def collect(self, stanza: Any) -> bool:
        """Takes a stanza if it is a result of an archive query. Returns whether it is one."""
        result = stanza.xml.find(f"{{{stanzas.MAM}}}result")
        if result is None:
            return False
        if not stanza.xml.get("from") or stanza["from"] == self._own:
            page = self._pages.get(result.get("queryid", ""))
            found = stanzas.forwarded(result, result.get("id"))
            if page is not None and found is not None:
                page.append(found)
        return True

    async def run(self, take: Callable[[Forwarded], Awaitable[None]]) -> None:
        """Calls ``take`` for each entry after our place, in order. It calls `note_place` when it commits.

        Raises IqError if the server has no archive, and IqTimeout.
        """
        place = self._db.get("place")
        if place is None and (place := self._db.get("archive")) is None:
            # A new device: earlier messages were not encrypted for it. Only note where we are.
            newest, _ = await self._query(None, None, 1)
            self._db.set("place", (newest[-1].archive or "") if newest else "")
            return
        if place == "":  # the archive was empty then
            await self._read_after(None, _EPOCH, take)
            return
        read = await self._read_after(place, None, take)
        if read is None or (read == 0 and await self._is_lost(place)):
            # The place has expired, or was never in the archive. Go back by time, once; messages that are
            # known already are recognized.
            newest_time = self._history.newest_time() or datetime.now(UTC)
            await self._read_after(None, min(newest_time, datetime.now(UTC)) - _GO_BACK, take)

    @property
    def has_place(self) -> bool:
        """Whether the archive has answered before, so that it will be read from a place on."""
        return self._db.get("place") is not None

    def note_place(self, archive: str) -> None:
        """Notes the id of the entry that was handled. The caller commits."""
        self._db.set("place", archive)

    async def _read_after(
        self, place: str | None, start: datetime | None, take: Callable[[Forwarded], Awaitable[None]]
    ) -> int | None:
        """Reads to the end. Returns the number of entries; None if the archive does not know the place."""
        count, complete = 0, False
        while not complete:
            try:
                page, complete = await self._query(place, start, _PAGE_SIZE)
            except IqError as error:
                if error.condition == "item-not-found" and place is not None:
                    return None
                raise
            start = None
            for found in page:
                await take(found)
                place = found.archive or place
            count += len(page)
            complete = complete or not page
        return count

    async def _is_lost(self, place: str) -> bool:
        """Nothing follows our place: whether that is because the archive's newest entry is another one."""
        newest, _ = await self._query(None, None, 1)
        return bool(newest) and newest[-1].archive != place

    async def page_of(self, node: str, after: str) -> tuple[list[Forwarded], bool, str]:
        """A page of another archive of ours, after an entry (empty: from the beginning).

        Returns it, whether it is the last one, and the id of its last entry, which may have been left out.
        Raises IqError, IqTimeout.
        """
        start = None if after else _EPOCH
        page, fin = await self._ask(after or None, start, _PAGE_SIZE, False, node)
        last = "" if fin is None else fin.findtext(f"{{{stanzas.RSM}}}set/{{{stanzas.RSM}}}last") or ""
        return page, fin is None or fin.get("complete") == "true" or not last, last

    async def _query(
        self, after: str | None, start: datetime | None, limit: int
    ) -> tuple[list[Forwarded], bool]:
        """One page, and whether it is the last one. Raises IqError, IqTimeout."""
        page, fin = await self._ask(after, start, limit, self._with_groups())
        return page, fin is None or fin.get("complete") == "true"

    async def _ask(
        self, after: str | None, start: datetime | None, limit: int, groups: bool, node: str | None = None
    ) -> tuple[list[Forwarded], Element | None]:
        query = uuid.uuid4().hex
        page: list[Forwarded] = []
        self._pages[query] = page
        try:
            request = stanzas.mam_query(query, after, start, limit, groups, node)
            iq: Any = self._stream.make_iq_set(sub=request)
            reply = await self._answer(iq)
        finally:
            del self._pages[query]
        return page, reply.xml.find(f"{{{stanzas.MAM}}}fin")

    async def _answer(self, iq: Any) -> Any:
        """The answer to a query.

        It may take as long as something comes from the server, since that sends what waited before it. Raises
        IqError; IqTimeout if the server is silent for `Stream.timeout` seconds, or the connection is lost.
        """
        attempt = self._stream.attempt
        reply = asyncio.ensure_future(iq.send(timeout=_ANSWER_TIMEOUT))
        begun = time.monotonic()
        while not (await asyncio.wait((reply,), timeout=_LOOK_EVERY))[0]:
            late = time.monotonic() - begun > self._stream.timeout
            lost = attempt != self._stream.attempt or not self._stream.is_connected()
            if lost or (late and self._stream.silent_for(self._stream.timeout)):
                reply.cancel()
                raise IqTimeout(iq)  # type: ignore[no-untyped-call, unused-ignore]
        return reply.result()
