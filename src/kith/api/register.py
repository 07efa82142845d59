"""``/api/register``: a phone number, a code, and an account or one more device of it."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.codes import LIFETIME
from kith.accounts.registration import Registration
from kith.api.endpoint import Call, endpoint
from kith.api.types import Code, Country, Login, NewDevice, Number


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
        refusals=(*_LIMITS, "wrong-code", "expired-code"),
    )
    async def register(self, call: Call, request: RegisterRequest) -> Login:
        """With the code: makes the account if the number has none, and a device of it with a token."""
        enrolled, new = await self._registration.register(
            request.number, request.country, request.code, request.device.about(), call.address
        )
        return Login.of(enrolled, new)
