"""``/api/admin/reports``: who was reported for spam or abuse (XEP-0377)."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.api.endpoint import Call, endpoint
from kith.api.types import moment, whole
from kith.base.domain import Domain
from kith.ports.store import DocumentStore
from kith.records.audit import Audit
from kith.records.reports import Reports

_ID = {"id": {"type": "string", "pattern": whole("[0-9a-f]{16}")}}


class Report(msgspec.Struct):
    """A report, which somebody has sent while blocking somebody else."""

    id: str
    at: str
    reporter: str
    reported: str
    reason: Annotated[str, Meta(description="`spam` or `abuse`.")]
    text: Annotated[str, Meta(description="What the reporter has written about it.")]
    messages: Annotated[
        list[str], Meta(description="Ids of the messages concerned, in the reporter's archive.")
    ]
    local: Annotated[bool, Meta(description="Whether the reported address is of this server.")]


class ReportList(msgspec.Struct):
    """All reports, the newest first."""

    reports: list[Report]


class ReportsResource:
    """The endpoints."""

    def __init__(self, domain: Domain, store: DocumentStore, audit: Audit) -> None:
        self._domain = domain
        self._reports = Reports(store)
        self._audit = audit

    @endpoint("GET", "/api/admin/reports", "List reports")
    async def list(self, call: Call) -> ReportList:
        found = sorted(await self._reports.listed(), key=lambda one: -one[1].at)
        end = f"@{self._domain.name}"
        return ReportList(
            [
                Report(
                    id,
                    moment(one.at),
                    one.reporter,
                    one.reported,
                    one.reason.rpartition(":")[2],
                    one.text,
                    one.ids,
                    one.reported.partition("/")[0].endswith(end),
                )
                for id, one in found
            ]
        )

    @endpoint(
        "DELETE",
        "/api/admin/reports/{id}",
        "Delete a report",
        status=204,
        refusals=("not-found",),
        parameters=_ID,
    )
    async def remove(self, call: Call) -> None:
        """When it was dealt with."""
        removed = await self._reports.remove(call.path["id"])
        if removed is None:
            raise Refused("not-found", "There is no such report.")
        await self._audit.note(call.actor, "report.remove", removed.reported, f"by {removed.reporter}")
