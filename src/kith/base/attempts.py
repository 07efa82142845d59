"""Limits failed logins, by account and by address.

An attempt is counted when it starts, and forgiven if it succeeds, so that parallel attempts get no further
than sequential ones. Addresses from which somebody has logged in to an account before are counted apart
from all others, so that its owner can log in at home while others guess. Names without an account are
counted like any other, or the answers would tell which accounts exist.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

#: The number of failed attempts that are allowed at once, and the seconds after which one is forgotten.
ADDRESS = (30, 15.0)
#: An IPv6 network of /48, in which there are 65536 of the networks that count as one address.
NETWORK = (240, 2.0)
ACCOUNT = (20, 60.0)
#: The same for an address from which somebody has logged in to the account before.
KNOWN = (10, 60.0)
#: How many keys of each kind are remembered. Beyond that, the one unused for longest is forgotten.
SIZE = 20_000
KNOWN_SIZE = 100_000
#: From this number of failed attempts on, answers are delayed, each longer than the last, up to these
#: seconds.
FREE = 4
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 4.0


class Buckets:
    """Leaky buckets by key: each holds ``most``, and one leaks out every ``seconds``. Memory is bounded."""

    __slots__ = ("_empty_at", "_most", "_seconds", "_size")

    def __init__(self, most: int, seconds: float, size: int = SIZE) -> None:
        self._most = most
        self._seconds = seconds
        self._size = size
        self._empty_at: dict[str, float] = {}  # the longest untouched first

    def __len__(self) -> int:
        return len(self._empty_at)

    def __contains__(self, key: str) -> bool:
        return key in self._empty_at

    def level(self, key: str, now: float) -> float:
        """How many are in a bucket. ``now``: seconds of any monotonic clock."""
        return max(0.0, self._empty_at.get(key, now) - now) / self._seconds

    def has_room(self, key: str, now: float) -> bool:
        return self.level(key, now) + 1 <= self._most

    def add(self, key: str, now: float, count: int = 1) -> None:
        """Adds to a bucket, even beyond its capacity. ``count`` may be negative."""
        before = max(self._empty_at.pop(key, now), now)
        self._empty_at[key] = before + count * self._seconds
        if len(self._empty_at) > self._size:
            del self._empty_at[next(iter(self._empty_at))]

    def take(self, key: str, now: float) -> bool:
        """Adds one if there is room. Returns whether there was."""
        if not self.has_room(key, now):
            return False
        self.add(key, now)
        return True


@dataclass(frozen=True, slots=True)
class Attempt:
    """An admitted attempt: where it is counted, and how long to delay the answer if it fails, in seconds.

    ``filled`` says which limit it has reached: ``address``, ``account``, or empty for none.
    """

    address: str
    name: str
    counted: Sequence[tuple[Buckets, str]]
    delay: float = 0.0
    filled: str = ""


class Guesses:
    """The limits on attempts to log in. Loopback addresses are not counted, since they may be a proxy's."""

    def __init__(self, size: int = SIZE, known_size: int = KNOWN_SIZE) -> None:
        self._addresses = Buckets(*ADDRESS, size)
        self._networks = Buckets(*NETWORK, size)
        self._accounts = Buckets(*ACCOUNT, size)
        self._known = Buckets(*KNOWN, known_size)

    def admit(self, address: str, name: str, now: float) -> Attempt | None:
        """Admits an attempt to log in as ``name``, which may be any text. None: refuse without checking."""
        place = address_key(address)
        pair = _digest(f"{name}\0{place}")
        if pair in self._known and self._known.has_room(pair, now):
            counted = [(self._known, pair)]
        else:
            counted = [(self._accounts, _digest(name))]
            if place:
                counted.append((self._addresses, place))
            if network := _network(place):
                counted.append((self._networks, network))
            if not all(buckets.has_room(key, now) for buckets, key in counted):
                return None
        for buckets, key in counted:
            buckets.add(key, now)
        level = max(buckets.level(key, now) for buckets, key in counted)
        full = [buckets for buckets, key in counted if not buckets.has_room(key, now)]
        filled = ("account" if full[0] is self._accounts else "address") if full else ""
        return Attempt(address, name, counted, _delay(level), filled)

    def right(self, attempt: Attempt, now: float) -> None:
        """The attempt succeeded: it no longer counts, and its address is known from now on."""
        for buckets, key in attempt.counted:
            buckets.add(key, now, -1)
        self.known(attempt.address, attempt.name, now)

    def known(self, address: str, name: str, now: float) -> None:
        """Somebody logged in to the account in another way, so their address is known."""
        self._known.add(_digest(f"{name}\0{address_key(address)}"), now, 0)


def _delay(level: float) -> float:
    over = level - FREE
    return min(_FIRST_DELAY * 2 ** (over - 1), _LONGEST_DELAY) if over > 0 else 0.0


def _digest(text: str) -> str:
    """A hash of a name, so that long names take no more memory than short ones."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()


@lru_cache(1024)
def address_key(address: str) -> str:
    """What counts as one address: of IPv6, the /64 network. Empty for loopback and malformed addresses."""
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


def _network(place: str) -> str:
    """The /48 network that a /64 network belongs to; empty for others."""
    return f"{place[:12]}/48" if place.endswith("/64") else ""
