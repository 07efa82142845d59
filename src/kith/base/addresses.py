"""What counts as one IP address, for limits: whoever has one IPv6 address has a whole network of them."""

from __future__ import annotations

import ipaddress
from functools import lru_cache


@lru_cache(1024)
def network(address: str) -> str:
    """An IPv4 address, or the /64 network of an IPv6 address. Empty for loopback and malformed addresses."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    mapped = getattr(parsed, "ipv4_mapped", None)
    if (mapped or parsed).is_loopback:
        return ""
    if mapped is None and parsed.version == 6:
        return f"{int(parsed) >> 64:016x}/64"
    return str(mapped or parsed)


def wider(place: str) -> str:
    """The /48 network that a /64 network of `network` belongs to; empty for others."""
    return f"{place[:12]}/48" if place.endswith("/64") else ""
