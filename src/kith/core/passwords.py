"""Checks passwords for SASL PLAIN against SCRAM keys, off the loop, and remembers what was right.

Key derivation is slow on purpose. A device that logs in again with the same password is recognised
by a keyed hash that never leaves this process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable

from kith.core.ports import AccountRecord, Keys

_SIZE = 50_000


class Passwords:
    """``check`` derives the keys of a password and compares them; ``make`` derives those of a new one.

    Both are slow, and to be called in a thread. ``make`` raises ValueError for a password that can't be.
    """

    def __init__(
        self, check: Callable[[dict[str, Keys], str], bool], make: Callable[[str], dict[str, Keys]]
    ) -> None:
        self._check = check
        self.make = make
        self._key = secrets.token_bytes(32)
        self._known: OrderedDict[int, bytes] = OrderedDict()

    async def fits(self, record: AccountRecord, password: str) -> bool:
        """Whether it is the account's password."""
        stored = b"".join(keys.stored_key for _, keys in sorted(record.keys.items()))
        mark = hmac.digest(self._key, stored + hashlib.sha256(password.encode()).digest(), "sha256")
        if hmac.compare_digest(self._known.get(record.id, b""), mark):
            self._known.move_to_end(record.id)
            return True
        if not await asyncio.to_thread(self._check, record.keys, password):
            return False
        self._known[record.id] = mark
        if len(self._known) > _SIZE:
            self._known.popitem(last=False)
        return True
