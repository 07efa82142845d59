"""``/api/register``: a phone number, a code, and an account or one more device of it."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.codes import LIFETIME
from kith.accounts.registration import Registration
from kith.api.endpoint import Call, endpoint
from kith.api.types import Code, Country, Login, NewDevice, Number, whole


class CodeRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Who wants a code."""

    number: Number
    country: Country = ""


class CodeSent(msgspec.Struct):
    """A code is on its way, whether or not the number has an account."""

    number: Annotated[str, Meta(description="The number in E.164.")]
    expires_in: Annotated[int, Meta(description="Seconds that the code is good.")]
    again_in: Annotated[int, Meta(description="Seconds until another code can be sent.")]


class RegisterRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The code that came."""

    number: Number
    code: Code
    country: Country = ""
    pin: Annotated[
        str, Meta(pattern=whole("([0-9]{6})?"), description="The account's PIN, if it is known.")
    ] = ""
    device: NewDevice = msgspec.field(default_factory=NewDevice)


class PinRequest(msgspec.Struct, forbid_unknown_fields=True):
    """What follows when the code was right and the account has a PIN."""

    number: Number
    proof: Annotated[str, Meta(max_length=200, description="What came with the answer ``pin-required``.")]
    pin: Annotated[str, Meta(pattern=whole("([0-9]{6})?"), description="Empty: it is forgotten.")] = ""
    country: Country = ""
    device: NewDevice = msgspec.field(default_factory=NewDevice)


_LIMITS = ("invalid-number", "registration-closed", "too-many", "unavailable")


class Register:
    """For those who have not logged in."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    @endpoint("POST", "/api/register/code", "Send a code", status=202, open=True, refusals=_LIMITS)
    async def code(self, call: Call, request: CodeRequest) -> CodeSent:
        """Sends six digits to a phone. The answer is the same for every number."""
        sent = await self._registration.send_code(request.number, request.country, call.address)
        return CodeSent(sent.number, int(LIFETIME), math.ceil(sent.again))

    @endpoint(
        "POST",
        "/api/register",
        "Register a number, or log in with it",
        status=201,
        open=True,
        refusals=(*_LIMITS, "wrong-code", "expired-code", "pin-required", "wrong-pin"),
    )
    async def register(self, call: Call, request: RegisterRequest) -> Login:
        """With the code: makes the account if the number has none, and a device of it with a token."""
        enrolled, new = await self._registration.register(
            request.number, request.country, request.code, request.device.about(), call.address, request.pin
        )
        return Login.of(enrolled, new)

    @endpoint(
        "POST",
        "/api/register/pin",
        "Give the PIN after the code",
        status=201,
        open=True,
        refusals=(*_LIMITS, "expired-code", "pin-required", "wrong-pin"),
    )
    async def pin(self, call: Call, request: PinRequest) -> Login:
        """After ``pin-required`` or ``wrong-pin``, with the proof that came with it.

        Without a PIN it works when no device of the account was there for seven days: then the older devices
        are out and the messages are gone.
        """
        enrolled, new = await self._registration.register_with_pin(
            request.number, request.country, request.proof, request.pin, request.device.about()
        )
        return Login.of(enrolled, new)
