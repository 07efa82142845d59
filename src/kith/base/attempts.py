"""Limits failed logins, by account and by address.

An attempt is counted when it starts, and forgiven if it succeeds, so that parallel attempts get no further
than sequential ones. Addresses from which somebody has logged in to an account before are counted apart
from all others, so that its owner can log in at home while others guess. Names without an account are
counted like any other, or the answers would tell which accounts exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kith.base.addresses import network, wider
from kith.base.rates import RateLimit

#: The number of failed attempts that are allowed at once, and the seconds in which as many are forgotten.
ADDRESS = (30, 450.0)
#: An IPv6 network of /48, in which there are 65536 of the networks that count as one address.
NETWORK = (240, 480.0)
ACCOUNT = (20, 1200.0)
#: The same for an address from which somebody has logged in to the account before.
KNOWN = (10, 600.0)
#: How many keys of each kind are remembered. Beyond that, the least recently used one is forgotten.
SIZE = 20_000
KNOWN_SIZE = 100_000
#: From this number of failed attempts on, answers are delayed, each longer than the last, up to these
#: seconds.
FREE = 4
_FIRST_DELAY = 0.25
_LONGEST_DELAY = 4.0


@dataclass(frozen=True, slots=True)
class Attempt:
    """An admitted attempt: where it is counted, and how long to delay the answer if it fails, in seconds.

    ``filled`` says which limit it has reached: ``address``, ``account``, or empty for none.
    """

    address: str
    name: str
    counted: Sequence[tuple[RateLimit, str]]
    delay: float = 0.0
    filled: str = ""


class Guesses:
    """The limits on attempts to log in. Loopback addresses are not counted, since they may be a proxy's."""

    def __init__(self, size: int = SIZE, known_size: int = KNOWN_SIZE) -> None:
        self._addresses = RateLimit(*ADDRESS, size)
        self._networks = RateLimit(*NETWORK, size)
        self._accounts = RateLimit(*ACCOUNT, size)
        self._known = RateLimit(*KNOWN, known_size)

    def admit(self, address: str, name: str, now: float) -> Attempt | None:
        """Admits an attempt to log in as ``name``, which may be any text. None: refuse without checking."""
        place = network(address)
        pair = _digest(f"{name}\0{place}")
        if pair in self._known and self._known.has_room(pair, now):
            counted = [(self._known, pair)]
        else:
            counted = [(self._accounts, _digest(name))]
            if place:
                counted.append((self._addresses, place))
            if site := wider(place):
                counted.append((self._networks, site))
            if not all(limit.has_room(key, now) for limit, key in counted):
                return None
        for limit, key in counted:
            limit.add(key, now)
        level = max(limit.level(key, now) for limit, key in counted)
        full = [limit for limit, key in counted if not limit.has_room(key, now)]
        filled = ("account" if full[0] is self._accounts else "address") if full else ""
        return Attempt(address, name, counted, _delay(level), filled)

    def right(self, attempt: Attempt, now: float) -> None:
        """The attempt succeeded: it no longer counts, and its address is known from now on."""
        for limit, key in attempt.counted:
            limit.add(key, now, -1)
        self.known(attempt.address, attempt.name, now)

    def known(self, address: str, name: str, now: float) -> None:
        """Somebody logged in to the account in another way, so their address is known."""
        self._known.add(_digest(f"{name}\0{network(address)}"), now, 0)


def _delay(level: float) -> float:
    over = level - FREE
    return min(_FIRST_DELAY * 2 ** (over - 1), _LONGEST_DELAY) if over > 0 else 0.0


def _digest(text: str) -> str:
    """A hash of a name, so that long names take no more memory than short ones."""
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=12).hexdigest()
