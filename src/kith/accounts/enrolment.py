"""How a device of an account comes to be, with the token that it logs in with from then on (XEP-0484)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from kith.accounts.errors import Refused
from kith.accounts.notices import tell
from kith.base import clock
from kith.core.node import Node
from kith.ports.store import AccountRecord
from kith.records.devices import Changed, agent_id, clean

_TRIES = 5


@dataclass(frozen=True, slots=True)
class About:
    """What a client says of itself. ``agent``: the id that it has given itself, a UUID; or empty.

    ``mechanism``: the one that its token is for (`kith.core.login.fast`).
    """

    agent: str = ""
    name: str = ""
    software: str = ""
    platform: str = ""
    mechanism: str = "HT-SHA-256-NONE"


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A device that may log in. ``expires``: when its token does, in seconds since 1970."""

    address: str
    device: str
    agent: str
    token: str
    mechanism: str
    expires: float


async def enrol(domain: Node, record: AccountRecord, about: About) -> Enrolled:
    """Makes a device, or gives the one that has this agent a new token. Raises Refused."""
    agent = agent_id(about.agent) if about.agent else str(uuid.uuid4())
    if not agent:
        raise Refused("bad-request", "The id of a device is a UUID.")
    for _ in range(_TRIES):
        entry = await domain.devices.enter(record.id, agent)
        await domain.revocation.forgotten(record.jid, entry.gone)
        device = entry.device
        device.seen(clean(about.software), clean(about.name))
        device.platform = clean(about.platform) or device.platform
        device.credential = ""
        device.used = clock.now()
        device.retire(device.current)
        device.current = None  # the one that it had ends: this is a new start
        token, expires = domain.devices.issue(record, agent, device, about.mechanism)
        try:
            await domain.devices.save(entry)
        except Changed:
            continue
        return Enrolled(record.jid, device.id, agent, token, about.mechanism, expires)
    raise Refused("unavailable", "The device is changed elsewhere at the moment.", 1.0)


async def announce(domain: Node, record: AccountRecord, about: About) -> None:
    """Tells the account's devices that there is one more."""
    account = await domain.accounts.load(record.jid)
    if account is not None:
        name = clean(about.name) or clean(about.software) or "a device without a name"
        text = f"A new device has logged in to your account: {name}. If it is not yours, revoke it now."
        tell(domain, account, text)
