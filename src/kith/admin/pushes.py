"""What became of pushes that an operator has asked for (`kith push test`)."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import msgspec

from kith.core.actors.accounts import Accounts
from kith.push.pushing import Pushing
from kith.push.registration import Registration

#: How long the answers of push services are waited for, in seconds.
_PATIENCE = 8.0


class AskedPush(msgspec.Struct):
    """A request to wake all devices of an account, given its bare address."""

    account: str


class TriedPush(msgspec.Struct):
    """What became of a push. ``service``: where it went; ``error``: empty if it was taken."""

    carrier: str
    service: str
    device: str
    error: str


class PushResult(msgspec.Struct):
    """All registrations of an account."""

    pushes: list[TriedPush] = []


async def push_to(pushing: Pushing, accounts: Accounts, bare: str) -> PushResult:
    """Wakes all devices of an account at once."""

    async def push(registration: Registration) -> TriedPush:
        try:
            async with asyncio.timeout(_PATIENCE):
                error = await pushing.test(bare, registration)
        except TimeoutError:
            error = "no answer yet"
        service = urlsplit(registration.service).netloc or registration.service
        device = registration.device or registration.resource
        return TriedPush(registration.carrier, service, device, error)

    account = await accounts.load(bare)
    registered = pushing.registered(account.id) if account is not None else []
    return PushResult(await asyncio.gather(*(push(one) for one in registered)))
