"""What counts as one IP address, for limits: whoever has one IPv6 address has a whole network of them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


def parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address. None for loopback and malformed addresses.

    An IPv4 address that is written as an IPv6 one is an IPv4 address.
    """
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or parsed
    return None if parsed.is_loopback else parsed


@lru_cache(1024)
def network(address: str) -> str:
    """An IPv4 address, or the /64 network of an IPv6 address. Empty for loopback and malformed addresses."""
    parsed = parse(address)
    if parsed is not None and parsed.version == 6:
        return f"{int(parsed) >> 64:016x}/64"
    return str(parsed or "")


def wider(place: str) -> str:
    """The /48 network that a /64 network of `network` belongs to; empty for others."""
    return f"{place[:12]}/48" if place.endswith("/64") else ""
