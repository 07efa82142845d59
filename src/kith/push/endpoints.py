"""Connections to the push services of apps, whose URLs clients have made up.

Only public addresses are connected to, or networks that the operator has named: otherwise somebody could
make the server talk to machines that only it reaches. A name is resolved once, and the connection goes to
the addresses that were checked.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from kith.config import Config
from kith.edge.public import is_public

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: The longest URL of a push service.
MOST_URL = 2048
#: Seconds for the whole request, and to connect.
_TIMEOUT, _CONNECT = 20.0, 10.0


class Forbidden(OSError):
    """A push service is where this server does not connect to."""


class Endpoints:
    """Checks URLs of push services, and makes connections to them."""

    def __init__(self, config: Config) -> None:
        self._networks: list[_Network] = [
            ipaddress.ip_network(text, strict=False) for text in config.push_networks
        ]
        self._ca = config.push_ca

    def check(self, url: str) -> None:
        """Raises ValueError, with a reason for people, unless a URL can be that of a push service."""
        if len(url) > MOST_URL or not url.isascii() or not url.isprintable() or " " in url:
            raise ValueError("the endpoint is no URL")
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("the endpoint has to begin with https://")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise ValueError("the endpoint may not have a user or a fragment")
        port = parts.port or 443
        if port != 443 and port < 1024:
            raise ValueError("the endpoint has a port of another service")
        try:
            address = ipaddress.ip_address(parts.hostname)
        except ValueError:
            return
        if not self.is_allowed(address):
            raise ValueError("the endpoint is not on the internet")

    def is_allowed(self, address: _Address) -> bool:
        """Whether the server may connect to an address."""
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if any(address in network for network in self._networks if network.version == address.version):
            return True
        return is_public(str(address))

    def session(self) -> aiohttp.ClientSession:
        """Makes a session that connects to allowed addresses alone. URLs have to be checked before.

        It follows no redirects if it is told so with each request, and uses no proxies and no cookies.
        """
        context = ssl.create_default_context()
        if self._ca is not None:
            context.load_verify_locations(self._ca)
        connector = aiohttp.TCPConnector(
            resolver=_Resolver(self), ssl=context, limit=256, limit_per_host=48, use_dns_cache=False
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT, sock_connect=_CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


class _Resolver(AbstractResolver):
    """Resolves names with the system's resolver, and leaves out addresses that are not allowed."""

    def __init__(self, endpoints: Endpoints) -> None:
        self._endpoints = endpoints
        self._system = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._system.resolve(host, port, family)
        allowed = [one for one in found if self._endpoints.is_allowed(_parsed(one["host"]))]
        if found and not allowed:
            raise Forbidden(f"{host} is not on the internet")
        return allowed

    async def close(self) -> None:
        await self._system.close()


def _parsed(text: str) -> _Address:
    """An address of the system's resolver, which may end with a zone."""
    return ipaddress.ip_address(text.partition("%")[0])
