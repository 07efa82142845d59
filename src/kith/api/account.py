"""``/api/account``: the account itself, changing its number, and deleting it."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.leaving import Leaving
from kith.accounts.moving import Moving
from kith.accounts.numbers import is_number
from kith.accounts.pin import Pins
from kith.accounts.registration import Registration
from kith.api.endpoint import Call, endpoint
from kith.api.types import Code, Country, Number, whole


class Account(msgspec.Struct):
    """The account of the device."""

    address: str
    number: Annotated[str, Meta(description="In E.164; empty if the account is not a number's.")]
    device: Annotated[str, Meta(description="The id of the device that asks.")]
    pin: Annotated[bool, Meta(description="Whether there is a PIN.")]


class AccountDeletion(msgspec.Struct, forbid_unknown_fields=True):
    """Confirmation to delete the account."""

    address: Annotated[str, Meta(max_length=1100, description="The account's own address, to confirm.")]
    pin: Annotated[str, Meta(pattern=whole("([0-9]{6})?"), description="If the account has one.")] = ""


class NewNumber(msgspec.Struct, forbid_unknown_fields=True):
    """A new number, and the code that was sent to it."""

    number: Number
    code: Code
    country: Country = ""


class Accounts:
    """The endpoints, for any device of the account."""

    def __init__(self, leaving: Leaving, pins: Pins, registration: Registration, moving: Moving) -> None:
        self._leaving = leaving
        self._pins = pins
        self._registration = registration
        self._moving = moving

    @endpoint("GET", "/api/account", "Who one is")
    async def get(self, call: Call) -> Account:
        record = call.device.record
        local = record.jid.partition("@")[0]
        pin = bool(await self._pins.made(record.id))
        return Account(record.jid, local if is_number(local) else "", call.device.entry.device.id, pin)

    @endpoint(
        "POST",
        "/api/account/number",
        "Change the number",
        refusals=(
            *("invalid-number", "registration-closed", "too-many"),
            *("wrong-code", "expired-code", "conflict"),
        ),
    )
    async def move(self, call: Call, request: NewNumber) -> Account:
        """Needs a code that was sent to the new number (``/api/register/code``).

        Devices, contacts, groups and messages move to the new address. Sessions end, and devices log in
        again under the new address with their present tokens. App passwords become invalid.
        """
        number = self._registration.number(request.number, request.country)
        record = call.device.record
        address = await self._moving.move(record, number, request.code, call.address)
        pin = bool(await self._pins.made(record.id))
        return Account(address, number, call.device.entry.device.id, pin)

    @endpoint(
        "POST",
        "/api/account/delete",
        "Delete the account",
        status=204,
        refusals=("forbidden", "pin-required", "wrong-pin"),
    )
    async def delete(self, call: Call, request: AccountDeletion) -> None:
        """Deletes messages, contacts, devices and settings, ends all sessions, and notifies contacts."""
        await self._leaving.leave(call.device.record, request.address, request.pin)
