"""Which client a proxy's request is for, and whether the request was encrypted on every network.

Headers are believed from two kinds of peers: programs on this machine, and the proxies in the setting
``trusted_proxies``. Everybody else could forge them.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from functools import lru_cache
from urllib.parse import urlsplit

#: A function that returns all values of a header field, in the order of the lines.
Fields = Callable[[str], Sequence[str]]
#: Headers that proxies add to requests (RFC 7239, RFC 9110 §7.6.3).
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Real-IP", "Via")


@lru_cache(1024)
def is_loopback(text: str) -> bool:
    """Whether a text is a loopback IP address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


class Proxies:
    """The trusted proxies: this machine, and the IP addresses and networks in ``named``."""

    def __init__(self, named: Sequence[str] = ()) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in named]

    def trusts(self, peer: str) -> bool:
        """Whether headers from the peer with this IP address are believed."""
        if is_loopback(peer):
            return True
        if not self._networks:
            return False
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)

    def client(self, peer: str, fields: Fields) -> str:
        """The IP address of the client.

        Each proxy appends the address that it has seen to ``X-Forwarded-For``, which may have several lines
        (RFC 9110 §5.3). The last address that is not a trusted proxy's counts, since the client may have
        made up those before it.
        """
        if not self.trusts(peer):
            return peer
        for seen in reversed(",".join(fields("X-Forwarded-For")).split(",")):
            address = _address(seen)
            if not address:
                return peer
            peer = address
            if not self.trusts(address):
                return address
        return peer

    def over_tls(self, peer: str, fields: Fields) -> bool:
        """Whether a trusted proxy says that the client uses TLS."""
        return self.trusts(peer) and list(fields("X-Forwarded-Proto")) == ["https"]

    def is_local(self, peer: str, fields: Fields) -> bool:
        """Whether a request comes from this machine itself, for a host name of this machine.

        If a proxy on this machine passes on requests from elsewhere, their host and their page's origin are
        not local, whether or not the proxy adds headers.
        """
        if not is_loopback(peer) or any(fields(name) for name in FORWARDED):
            return False
        hosts, origins = fields("Host"), fields("Origin")
        if len(hosts) != 1 or len(origins) > 1:
            return False
        host = _split(f"http://{hosts[0]}")
        return _is_here(host[1]) and (not origins or _split(origins[0]) == host)


def _is_here(netloc: str) -> bool:
    try:
        name = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    return name == "localhost" or is_loopback(name)


def _split(origin: str) -> tuple[str, str]:
    """The scheme of an origin, and its host with the port."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc.lower()


def _address(text: str) -> str:
    """The IP address in a value of a proxy, which may have a port, brackets or quotes.

    Empty if there is none.
    """
    text = text.strip(" \t").strip('"')
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port[1:])):
            return ""
    elif text.count(":") == 1:
        text, _, port = text.partition(":")
        if not _is_port(port):
            return ""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return ""
    return text


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5
