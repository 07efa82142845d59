"""``/api/devices``: the devices on which an account is logged in."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.devices import Logins, Shown
from kith.api.endpoint import Call, endpoint
from kith.api.types import moment, whole

_ID = {"id": {"type": "string", "pattern": whole("[0-9a-f]{16}")}}
_KeyId = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Device(msgspec.Struct):
    """An installation of a client that is logged in."""

    id: str
    name: Annotated[
        str, Meta(description="The name that its owner has given it, or else its own name for itself.")
    ]
    software: str
    platform: str
    created: str
    last_seen: Annotated[
        str, Meta(description="When it was last online, to the hour. If it is online, the present time.")
    ]
    online: bool
    current: Annotated[bool, Meta(description="Whether this request was made by it.")]
    omemo: Annotated[list[int], Meta(description="The ids of its OMEMO keys (XEP-0384).")]
    app_password: Annotated[
        str, Meta(description="The id of the app password that it has logged in with, if any.")
    ]

    @classmethod
    def of(cls, shown: Shown, current: str) -> Device:
        device = shown.device
        return cls(
            device.id,
            shown.name,
            device.software,
            device.platform,
            moment(device.created),
            moment(shown.seen),
            shown.online,
            device.id == current,
            device.omemo,
            device.credential,
        )


class DeviceList(msgspec.Struct):
    """All devices, the most recently used one first."""

    devices: list[Device]


class DeviceChange(msgspec.Struct, forbid_unknown_fields=True):
    """The values to change. Omitted ones stay as they are."""

    name: Annotated[str, Meta(max_length=100)] | None = None
    omemo: (
        Annotated[list[_KeyId], Meta(max_length=16, description="The ids of its OMEMO keys (XEP-0384).")]
        | None
    ) = None


class Devices:
    """The endpoints, which any device of the account can use."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    @endpoint("GET", "/api/devices", "List the account's devices")
    async def list(self, call: Call) -> DeviceList:
        caller = call.device
        shown = await self._logins.all(caller.record)
        return DeviceList([Device.of(one, caller.entry.device.id) for one in shown])

    @endpoint("PATCH", "/api/devices/{id}", "Rename a device", refusals=("not-found",), parameters=_ID)
    async def change(self, call: Call, request: DeviceChange) -> Device:
        """Can also set which OMEMO keys belong to the device.

        For keys that the device publishes over XMPP, this is not needed: the server notes them by itself.
        """
        shown = await self._logins.change(call.device.record, call.path["id"], request.name, request.omemo)
        return Device.of(shown, call.device.entry.device.id)

    @endpoint(
        "DELETE",
        "/api/devices/{id}",
        "Revoke a device",
        status=204,
        refusals=("not-found",),
        parameters=_ID,
    )
    async def revoke(self, call: Call) -> None:
        """Its token becomes invalid, its sessions end at once, and the OMEMO device lists lose its keys."""
        await self._logins.revoke(call.device.record, call.path["id"])
