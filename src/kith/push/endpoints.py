"""Connections to the push services of apps, whose URLs clients have made up.

Only public addresses are connected to, or networks that the operator has named: otherwise somebody could
make the server talk to machines that only it reaches. A name is resolved once, and the connection goes to
the addresses that were checked.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import AsyncResolver

from kith.config import Config
from kith.edge.public import is_public

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: The longest URL of a push service.
MOST_URL = 2048
#: Seconds for the whole request, and to connect.
_TIMEOUT, _CONNECT = 20.0, 10.0
#: Seconds for each of two attempts to resolve a name.
_DNS = 4.0
_ENDS_IN_NUMBER = re.compile(r"(?:^|\.)(?:0x[0-9a-f]*|[0-9]+)\.?\Z", re.I)


class Forbidden(OSError):
    """A push service is where this server does not connect to."""


class Endpoints:
    """Checks URLs of push services, and makes connections to them."""

    def __init__(self, config: Config) -> None:
        self._networks: list[_Network] = [
            ipaddress.ip_network(text, strict=False) for text in config.push_networks
        ]
        self._ca = config.push_ca
        self._name_server = config.dns_server

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
            resolver=_Resolver(self, self._name_server),
            ssl=context,
            limit=256,
            limit_per_host=48,
            use_dns_cache=False,
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=_TIMEOUT, sock_connect=_CONNECT),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )


class _Resolver(AbstractResolver):
    """Resolves names without threads, and leaves out addresses that are not allowed.

    Clients make up the names. The system's resolver would wait for their name servers on threads that
    everything else of the server shares.
    """

    def __init__(self, endpoints: Endpoints, name_server: str) -> None:
        """``name_server``: as address:port; empty for those of the system."""
        self._endpoints = endpoints
        options: dict[str, Any] = {}
        if name_server:
            host, _, port = name_server.rpartition(":")
            options = {"nameservers": [host.strip("[]")], "udp_port": int(port), "tcp_port": int(port)}
        self._names = AsyncResolver(timeout=_DNS, tries=2, **options)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if _ENDS_IN_NUMBER.search(host):  # an address, for resolvers that take 0x7f.1 or 2130706433 for one
            raise Forbidden(f"{host} is not on the internet")
        found = await self._names.resolve(host, port, family)
        allowed = [one for one in found if self._endpoints.is_allowed(_parsed(one["host"]))]
        if found and not allowed:
            raise Forbidden(f"{host} is not on the internet")
        return allowed

    async def close(self) -> None:
        await self._names.close()


def _parsed(text: str) -> _Address:
    """An address of a resolver, which may end with a zone."""
    return ipaddress.ip_address(text.partition("%")[0])
