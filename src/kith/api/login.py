"""``/api/login``: how people log in here, and logging in with a name and a password."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.password_login import PasswordLogin
from kith.api.endpoint import Call, endpoint
from kith.api.types import Login, NewDevice
from kith.config import Config


class Ways(msgspec.Struct):
    """How people log in to this server, for apps to ask for the right thing."""

    phone: Annotated[bool, Meta(description="With a phone number and a code (``/api/register``).")]
    password: Annotated[bool, Meta(description="Most people have a name and a password.")]


class PasswordRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Name and password, and the new device."""

    name: Annotated[
        str, Meta(min_length=1, max_length=1023, description="The address, or its part before the @.")
    ]
    password: Annotated[str, Meta(min_length=1, max_length=1023)]
    device: NewDevice = msgspec.field(default_factory=NewDevice)


class PasswordLogins:
    """The endpoints, which need no login."""

    def __init__(self, config: Config, logins: PasswordLogin) -> None:
        self._config = config
        self._logins = logins

    @endpoint("GET", "/api/login", "How people log in", open=True)
    async def ways(self, call: Call) -> Ways:
        """An app shows the form that fits. Logging in with a password is possible on every server."""
        phone = self._config.registration == "phone"
        return Ways(phone, not phone or bool(self._config.ldap_url))

    @endpoint(
        "POST",
        "/api/login",
        "Log in with a password",
        status=201,
        open=True,
        refusals=("wrong-password", "account-disabled", "banned", "too-many", "unavailable"),
    )
    async def login(self, call: Call, request: PasswordRequest) -> Login:
        """Creates a device with a token; ``new`` says whether it is the account's first one.

        The answer is the same for a wrong name and a wrong password.
        """
        enrolled, first = await self._logins.login(
            request.name, request.password, request.device.about(), call.address
        )
        return Login.of(enrolled, first)
