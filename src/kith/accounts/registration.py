"""Registration with a phone number: creates an account, or one more device of an existing account."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from kith.accounts.codes import Codes
from kith.accounts.devices import Logins
from kith.accounts.enrolment import About, Enrolled, Enrolment
from kith.accounts.errors import Refused
from kith.accounts.moving import Moving
from kith.accounts.numbers import InvalidNumber, e164
from kith.accounts.pin import ANEW_AFTER, FORGOTTEN_AFTER, Pins
from kith.accounts.proof import Proofs
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.config import Config
from kith.core.actors.accounts import Accounts
from kith.core.sessions.bans import Bans
from kith.core.sessions.removal import Removal
from kith.ports.store import AccountRecord, Store
from kith.records.devices import Devices
from kith.records.passwords import Passwords
from kith.wire.jid import JID

logger = structlog.get_logger("kith")


@dataclass(frozen=True, slots=True)
class Sent:
    """A code was sent to ``number`` (E.164). ``again``: seconds until another one can be requested."""

    number: str
    again: float


class Registration:
    """The steps of registration, for people who are not logged in.

    The answers are the same for every number.
    """

    def __init__(
        self,
        config: Config,
        domain: Domain,
        clock: Clock,
        store: Store,
        accounts: Accounts,
        devices: Devices,
        passwords: Passwords,
        removal: Removal,
        bans: Bans,
        codes: Codes,
        pins: Pins,
        proofs: Proofs,
        logins: Logins,
        moving: Moving,
        enrolment: Enrolment,
    ) -> None:
        self._config = config
        self._domain = domain
        self._clock = clock
        self._store = store
        self._accounts = accounts
        self._devices = devices
        self._passwords = passwords
        self._removal = removal
        self._bans = bans
        self._codes = codes
        self._pins = pins
        self._proofs = proofs
        self._logins = logins
        self._moving = moving
        self._enrolment = enrolment

    def number(self, text: str, country: str = "") -> str:
        """Parses a number into E.164. Raises Refused."""
        if self._config.registration != "phone":
            raise Refused("registration-closed", "Phone numbers can't be registered on this server.")
        try:
            return e164(text, country or self._config.phone_country)
        except InvalidNumber as error:
            raise Refused("invalid-number", f"{error}".capitalize() + ".") from None

    async def send_code(self, text: str, country: str, address: str) -> Sent:
        """Sends a code to a number. Raises Refused."""
        number = self.number(text, country)
        self._check_kind(number, address)
        return Sent(number, await self._codes.send(number, address))

    async def register(
        self, text: str, country: str, code: str, about: About, address: str, pin: str = ""
    ) -> tuple[Enrolled, bool]:
        """Registers with a code. Returns the device, and whether the account is new. Raises Refused."""
        number = self.number(text, country)
        self._check_kind(number, address)
        await self._codes.check(number, code, address)
        return await self._enter(number, pin, about)

    async def register_with_pin(
        self, text: str, country: str, proof: str, pin: str, about: About
    ) -> tuple[Enrolled, bool]:
        """Continues a registration whose code was correct, with the PIN. Returns the same. Raises Refused."""
        number = self.number(text, country)
        if not self._proofs.is_for(number, proof):  # before anything is looked for that takes its time
            raise Refused("expired-code", "The code was too long ago. Ask for another.")
        record = await self._store.account(JID(number, self._domain.name).bare)
        version = await self._pins.version(record.id) if record is not None else ""
        if record is None or not version or not self._proofs.fits(proof, number, record.id, version):
            raise Refused("expired-code", "The code was too long ago. Ask for another.")
        if await self._proofs.was_used(proof):
            raise Refused("expired-code", "The code was used. Ask for another.")
        return await self._enter(number, pin, about, proof)

    async def _enter(self, number: str, pin: str, about: About, proof: str = "") -> tuple[Enrolled, bool]:
        """Creates the account or the device.

        ``proof``: the proof of an earlier code, if there is no code now.
        """
        record, new = await self._account(number)
        if not new:
            record, new = await self._pass_pin(record, number, pin, proof)
        others = bool(await self._devices.all(record.id))
        enrolled = await self._enrolment.enrol(record, about)
        if others:
            await self._enrolment.announce(record, about)
        return enrolled, new

    def _check_kind(self, number: str, address: str) -> None:
        """Raises Refused if a ban excludes the network, or numbers of this kind, from registration.

        Bans of single numbers are not checked here, so that strangers do not learn of them.
        """
        ban = self._bans.of_address(address, "registration")
        ban = ban or self._bans.of_registration(JID(number, self._domain.name).bare)
        if ban is not None and ban.kind not in ("account", "number"):
            raise Refused("banned", ban.text)

    async def _check_bans(self, bare: str) -> None:
        """Raises Refused if a ban excludes the account, or the creation of one."""
        record = await self._store.account(bare)
        if record is None or await self._moving.has_left(bare):
            if (ban := self._bans.of_registration(bare)) is not None:
                raise Refused("banned", ban.text)
        elif (ban := self._bans.of_account(record.id, bare)) is not None:
            raise Refused("account-disabled", ban.text)

    async def _pass_pin(
        self, record: AccountRecord, number: str, pin: str, proof: str
    ) -> tuple[AccountRecord, bool]:
        """Checks the PIN, unless the account was silent for long enough, and uses the proof up.

        Returns the account, and whether it is a new one. Raises Refused.
        """
        made, version = await self._pins.made(record.id), await self._pins.version(record.id)
        if not version:
            if proof:
                raise Refused("expired-code", "The PIN was removed in the meantime. Ask for another code.")
            return record, False
        silent = await self._silence(record, made)
        if silent >= FORGOTTEN_AFTER:
            await self._use_up(proof)
            if silent >= ANEW_AFTER:
                return await self._start_anew(record, number), True
            await self._take_over(record)
            return record, False
        wait = max(0.0, FORGOTTEN_AFTER - silent)
        again = proof or self._proofs.make(number, record.id, version)
        if not pin:
            raise Refused("pin-required", "This account has a PIN.", proof=again, silence=wait)
        try:
            await self._pins.check(record.id, pin)
        except Refused as error:
            error.proof, error.silence = again, wait
            logger.info("wrong PIN", account=record.jid, reason=error.reason)
            raise
        if proof and await self._pins.version(record.id) != version:
            raise Refused("expired-code", "The PIN was changed in the meantime. Ask for another code.")
        await self._use_up(proof)
        return record, False

    async def _use_up(self, proof: str) -> None:
        """Uses a proof up. Raises Refused if it was used before."""
        if proof and not await self._proofs.use_up(proof):
            raise Refused("expired-code", "The code was used. Ask for another.")

    async def _silence(self, record: AccountRecord, made: float) -> float:
        """The seconds since a device or an app of the account was online, or its PIN was set."""
        if self._accounts.sessions(record.jid):
            return 0.0
        devices = await self._devices.all(record.id)
        apps = await self._passwords.apps.all(record.id)
        seen = [made, *(device.used for device in devices.values()), *(app.used for app in apps)]
        return self._clock.now() - max(seen)

    async def _take_over(self, record: AccountRecord) -> None:
        """Lets somebody without the PIN have an account that was silent for days, after deleting its
        messages.
        """
        await self._logins.revoke_all(record)
        for app in await self._passwords.apps.all(record.id):
            await self._logins.revoke_app(record, app.id)
        await self._store.empty_log(record.id)
        await self._pins.remove(record.id)

    async def _start_anew(self, record: AccountRecord, number: str) -> AccountRecord:
        """Replaces an account that was silent for weeks by a new one, since the number may be another
        person's now.
        """
        account = await self._accounts.load(record.jid)
        if account is not None:
            await self._removal.remove(account, wholly=True)
        return (await self._account(number))[0]

    async def _account(self, number: str) -> tuple[AccountRecord, bool]:
        bare = JID(number, self._domain.name).bare
        await self._check_bans(bare)
        await self._moving.free(bare)
        new = bool(await self._accounts.create([(bare, {})]))
        record = await self._store.account(bare)
        if record is None:
            raise Refused("unavailable", "The account is being removed at the moment.", 1.0)
        return record, new
