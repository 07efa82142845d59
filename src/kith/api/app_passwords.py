"""``/api/app-passwords``: passwords for other XMPP clients, each shown once."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.apps import Apps, uri
from kith.api.endpoint import Call, endpoint
from kith.api.qr import svg
from kith.api.types import Name, moment, whole
from kith.records.app_passwords import AppPassword as Stored

_ID = {"id": {"type": "string", "pattern": whole("[0-9a-f]{16}")}}


class AppPassword(msgspec.Struct):
    """An app password, without the password itself, which only the client has."""

    id: str
    name: str
    created: str
    last_used: Annotated[str, Meta(description="To the hour; empty if it was never used.")]
    online: bool
    omemo: list[int]


class AppPasswordList(msgspec.Struct):
    """All app passwords, the oldest first."""

    app_passwords: list[AppPassword]


class NewAppPassword(msgspec.Struct, forbid_unknown_fields=True):
    """The name for an app password, usually that of the client."""

    name: Name = ""


class MadeAppPassword(msgspec.Struct):
    """A new app password. The password itself is shown only once."""

    id: str
    name: str
    address: Annotated[str, Meta(description="The address (XMPP id) to enter in the client.")]
    password: str
    uri: Annotated[str, Meta(description="The address and the password as an xmpp: URI (RFC 5122).")]
    qr: Annotated[str, Meta(description="The URI as a QR code, in SVG.")]


class AppPasswords:
    """The endpoints. A client that has logged in with an app password can't use them."""

    def __init__(self, apps: Apps) -> None:
        self._apps = apps

    @endpoint("GET", "/api/app-passwords", "List the account's app passwords")
    async def list(self, call: Call) -> AppPasswordList:
        record = call.device.record
        return AppPasswordList([self._answer(call, one) for one in await self._apps.all(record)])

    @endpoint("POST", "/api/app-passwords", "Create an app password", status=201, refusals=("conflict",))
    async def make(self, call: Call, request: NewAppPassword) -> MadeAppPassword:
        """For one XMPP client, such as Conversations, Monal, Dino, Gajim or Profanity."""
        record = call.device.record
        made, password = await self._apps.make(record, request.name)
        link = uri(record.jid, password)
        return MadeAppPassword(made.id, made.name, record.jid, password, link, svg(link))

    @endpoint(
        "PATCH",
        "/api/app-passwords/{id}",
        "Rename an app password",
        refusals=("not-found",),
        parameters=_ID,
    )
    async def rename(self, call: Call, request: NewAppPassword) -> AppPassword:
        return self._answer(call, await self._apps.rename(call.device.record, call.path["id"], request.name))

    @endpoint(
        "DELETE",
        "/api/app-passwords/{id}",
        "Revoke an app password",
        status=204,
        refusals=("not-found",),
        parameters=_ID,
    )
    async def revoke(self, call: Call) -> None:
        """Ends the client's sessions at once, and removes its keys from the account's OMEMO lists."""
        await self._apps.revoke(call.device.record, call.path["id"])

    def _answer(self, call: Call, one: Stored) -> AppPassword:
        online = self._apps.online(call.device.record, one.id)
        return AppPassword(one.id, one.name, moment(one.created), moment(one.used), online, one.omemo)
