"""Reports of spam and abuse (XEP-0377), which are stored until the operator deletes them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from kith.ports.store import DocumentStore
from kith.records.readable import readable

SPACE = "reports"
REASONS = frozenset(("urn:xmpp:reporting:spam", "urn:xmpp:reporting:abuse"))
#: The maximum number of stored reports, in total and from one account.
MAX_REPORTS = 5000
MAX_OF_ONE = 100
_MAX_TEXT = 2000
_MAX_IDS = 20
_MAX_ID = 128


class Report(msgspec.Struct):
    """A report. ``at``: seconds since 1970. ``ids``: stanza ids in the reporter's archive."""

    at: float
    reporter: str
    reported: str
    reason: str
    text: str
    ids: list[str]

    @classmethod
    def make(
        cls, at: float, reporter: str, reported: str, reason: str, text: str, ids: Sequence[str]
    ) -> Report:
        """Makes a report, with its parts cut to the stored sizes."""
        kept = [id[:_MAX_ID] for id in ids[:_MAX_IDS]]
        return cls(at, reporter, reported, reason, text.strip()[:_MAX_TEXT], kept)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Report).decode


def _id(key: str) -> str:
    """An id for a key, which contains addresses."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


class Reports:
    """The stored reports."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def all(self) -> list[Report]:
        """All reports, the oldest first."""
        documents = await self._store.documents(0, SPACE)
        return [report for _, report in readable(documents, _decode, "report")]

    async def listed(self) -> list[tuple[str, Report]]:
        """All reports with their ids, the oldest first."""
        documents = await self._store.documents(0, SPACE)
        return [(_id(document.key), report) for document, report in readable(documents, _decode, "report")]

    async def remove(self, id: str) -> Report | None:
        """Deletes a report by its id. Returns it; None if there is none."""
        for document, report in readable(await self._store.documents(0, SPACE), _decode, "report"):
            if _id(document.key) == id and await self._store.remove(0, SPACE, document.key):
                return report
        return None

    async def add(self, report: Report) -> bool:
        """Stores a report. Returns False if there are too many."""
        reports = await self.all()
        same = sum(other.reporter == report.reporter for other in reports)
        if len(reports) >= MAX_REPORTS or same >= MAX_OF_ONE:
            return False
        await self._store.put(0, SPACE, f"{report.reporter} {report.reported}", _encode(report))
        return True

    async def clear(self) -> int:
        """Deletes all reports. Returns how many there were."""
        return await self._store.remove(0, SPACE)
