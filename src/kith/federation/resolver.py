"""Finds out where the server of a domain listens (RFC 6120 §3.2, XEP-0368, RFC 2782)."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from typing import Any, NamedTuple

import aiodns
import idna

from kith.base.randomness import Randomness
from kith.federation.failures import NotFound, Unreachable

#: The default port (RFC 6120 §14.7).
PORT = 5269
_SECONDS = 5.0
_NOT_FOUND = {1, 4}  # ARES_ENODATA, ARES_ENOTFOUND


class Target(NamedTuple):
    """A host and port to connect to.

    ``direct``: TLS from the first byte. ``named``: a record of the domain names it.
    """

    host: str
    port: int
    direct: bool
    named: bool = True


class _Record(NamedTuple):
    priority: int
    weight: int
    target: Target


class Resolver:
    """Asks the system's name servers, or only ``server``, which is an ``address:port``."""

    def __init__(self, randomness: Randomness, server: str = "") -> None:
        self._randomness = randomness
        self._server = server
        self._dns: aiodns.DNSResolver | None = None

    def _resolver(self) -> aiodns.DNSResolver:
        if self._dns is None:
            options: dict[str, Any] = {"timeout": _SECONDS, "tries": 2}
            if self._server:
                host, _, port = self._server.rpartition(":")
                options |= {"nameservers": [host.strip("[]")], "udp_port": int(port), "tcp_port": int(port)}
            self._dns = aiodns.DNSResolver(**options)
        return self._dns

    async def targets(self, domain: str) -> list[Target]:
        """The targets for a domain, in the order in which to try them. Raises NotFound, Unreachable."""
        name = domain.strip("[]")
        if _is_address(name):
            return [Target(name, PORT, False, named=False)]
        name = idna.encode(name).decode() if not name.isascii() else name
        direct, starttls = await asyncio.gather(
            self._srv(f"_xmpps-server._tcp.{name}", True), self._srv(f"_xmpp-server._tcp.{name}", False)
        )
        records = [*(direct or ()), *(starttls or ())]
        if not records and (direct == [] or starttls == []):
            raise NotFound("DNS says that it has no server")
        if records:
            return ordered(records, self._randomness)
        return [Target(name, PORT, False, named=False)]

    async def _srv(self, name: str, direct: bool) -> list[_Record] | None:
        """The SRV records of a name.

        None if there are none; empty if they say that there is no such service.
        """
        try:
            found: Any = await self._resolver().query_dns(name, "SRV")
        except aiodns.error.DNSError as error:
            if error.args and error.args[0] in _NOT_FOUND:
                return None
            raise Unreachable(f"the name server does not answer for {name}") from None
        records = []
        for answer in found.answer:
            data: Any = answer.data
            host = str(data.target).rstrip(".")
            if host and data.port:
                records.append(_Record(data.priority, data.weight, Target(host, data.port, direct)))
        return records

    async def addresses(self, host: str) -> list[str]:
        """The IP addresses of a host. Raises NotFound, Unreachable."""
        if _is_address(host):
            return [host]
        found: list[str] = []
        failed = False
        for kind in ("AAAA", "A"):
            try:
                result: Any = await self._resolver().query_dns(host, kind)
            except aiodns.error.DNSError as error:
                failed = failed or not (error.args and error.args[0] in _NOT_FOUND)
                continue
            found += [str(a.data.addr) for a in result.answer if getattr(a.data, "addr", None)]
        if not found:
            if failed:
                raise Unreachable(f"the name server does not answer for {host}")
            raise NotFound(f"DNS knows no address of {host}")
        return found


def ordered(records: Iterable[_Record], randomness: Randomness) -> list[Target]:
    """Sorts records by priority and, within one priority, at random by weight (RFC 2782)."""

    def place(record: _Record) -> tuple[int, float]:
        return record.priority, -(randomness.uniform(0, 1) ** (1 / max(record.weight, 0.01)))

    return [record.target for record in sorted(records, key=place)]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
