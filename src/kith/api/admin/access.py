"""``/api/admin/people/{address}/…``: whether and from where a person can use their account."""

from __future__ import annotations

import msgspec

from kith.accounts.apps import Apps
from kith.accounts.devices import Logins
from kith.admin.exclusions import Exclusions
from kith.api.admin.types import ADDRESS, Ban, Days, Note, Reason
from kith.api.endpoint import Call, endpoint
from kith.api.types import whole
from kith.core.actors.accounts import Accounts
from kith.core.sessions.bans import Bans
from kith.core.sessions.sessions import Sessions
from kith.ports.store import AccountRecord
from kith.records.audit import Audit
from kith.wire.errors import StreamError

_PATH = "/api/admin/people/{address}"
_WITH_ID = {**ADDRESS, "id": {"type": "string", "pattern": whole("[0-9a-f]{16}|all")}}


class Suspension(msgspec.Struct, forbid_unknown_fields=True):
    """Why, and for how long."""

    reason: Reason = ""
    note: Note = ""
    days: Days = 0.0


class AccessResource:
    """The endpoints. What they change is in the audit log."""

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        bans: Bans,
        exclusions: Exclusions,
        logins: Logins,
        apps: Apps,
        audit: Audit,
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._bans = bans
        self._exclusions = exclusions
        self._logins = logins
        self._apps = apps
        self._audit = audit

    # -- suspension --------------------------------------------------------------------------------

    @endpoint(
        "PUT",
        f"{_PATH}/suspension",
        "Suspend an account",
        refusals=("not-found", "conflict"),
        parameters=ADDRESS,
    )
    async def suspend(self, call: Call, request: Suspension) -> Ban:
        """Ends its sessions at once, and refuses logins until the suspension ends.

        Messages for the account are stored, and delivered afterwards. Others notice nothing but that it is
        offline.
        """
        record = await self._record(call)
        ban = await self._exclusions.suspend(
            call.actor, record.jid, request.reason, request.note, request.days
        )
        await self._bans.load()
        return Ban.of(ban)

    @endpoint(
        "DELETE",
        f"{_PATH}/suspension",
        "End a suspension",
        status=204,
        refusals=("not-found",),
        parameters=ADDRESS,
    )
    async def resume(self, call: Call) -> None:
        await self._exclusions.resume(call.actor, (await self._record(call)).jid)
        await self._bans.load()

    # -- sessions and devices ----------------------------------------------------------------------

    @endpoint(
        "DELETE",
        f"{_PATH}/sessions",
        "End the sessions",
        status=204,
        refusals=("not-found",),
        parameters=ADDRESS,
    )
    async def end(self, call: Call) -> None:
        """Closes all connections. The devices may log in again."""
        record = await self._record(call)
        for session in self._accounts.sessions(record.jid):
            self._sessions.end(session, StreamError("policy-violation", "ended by an operator"))
        await self._audit.note(call.actor, "sessions.end", record.jid)

    @endpoint(
        "DELETE",
        f"{_PATH}/devices/{{id}}",
        "Revoke a device",
        status=204,
        refusals=("not-found",),
        parameters=_WITH_ID,
    )
    async def revoke(self, call: Call) -> None:
        """Its token becomes invalid, its sessions end at once, and the OMEMO device lists lose its keys.

        With ``all`` in place of the id, all devices.
        """
        record, id = await self._record(call), call.path["id"]
        if id == "all":
            await self._logins.revoke_all(record)
        else:
            await self._logins.revoke(record, id)
        await self._audit.note(call.actor, "device.revoke", record.jid, id)

    @endpoint(
        "DELETE",
        f"{_PATH}/app-passwords/{{id}}",
        "Revoke an app password",
        status=204,
        refusals=("not-found",),
        parameters={**ADDRESS, "id": {"type": "string", "pattern": whole("[0-9a-f]{16}")}},
    )
    async def revoke_app(self, call: Call) -> None:
        record = await self._record(call)
        await self._apps.revoke(record, call.path["id"])
        await self._audit.note(call.actor, "app-password.revoke", record.jid, call.path["id"])

    async def _record(self, call: Call) -> AccountRecord:
        return await self._exclusions.account(call.path["address"])
