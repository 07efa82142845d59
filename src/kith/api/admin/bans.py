"""``/api/admin/bans``: who is excluded from the server."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kith.admin.exclusions import Exclusions
from kith.api.admin.types import Ban, Days, Note, Reason, Scope
from kith.api.endpoint import Call, endpoint
from kith.api.types import whole
from kith.core.sessions.bans import Bans

_ID = {"id": {"type": "string", "pattern": whole("[0-9a-f]{8}")}}


class BanList(msgspec.Struct):
    """All suspensions and bans in force."""

    bans: list[Ban]


class NewBan(msgspec.Struct, forbid_unknown_fields=True):
    """What to ban."""

    kind: Literal["account", "number", "prefix", "country", "network"]
    value: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=1100,
            description="An address, a number, the beginning of numbers (+4917), two letters of a country"
            " (ISO 3166-1), or an IP address or network. Of an IPv6 address, its /64 network is banned.",
        ),
    ]
    scope: Scope = "all"
    reason: Reason = ""
    note: Note = ""
    days: Days = 0.0


class BansResource:
    """The endpoints."""

    def __init__(self, exclusions: Exclusions, bans: Bans) -> None:
        self._exclusions = exclusions
        self._bans = bans

    @endpoint("GET", "/api/admin/bans", "List suspensions and bans")
    async def list(self, call: Call) -> BanList:
        return BanList([Ban.of(ban) for ban in await self._exclusions.all()])

    @endpoint("POST", "/api/admin/bans", "Ban somebody", status=201, refusals=("conflict",))
    async def make(self, call: Call, request: NewBan) -> Ban:
        """Ends the sessions concerned at once, and refuses logins, registration and invitations.

        A ban stays when the accounts that it applies to are removed. It replaces one of the same value.
        """
        made = await self._exclusions.ban(
            call.actor,
            request.kind,
            request.value,
            request.scope,
            request.reason,
            request.note,
            request.days,
        )
        await self._bans.load()
        return Ban.of(made)

    @endpoint(
        "DELETE", "/api/admin/bans/{id}", "Lift a ban", status=204, refusals=("not-found",), parameters=_ID
    )
    async def lift(self, call: Call) -> None:
        """Also ends a suspension."""
        await self._exclusions.lift(call.actor, call.path["id"])
        await self._bans.load()
