"""``/api/admin/log``: the audit log."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.api.endpoint import Call, endpoint
from kith.api.types import moment, whole
from kith.records.audit import Audit

_PARAMETERS = {
    "before": {
        "type": "string",
        "pattern": whole("([0-9]{14}-[0-9a-f]{8})?"),
        "description": "Only entries before the one with this id.",
    },
    "limit": {"type": "integer", "minimum": 1, "maximum": 500, "default": 100},
}


class LogEntry(msgspec.Struct):
    """Something that an operator did."""

    id: str
    at: str
    by: Annotated[
        str, Meta(description="A user of the system, the name of a token, or an operator's address.")
    ]
    via: Annotated[str, Meta(description="How: command, token, operator (this API) or xmpp.")]
    action: Annotated[str, Meta(description="What, as an identifier for programs.")]
    target: str
    details: str


class LogPage(msgspec.Struct):
    """Entries, the newest first. ``next``: for the parameter ``before``; empty at the end."""

    entries: list[LogEntry]
    next: str


class LogResource:
    """The endpoint."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit

    @endpoint("GET", "/api/admin/log", "List what operators did", parameters=_PARAMETERS)
    async def list(self, call: Call) -> LogPage:
        """What was done by commands, over this API, and by operators' clients over XMPP."""
        limit = int(call.query.get("limit", "100"))
        entries, next = await self._audit.page(call.query.get("before", ""), limit)
        shown = [
            LogEntry(id, moment(one.at), one.by, one.via, one.action, one.target, one.details)
            for id, one in entries
        ]
        return LogPage(shown, next)
