"""``/api/register``: registering with a phone number and a code."""

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
    """The number to send a code to."""

    number: Number
    country: Country = ""


class CodeSent(msgspec.Struct):
    """A code was sent, whether or not the number has an account."""

    number: Annotated[str, Meta(description="The number in E.164.")]
    expires_in: Annotated[int, Meta(description="How long the code is valid, in seconds.")]
    again_in: Annotated[int, Meta(description="Seconds until another code can be sent.")]


class RegisterRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The number, the code that was sent to it, and the new device."""

    number: Number
    code: Code
    country: Country = ""
    pin: Annotated[
        str, Meta(pattern=whole("([0-9]{6})?"), description="The account's PIN, if it is known.")
    ] = ""
    device: NewDevice = msgspec.field(default_factory=NewDevice)


class PinRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The PIN, after the code was correct."""

    number: Number
    proof: Annotated[str, Meta(max_length=200, description="What came with the answer ``pin-required``.")]
    pin: Annotated[str, Meta(pattern=whole("([0-9]{6})?"), description="Empty: it is forgotten.")] = ""
    country: Country = ""
    device: NewDevice = msgspec.field(default_factory=NewDevice)


_LIMITS = ("invalid-number", "country-not-served", "registration-closed", "too-many", "unavailable")


class Register:
    """The endpoints, which need no login."""

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
        """Creates the account if the number has none, and a device of it with a token."""
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
        """Follows ``pin-required`` or ``wrong-pin``, with the proof from that answer.

        Without a PIN, it works if no device of the account was online for seven days. Then older devices
        are logged out, and the messages are deleted.
        """
        enrolled, new = await self._registration.register_with_pin(
            request.number, request.country, request.proof, request.pin, request.device.about()
        )
        return Login.of(enrolled, new)
