"""Relays for calls: tables of the setting ``relays``, and the URIs in them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import msgspec

from kith.config.errors import wrong
from kith.ports.relay import RelayURL, Scheme, Transport

if TYPE_CHECKING:
    from kith.config.settings import Config

#: A URI of RFC 7064 §3.1 or RFC 7065 §3.1.
_URI = re.compile(
    r"(?P<scheme>stuns?|turns?):(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:(?P<port>[0-9]{1,5}))?"
    r"(\?transport=(?P<transport>udp|tcp))?"
)
_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_PREFIX = re.compile(r"\+[1-9][0-9]{0,14}")


class RelaySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A relay, or several that share a secret.

    ``urls``: how it is reached, as ``turn:relay.example.org:3478?transport=udp``. ``secret``: the one that
    coturn calls static-auth-secret; not needed for ``stun:``. ``prefixes``: people whose phone numbers begin
    so, like +49, are given this relay first.
    """

    urls: list[str]
    secret: str = ""
    prefixes: list[str] = []


def parse_relay_url(text: str) -> RelayURL:
    """Parses a URI of RFC 7064 or RFC 7065. Raises ValueError, whose text says what is wrong.

    The port is 3478 by default, over TLS 5349; the transport is udp, over TLS tcp.
    """
    found = _URI.fullmatch(text)
    if found is None:
        raise ValueError("it is not like turn:relay.example.org:3478?transport=udp")
    scheme, secure = cast(Scheme, found["scheme"]), found["scheme"].endswith("s")
    if found["transport"] and scheme.startswith("stun"):
        raise ValueError("only turn: and turns: have a transport")
    port = int(found["port"] or (5349 if secure else 3478))
    if not 0 < port < 65536:
        raise ValueError(f"{port} is not a port")
    host = found["host"].removeprefix("[").removesuffix("]")
    if host != found["host"]:
        ipaddress.IPv6Address(host)
    elif not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise ValueError(f"{host} is not the name of a host")
    transport = found["transport"] or ("tcp" if secure else "udp")
    return RelayURL(scheme, host, port, cast(Transport, transport))


def check_relays(config: Config, places: Mapping[str, str]) -> None:
    """Checks the setting ``relays``. Raises ConfigError."""
    for index, relay in enumerate(config.relays):
        if reason := _problem(relay):
            raise wrong(f"relays[{index}]", places["relays"], reason)


def _problem(relay: RelaySettings) -> str:
    """What is wrong with a relay; empty if nothing is."""
    if not relay.urls:
        return "it has no urls"
    for text in relay.urls:
        try:
            url = parse_relay_url(text)
        except ValueError as error:
            return f"{text!r}: {error}"
        if url.scheme.startswith("turn") and not relay.secret:
            return f"{text!r} needs a secret, the one that the relay has"
    for prefix in relay.prefixes:
        if not _PREFIX.fullmatch(prefix):
            return f"{prefix!r} is not the beginning of a phone number, like +49"
    return ""
