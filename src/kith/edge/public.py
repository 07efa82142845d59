"""Which addresses are public: those to which the server connects because somebody has named them.

Whoever can make a server send requests tries what only the server can reach: services of the machine and of
its network, and the metadata service of a cloud. So names are resolved here, each address is checked, and
the connection goes to the very address that was checked.
"""

from __future__ import annotations

import ipaddress
import socket
from contextlib import suppress

from aiohttp.abc import AbstractResolver, ResolveResult

#: What Python takes for global, or what leads to IPv4 addresses through a translator or a tunnel.
_NEVER = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "240.0.0.0/4"),
        *("::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16"),
        *("3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"),
    )
)


class NotPublic(OSError):
    """A name leads to no address that is public."""


def is_public(text: str) -> bool:
    """Whether a text is the IP address of another machine on the Internet."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address.scope_id is not None:
            return False
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address in network for network in _NEVER if network.version == address.version)


def is_own(text: str) -> bool:
    """Whether an IP address is one of this machine: then it would connect from that address to itself."""
    address = ipaddress.ip_address(text)
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((text, 9))  # sends nothing
        return str(probe.getsockname()[0]) == text
    return False


class PublicResolver(AbstractResolver):
    """Resolves names to the public addresses among those that another resolver finds.

    ``private``: whether others are allowed as well.
    """

    def __init__(self, resolver: AbstractResolver, private: bool = False) -> None:
        self._resolver = resolver
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Raises NotPublic, or OSError if the name is not known."""
        found = await self._resolver.resolve(host, port, family)
        if self._private:
            return found
        allowed = [one for one in found if is_public(one["host"]) and not is_own(one["host"])]
        if not allowed:
            raise NotPublic(f"{host} has no public address")
        return allowed

    async def close(self) -> None:
        await self._resolver.close()
