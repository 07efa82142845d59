"""Who is excluded from the server: suspended accounts, and bans of accounts, numbers and networks.

A **suspension** belongs to an account, and ends with it. A **ban** is a rule of its own that outlives the
accounts it applies to, so a banned number can't register again. Accounts are named by the local parts of
their addresses, which are phone numbers in E.164 where people register with a number.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
import phonenumbers

from kith.base.numbers import country_of
from kith.ports.store import DocumentStore
from kith.records.readable import readable

SPACE = "bans"
Kind = Literal["suspension", "account", "number", "prefix", "country", "network"]
Scope = Literal["all", "registration"]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
#: What people are told if the operator gives no reason.
_REASONS = {
    "suspension": "This account is suspended.",
    "account": "This account is banned from this server.",
    "number": "This number is banned from this server.",
    "prefix": "Numbers that begin like this one can't be used on this server.",
    "country": "Numbers of this country can't be used on this server.",
    "network": "Your network is banned from this server.",
}


class Ban(msgspec.Struct):
    """A suspension or a ban. Times are in seconds since 1970.

    ``value``: the local part of an address, a number, a prefix, a country (ISO 3166-1 alpha-2) or a network
    (CIDR), in the form that `matches` compares. ``account``: the id of the account, for suspensions.
    ``until``: 0 if it has no end. ``scope``: whether it is for everything, or only for new accounts.
    ``reason`` is told to the person; ``note`` is for operators only.
    """

    id: str
    kind: Kind
    value: str
    made: float
    by: str = ""
    until: float = 0.0
    scope: Scope = "all"
    reason: str = ""
    note: str = ""
    account: int = 0

    @property
    def text(self) -> str:
        """What the person is told."""
        return self.reason or _REASONS[self.kind]

    def is_over(self, now: float) -> bool:
        """Whether it has ended."""
        return 0 < self.until <= now


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Ban).decode


class BanRecords:
    """The stored bans. There is one for each kind and value."""

    def __init__(self, store: DocumentStore) -> None:
        self._store = store

    async def all(self) -> list[Ban]:
        """All bans, also those that have ended, in the order in which they were written."""
        documents = await self._store.documents(0, SPACE)
        return [ban for _, ban in readable(documents, _decode, "ban")]

    async def in_force(self, now: float) -> list[Ban]:
        """The bans that have not ended."""
        return [ban for ban in await self.all() if not ban.is_over(now)]

    async def put(self, ban: Ban) -> None:
        """Stores a ban. It replaces one of the same kind and value."""
        await self._store.put(0, SPACE, _key(ban), _encode(ban))

    async def remove(self, ban: Ban) -> bool:
        """Removes a ban. Returns whether it existed."""
        return bool(await self._store.remove(0, SPACE, _key(ban)))


def _key(ban: Ban) -> str:
    return f"{ban.kind}:{ban.account or ban.value}"


class BanList:
    """Bans, prepared for finding those that apply. It does not change."""

    def __init__(self, bans: Iterable[Ban] = ()) -> None:
        self.all = list(bans)
        self._suspended: dict[int, Ban] = {}
        self._named: dict[str, Ban] = {}
        self._prefixes: dict[str, Ban] = {}
        self._countries: dict[str, Ban] = {}
        self._networks: dict[tuple[int, int], dict[int, Ban]] = {}
        for ban in self.all:
            match ban.kind:
                case "suspension":
                    self._suspended[ban.account] = ban
                case "account" | "number":
                    self._named[ban.value] = ban
                case "prefix":
                    self._prefixes[ban.value] = ban
                case "country":
                    self._countries[ban.value] = ban
                case "network":
                    net = ipaddress.ip_network(ban.value)
                    group = self._networks.setdefault((net.version, net.prefixlen), {})
                    group[int(net.network_address)] = ban
        codes = {phonenumbers.country_code_for_region(country) for country in self._countries}
        # looking for the country of a number takes long; this spares it for most
        self._codes = tuple(f"+{code}" for code in codes)

    def of_account(self, id: int, local: str) -> list[Ban]:
        """The bans that apply to an account. ``id``: 0 if it does not exist yet."""
        found = [self._suspended.get(id), self._named.get(local)] if id else [self._named.get(local)]
        if local.startswith("+"):
            if self._prefixes:
                found += [self._prefixes.get(local[:length]) for length in range(2, len(local) + 1)]
            if self._countries and local.startswith(self._codes):
                found.append(self._countries.get(country_of(local)))
        return [ban for ban in found if ban is not None]

    def of_address(self, address: str) -> list[Ban]:
        """The bans of networks that contain an IP address. A text that is none is in no network."""
        if not self._networks:
            return []
        found = []
        for parsed in _addresses(address):
            for (version, length), group in self._networks.items():
                if version == parsed.version:
                    bits = parsed.max_prefixlen - length
                    ban = group.get(int(parsed) >> bits << bits)
                    if ban is not None:
                        found.append(ban)
        return found


def _addresses(text: str) -> Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The IP addresses that a text is, or contains; none if it is no address.

    An IPv4 address that is written as an IPv6 one counts as IPv4. One behind a translation (NAT64, RFC 6052)
    or a tunnel (6to4, RFC 3056) counts as well.
    """
    try:
        parsed = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return ()
    if isinstance(parsed, ipaddress.IPv4Address):
        return (parsed,)
    if parsed.ipv4_mapped is not None:
        return (parsed.ipv4_mapped,)
    if parsed in _NAT64:
        return (parsed, ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF))
    return (parsed, parsed.sixtofour) if parsed.sixtofour is not None else (parsed,)
