"""A number and its code: an account, or one more device of the account that the number has."""

from __future__ import annotations

from dataclasses import dataclass

from kith.accounts.codes import Codes
from kith.accounts.enrolment import About, Enrolled, enrol
from kith.accounts.errors import Refused
from kith.accounts.numbers import InvalidNumber, e164
from kith.core.domain import Domain
from kith.core.ports import AccountRecord
from kith.wire.jid import JID


@dataclass(frozen=True, slots=True)
class Sent:
    """A code is on its way to ``number`` (E.164); ``again``: seconds until another can be had."""

    number: str
    again: float


class Registration:
    """Both steps, for those who have not logged in. What they say is the same for every number."""

    def __init__(self, domain: Domain, codes: Codes) -> None:
        self._domain = domain
        self._codes = codes

    def number(self, text: str, country: str = "") -> str:
        """In E.164. Raises Refused."""
        if self._domain.config.registration != "phone":
            raise Refused("registration-closed", "Phone numbers can't be registered on this server.")
        try:
            return e164(text, country or self._domain.config.phone_country)
        except InvalidNumber as error:
            raise Refused("invalid-number", f"{error}".capitalize() + ".") from None

    async def send_code(self, text: str, country: str, address: str) -> Sent:
        """Raises Refused."""
        number = self.number(text, country)
        return Sent(number, await self._codes.send(number, address))

    async def register(
        self, text: str, country: str, code: str, about: About, address: str
    ) -> tuple[Enrolled, bool]:
        """The device, and whether the account is new. Raises Refused."""
        number = self.number(text, country)
        await self._codes.check(number, code, address)
        record, new = await self._account(number)
        return await enrol(self._domain, record, about), new

    async def _account(self, number: str) -> tuple[AccountRecord, bool]:
        domain = self._domain
        bare = JID(number, domain.name).bare
        new = bool(await domain.store.create_accounts([(bare, {})]))
        if new:
            domain.directory.appeared(bare)
        record = await domain.store.account(bare)
        if record is None:
            raise Refused("unavailable", "The account is being removed at the moment.", 1.0)
        return record, new
