"""``/api/pin``: the PIN that is needed to log in with the account's phone number again."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.pin import Pins
from kith.api.endpoint import Call, endpoint
from kith.api.types import whole


class PinState(msgspec.Struct):
    """Whether the account has a PIN."""

    set: bool


class NewPin(msgspec.Struct, forbid_unknown_fields=True):
    """A new PIN: six digits. The server never shows it."""

    pin: Annotated[str, Meta(pattern=whole("[0-9]{6}"))]


class Pin:
    """The endpoints. A device can change the PIN without the old one, since it has full access anyway."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins

    @endpoint("GET", "/api/pin", "Whether there is a PIN")
    async def get(self, call: Call) -> PinState:
        return PinState(bool(await self._pins.made(call.device.record.id)))

    @endpoint("PUT", "/api/pin", "Set the PIN", status=204, refusals=("too-many",))
    async def set(self, call: Call, request: NewPin) -> None:
        """The PIN is needed, as well as a code, to register again with the account's phone number."""
        await self._pins.set(call.device.record.id, request.pin)

    @endpoint("DELETE", "/api/pin", "Remove the PIN", status=204)
    async def remove(self, call: Call) -> None:
        """Without a PIN, a code by text message is enough to register again with the phone number."""
        await self._pins.remove(call.device.record.id)
