"""Authenticates devices that use the HTTP API, by account, user-agent id and token (RFC 6750 §2.1)."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode
from contextlib import suppress

from kith.api.endpoint import Caller
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.ports.store import AccountRecord, Store
from kith.records.device import Changed, Entry, agent_id
from kith.records.devices import Devices
from kith.records.moves import Moves
from kith.wire.jid import JID, prepare_local

#: The maximum length of a credential, in characters.
_MAX_LENGTH = 2048


class Credentials:
    """Checks tokens as FAST does on XMPP: using a newer token invalidates the older one (XEP-0484 §3.5)."""

    def __init__(self, domain: Domain, clock: Clock, store: Store, devices: Devices) -> None:
        self._domain = domain
        self._clock = clock
        self._store = store
        self._devices = devices
        self._moves = Moves(store)

    async def check(self, header: str) -> Caller | None:
        """The device that an ``Authorization`` header authenticates; None if it authenticates none."""
        scheme, _, credential = header.partition(" ")
        if scheme.lower() != "bearer" or len(credential) > _MAX_LENGTH:
            return None
        try:
            text = urlsafe_b64decode(credential.strip() + "=" * (-len(credential.strip()) % 4)).decode()
            local, agent, shown = text.rsplit(":", 2)
            jid = JID(prepare_local(local), self._domain.name)
        except (binascii.Error, ValueError):
            return None
        agent = agent_id(agent)
        return await self._find(jid.bare, agent, shown) if agent else None

    async def _find(self, bare: str, agent: str, shown: str) -> Caller | None:
        """The device of the account that has an address, or had it before its number was changed.

        So a device that still has the old address can log in, and learns the new one.
        """
        devices = self._devices
        move = await self._moves.find(bare)
        record = await self._store.account(move.new if move is not None else bare)
        entry = await devices.find(record.id, agent) if record is not None else None
        if record is None:
            return None
        if entry is not None and await self._accepts(record, entry, agent, shown):
            return Caller(record, entry, agent)
        for other in await devices.of_apps(record.id, agent):
            if await self._accepts(record, other, agent, shown):
                return Caller(record, other, agent)
        return None

    async def _accepts(self, record: AccountRecord, entry: Entry, agent: str, shown: str) -> bool:
        """Whether a token is a valid one of the device. If so, its use is noted."""
        device, devices = entry.device, self._devices
        for token in (device.new, device.current):
            if token is None or token.expires < self._clock.now():
                continue
            if hmac.compare_digest(devices.token(record, agent, token).encode(), shown.encode()):
                device.promote(token)
                device.seen(device.software, device.name, self._clock.now())
                with suppress(Changed):  # by another login of the same device at the same time
                    await devices.save(entry)
                return True
        return False
