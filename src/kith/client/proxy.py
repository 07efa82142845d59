"""Connections through a proxy: SOCKS 4 and 5, and HTTP CONNECT."""

from __future__ import annotations

import socket

from kith.client.errors import InvalidSetting

_SCHEMES = ("socks5", "socks4", "http")


class Proxy:
    """A proxy by its URL, like ``socks5://user:password@127.0.0.1:9050``. Raises InvalidSetting."""

    __slots__ = ("url",)

    def __init__(self, url: str) -> None:
        from python_socks import parse_proxy_url

        scheme = url.partition("://")[0]
        try:
            if scheme not in _SCHEMES:
                raise ValueError(scheme)
            parse_proxy_url(url)
        except (ValueError, TypeError):
            known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
            raise InvalidSetting(
                f"A proxy's URL has a host and a port, and begins with one of {known}"
            ) from None
        self.url = url

    async def connect(self, host: str, port: int) -> socket.socket:
        """A connection to a host, whose name the proxy resolves. Raises OSError."""
        from python_socks import ProxyError
        from python_socks.async_.asyncio import Proxy as Library

        try:
            return await Library.from_url(self.url, rdns=True).connect(host, port)
        except ProxyError as error:
            raise OSError(f"the proxy: {error}") from None
