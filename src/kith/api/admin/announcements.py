"""``/api/admin/announcements``: messages of the server to everybody."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.api.endpoint import Call, endpoint
from kith.api.types import moment, whole
from kith.features.announcements import Announcing
from kith.records import announcements as records
from kith.records.audit import Audit

_ID = {"id": {"type": "string", "pattern": whole("[0-9a-f]{10}")}}
_DAY = 86400.0


class Announcement(msgspec.Struct):
    """An announcement, which everybody gets once: at once or when they come online, until it expires."""

    id: str
    text: str
    made: str
    expires: str
    cancelled: Annotated[str, Meta(description="When it was cancelled; empty: it was not.")]

    @classmethod
    def of(cls, one: records.Announcement) -> Announcement:
        return cls(one.id, one.text, moment(one.at), moment(one.expires), moment(one.cancelled))


class AnnouncementList(msgspec.Struct):
    """All announcements that are not over, the oldest first."""

    announcements: list[Announcement]


class NewAnnouncement(msgspec.Struct, forbid_unknown_fields=True):
    """What to announce."""

    text: Annotated[str, Meta(min_length=1, max_length=records.MAX_TEXT)]
    days: Annotated[
        float, Meta(ge=0.01, le=365, description="For how many days those get it who were away.")
    ] = records.LIFETIME / _DAY


class AnnouncementsResource:
    """The endpoints."""

    def __init__(self, announcing: Announcing, audit: Audit) -> None:
        self._announcing = announcing
        self._audit = audit

    @endpoint("GET", "/api/admin/announcements", "List announcements")
    async def list(self, call: Call) -> AnnouncementList:
        return AnnouncementList([Announcement.of(one) for one in await self._announcing.stored.all()])

    @endpoint(
        "POST",
        "/api/admin/announcements",
        "Announce something to everybody",
        status=201,
        refusals=("conflict",),
    )
    async def make(self, call: Call, request: NewAnnouncement) -> Announcement:
        """Who is online gets it at once. Nobody gets it twice."""
        try:
            made = await self._announcing.stored.add(request.text, request.days * _DAY)
        except records.TooMany as error:
            raise Refused("conflict", f"{error}.") from None
        except ValueError as error:
            raise Refused("bad-request", f"{error}.") from None
        await self._audit.note(call.actor, "announce", made.id)
        await self._announcing.accounts_changed()
        return Announcement.of(made)

    @endpoint(
        "DELETE",
        "/api/admin/announcements/{id}",
        "Cancel an announcement",
        status=204,
        refusals=("not-found",),
        parameters=_ID,
    )
    async def cancel(self, call: Call) -> None:
        """Nobody gets it any more, and it is withdrawn from those who have it."""
        id = call.path["id"]
        if not await self._announcing.stored.cancel(id):
            raise Refused("not-found", "There is no such announcement.")
        await self._audit.note(call.actor, "announce.cancel", id)
        await self._announcing.accounts_changed()
