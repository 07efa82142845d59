"""Creates devices, with the tokens that they log in with (XEP-0484)."""

from __future__ import annotations

from dataclasses import dataclass

from kith.accounts.errors import Refused
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.core.actors.accounts import Accounts
from kith.core.routing.server_messages import ServerMessages
from kith.core.sessions.bans import Bans
from kith.core.sessions.revocation import Revocation
from kith.ports.store import AccountRecord
from kith.records.device import Changed, agent_id, clean
from kith.records.devices import Devices

_TRIES = 5


@dataclass(frozen=True, slots=True)
class About:
    """What a client says about itself.

    ``agent``: its user-agent id, a UUID, or empty. ``mechanism``: the mechanism that its token is to be for
    (`kith.core.login.fast`).
    """

    agent: str = ""
    name: str = ""
    software: str = ""
    platform: str = ""
    mechanism: str = "HT-SHA-256-NONE"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device that can log in. ``expires``: when its token expires, in seconds since 1970."""

    address: str
    device: str
    agent: str
    token: str
    mechanism: str
    expires: float


class Enrolment:
    """Creates devices."""

    def __init__(
        self,
        clock: Clock,
        randomness: Randomness,
        accounts: Accounts,
        devices: Devices,
        bans: Bans,
        revocation: Revocation,
        messages: ServerMessages,
    ) -> None:
        self._clock = clock
        self._randomness = randomness
        self._accounts = accounts
        self._devices = devices
        self._bans = bans
        self._revocation = revocation
        self._messages = messages

    async def enrol(self, record: AccountRecord, about: About) -> Enrolled:
        """Creates a device, or gives the one with this user agent a new token. Raises Refused."""
        if (ban := self._bans.of_account(record.id, record.jid)) is not None:
            raise Refused("account-disabled", ban.text)
        agent = agent_id(about.agent) if about.agent else self._randomness.uuid()
        if not agent:
            raise Refused("bad-request", "The id of a device is a UUID.")
        for _ in range(_TRIES):
            entry = await self._devices.enter(record.id, agent)
            await self._revocation.forgotten(record.jid, entry.gone)
            device = entry.device
            device.seen(clean(about.software), clean(about.name), self._clock.now())
            device.platform = clean(about.platform) or device.platform
            device.credential = ""
            device.used = self._clock.now()
            device.retire(device.current)
            device.current = None  # the one that it had ends: this is a new start
            token, expires = self._devices.issue(record, agent, device, about.mechanism)
            try:
                await self._devices.save(entry)
            except Changed:
                continue
            return Enrolled(record.jid, device.id, agent, token, about.mechanism, expires)
        raise Refused("unavailable", "The device is changed elsewhere at the moment.", 1.0)

    async def announce(self, record: AccountRecord, about: About) -> None:
        """Notifies the account's devices of a new one."""
        account = await self._accounts.load(record.jid)
        if account is not None:
            name = clean(about.name) or clean(about.software) or "a device without a name"
            text = f"A new device has logged in to your account: {name}. If it is not yours, revoke it now."
            self._messages.tell(account, text)
