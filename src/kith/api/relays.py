"""``/api/relays``: what a device needs to be reached in a call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.errors import too_many
from kith.api.endpoint import Call, endpoint
from kith.base.clock import Clock
from kith.calls.services import ExternalServices, TooOften
from kith.ports.relay import RelayService
from kith.wire.jid import parse_jid


class IceServer(msgspec.Struct, omit_defaults=True):
    """A STUN or TURN server, as an RTCIceServer of WebRTC."""

    urls: list[str]
    username: str = ""
    credential: str = ""


class IceServers(msgspec.Struct):
    """Servers to use in a call."""

    ice_servers: list[IceServer]
    expires_in: Annotated[
        int, Meta(description="Seconds after which to ask again; 0 if there are no credentials.")
    ]


class Relays:
    """The endpoint."""

    def __init__(self, services: ExternalServices, clock: Clock) -> None:
        self._services = services
        self._clock = clock

    @endpoint("GET", "/api/relays", "Get STUN and TURN servers for a call", refusals=("too-many",))
    async def get(self, call: Call) -> IceServers:
        """Returns the same servers as XEP-0215, the best ones first, with new credentials."""
        try:
            found = self._services.give(parse_jid(call.device.record.jid))
        except TooOften as error:
            raise too_many(error.seconds) from None
        ends = [service.expires for service in found if service.expires]
        left = max(0, int(min(ends) - self._clock.now())) if ends else 0
        return IceServers(_grouped(found), left)


def _grouped(services: Sequence[RelayService]) -> list[IceServer]:
    """One server for all URLs with the same credentials."""
    found: dict[tuple[str, str], list[str]] = {}
    for service in services:
        found.setdefault((service.username, service.password), []).append(str(service.url))
    return [IceServer(urls, *credentials) for credentials, urls in found.items()]
