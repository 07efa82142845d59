"""Logins with a name and a password over the HTTP API, for apps that then use a token."""

from __future__ import annotations

import asyncio

import structlog

from kith.accounts.enrolment import About, Enrolled, Enrolment
from kith.accounts.errors import Refused, too_many
from kith.core.login.entrance import Entrance
from kith.core.login.sasl import NotChecked
from kith.ports.store import AccountRecord
from kith.records.devices import Devices

#: Seconds after which to try again if too many passwords were wrong.
_WAIT = 60.0
logger = structlog.get_logger("kith")


class PasswordLogin:
    """Checks passwords as logins over XMPP do: with the same limits, and also against a directory."""

    def __init__(self, entrance: Entrance, devices: Devices, enrolment: Enrolment) -> None:
        self._entrance = entrance
        self._devices = devices
        self._enrolment = enrolment

    async def login(self, name: str, password: str, about: About, address: str) -> tuple[Enrolled, bool]:
        """Creates a device of the account with this name and password. Raises Refused.

        Returns it, and whether it is the account's first one. ``name``: the address, or its part before the
        @. App passwords don't count: they are only good for chatting.
        """
        entrance = self._entrance
        bare = entrance.naming(name)
        attempt = entrance.guesses.admit(address, bare, entrance.clock.steady())
        if attempt is None:
            raise too_many(_WAIT)
        since = entrance.passwords.changes
        try:
            record = await self._checked(bare, password)
        except NotChecked as error:
            entrance.guesses.right(attempt, entrance.clock.steady())
            raise Refused("unavailable", f"{error.text.capitalize()}.", 10.0) from None
        entrance.figures.logins["password", "success" if record is not None else "not-authorized"] += 1
        if record is None or entrance.passwords.has_changed(record.id, since):
            logger.info("login failed", condition="not-authorized", mechanism="password", address=address)
            await asyncio.sleep(attempt.delay)
            raise Refused("wrong-password", "The name or the password is wrong.")
        entrance.guesses.right(attempt, entrance.clock.steady())
        others = bool(await self._devices.all(record.id))
        enrolled = await self._enrolment.enrol(record, about)
        if others:
            await self._enrolment.announce(record, about)
        return enrolled, not others

    async def _checked(self, bare: str, password: str) -> AccountRecord | None:
        """The account of a bare address, if the password is right, else None. Raises NotChecked."""
        entrance = self._entrance
        record = await entrance.store.account(bare) if bare else None
        credential = await entrance.passwords.fits(bare, record, password)
        if credential is None and entrance.outside is not None:
            return await entrance.outside(bare, record, password)
        return record if credential == "" else None
