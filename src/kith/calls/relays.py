"""Relays that share a secret with the server: coturn, and whatever else speaks its REST API.

A credential (draft-uberti-behave-turn-rest) is made, not stored: the user name is the second in which it
expires and a random id, the password an HMAC of it. So the relay learns nothing about who calls.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Sequence
from typing import NamedTuple

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config import Config
from kith.config.relays import RelaySettings, parse_relay_url
from kith.ports.relay import RelayService, RelayURL

_ID_BYTES = 12


class Credential(NamedTuple):
    """What a client logs in to a relay with. ``expires``: in seconds since 1970."""

    username: str
    password: str
    expires: int


def credential(secret: str, expires: int, id: str) -> Credential:
    """Makes the credential that ends at ``expires``. HMAC-SHA-1 is what relays expect."""
    username = f"{expires}:{id}"
    digest = hmac.digest(secret.encode(), username.encode(), "sha1")
    return Credential(username, base64.b64encode(digest).decode(), expires)


class SharedSecretRelays:
    """The relays of the settings; without any, the STUN server of this process, if that is switched on."""

    def __init__(self, config: Config, clock: Clock, randomness: Randomness) -> None:
        self._config = config
        self._clock = clock
        self._randomness = randomness

    def services(self, local: str) -> Sequence[RelayService]:
        config = self._config
        if not config.relays:
            host, port = config.domain, config.stun_port
            return [RelayService(RelayURL("stun", host, port, "udp"))] if port else []
        found: list[RelayService] = []
        for relay in sorted(config.relays, key=lambda relay: _distance(relay, local)):
            made: Credential | None = None
            for url in map(parse_relay_url, relay.urls):
                if not url.scheme.startswith("turn"):
                    found.append(RelayService(url))
                    continue
                made = made or self._credential(relay)
                found.append(RelayService(url, *made))
        return found

    def _credential(self, relay: RelaySettings) -> Credential:
        expires = int(self._clock.now()) + self._config.relay_seconds
        return credential(relay.secret, expires, self._randomness.hex(_ID_BYTES))


def _distance(relay: RelaySettings, local: str) -> int:
    """Sorts relays: those for the person's country first, then those for everybody, then the others."""
    if not relay.prefixes:
        return 0
    return -max((len(prefix) for prefix in relay.prefixes if local.startswith(prefix)), default=-1)
