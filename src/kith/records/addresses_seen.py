"""The network addresses that an account has connected from, for operators; kept for some days only.

Of an IPv6 address, the /64 network is kept, which is what a ban is for as well. Times are to the hour.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import msgspec

from kith.base.addresses import parse
from kith.ports.store import Document

SPACE = "addresses"
#: How many addresses of an account are kept.
MAX_ADDRESSES = 20
#: The precision of the times, in seconds.
PRECISION = 3600.0
_DAY = 86400.0
_IPV6_HOST = 64


class AddressSeen(msgspec.Struct, array_like=True):
    """An address, with the first and the last time that it was seen, in seconds since 1970."""

    address: str
    first: float
    last: float


encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[AddressSeen]).decode


def stored(documents: Sequence[Document]) -> list[AddressSeen]:
    """The addresses in the documents of an account's space, the last seen one first.

    None if they are damaged.
    """
    try:
        return _decode(documents[0].value) if documents else []
    except msgspec.DecodeError:
        return []


def place(address: str) -> str:
    """What is kept of an IP address; empty for loopback, and for a text that is no address."""
    parsed = parse(address)
    if parsed is not None and parsed.version == 6:
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, _IPV6_HOST)))
    return str(parsed or "")


def seen(known: Sequence[AddressSeen], address: str, now: float, days: float) -> list[AddressSeen]:
    """The addresses with one that is seen now, without those that are too old or too many."""
    old = next((one for one in known if one.address == address), None)
    hour = now - now % PRECISION
    new = AddressSeen(address, old.first if old is not None else hour, hour)
    others = [one for one in known if one.address != address]
    return fresh([new, *others], now, days)[:MAX_ADDRESSES]


def fresh(known: Sequence[AddressSeen], now: float, days: float) -> list[AddressSeen]:
    """The addresses that may still be kept."""
    return [one for one in known if now - one.last <= days * _DAY]
