"""Checks passwords for SASL: the account's own, or its app passwords.

Deriving keys from a password is slow on purpose, so it is done in a thread. A password that was correct
before is recognized by a keyed hash, which never leaves this process.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.store import ITERATIONS, AccountRecord, DocumentStore, Keys
from kith.records.app_passwords import AppPassword, AppPasswords

_SIZE = 50_000
#: How many recent changes of passwords are remembered, so that logins in progress fail.
_CHANGES = 1000


#: The hashes of SCRAM, and the sizes of their digests in bytes.
_HASHES = ("SHA-1", "SHA-256", "SHA-512")
_FOR_PLAIN = "SHA-256"


def new_salts(randomness: Randomness) -> dict[str, bytes]:
    """New salts for a password, by hash."""
    return {name: randomness.bytes(16) for name in _HASHES}


class Candidate(NamedTuple):
    """Keys to check a proof against.

    ``credential``: the app password's id; empty for the account's password.
    """

    credential: str
    keys: Keys


class Passwords:
    """Checks passwords, and makes keys for new ones.

    ``check`` derives the keys of a password and compares them; ``make`` derives those of a new password,
    with salts by hash, and raises ValueError for a password that is not allowed. Both are slow, and are
    called in a thread. ``pepper``: the secret from which made-up salts are derived.
    """

    def __init__(
        self,
        check: Callable[[dict[str, Keys], str], bool],
        make: Callable[[str, Mapping[str, bytes]], dict[str, Keys]],
        store: DocumentStore,
        pepper: bytes,
        clock: Clock,
        randomness: Randomness,
    ) -> None:
        self._check = check
        self._make = make
        self._pepper = pepper
        self._randomness = randomness
        self.apps = AppPasswords(store, clock, randomness)
        self._key = randomness.bytes(32)
        self._known: OrderedDict[int, bytes] = OrderedDict()
        self.changes = 0
        self._changed: OrderedDict[int, int] = OrderedDict()  # which change was an account's last

    def changed(self, account: int) -> None:
        """An account has a new password. Logins in progress with the old one will fail."""
        self.changes += 1
        self._changed[account] = self.changes
        self._changed.move_to_end(account)
        if len(self._changed) > _CHANGES:
            self._changed.popitem(last=False)

    def has_changed(self, account: int, since: int) -> bool:
        """Whether the password was changed since ``changes`` had the value ``since``."""
        return self._changed.get(account, 0) > since

    def make(self, password: str) -> dict[str, Keys]:
        """The keys of a new password, with new salts. Slow. Raises ValueError."""
        return self._make(password, new_salts(self._randomness))

    def salt(self, bare: str, hash_name: str) -> bytes:
        """The made-up salt of a bare address, which is always the same. The account need not exist."""
        return hmac.digest(self._pepper, f"{hash_name}:{bare}".encode(), "sha256")[:16]

    def make_app_keys(self, bare: str, password: str, others: Sequence[AppPassword] = ()) -> dict[str, Keys]:
        """The keys of an app password, with the salts of the account's ``others``. Slow."""
        return self._make(password, {name: self._app_salt(bare, others, name) for name in _HASHES})

    def _app_salt(self, bare: str, apps: Sequence[AppPassword], hash_name: str) -> bytes:
        """The salt of app passwords: that of the oldest, since the secret of made-up salts can change."""
        known = next((app.keys[hash_name].salt for app in apps if hash_name in app.keys), None)
        return known or self.salt(bare, hash_name)

    async def candidates(
        self, bare: str, record: AccountRecord | None, hash_name: str
    ) -> Sequence[Candidate]:
        """The keys to check a SCRAM proof against, all with the same salt.

        At least one, which may be made up.
        """
        if record is not None and record.keys:
            found = [Candidate("", record.keys[hash_name])] if hash_name in record.keys else []
        else:
            apps = await self.apps.all(record.id) if record is not None else []
            salt = self._app_salt(bare, apps, hash_name)
            found = [
                Candidate(app.id, app.keys[hash_name])
                for app in apps
                if hash_name in app.keys and app.keys[hash_name].salt == salt
            ]
        return found or [Candidate("", self._nobody(bare, hash_name))]

    def _nobody(self, bare: str, hash_name: str) -> Keys:
        """Random keys that no password has."""
        size = hashlib.new(hash_name.replace("-", "").lower()).digest_size
        salt = self.salt(bare, hash_name)
        return Keys(salt, self._randomness.bytes(size), self._randomness.bytes(size), ITERATIONS)

    async def fits(self, bare: str, record: AccountRecord | None, password: str) -> str | None:
        """Checks a password.

        Returns the id of the app password, empty for the account's own, or None if it is wrong.
        """
        if record is not None and record.keys:
            return "" if await self._is_own(record, password) else None
        # as long as it takes where there is an account
        keys = {_FOR_PLAIN: self._nobody(bare, _FOR_PLAIN)}
        apps = await self.apps.all(record.id) if record is not None else []
        if not apps:
            await asyncio.to_thread(self._check, keys, password)
            return None
        try:
            salts = {_FOR_PLAIN: self._app_salt(bare, apps, _FOR_PLAIN)}
            made = await asyncio.to_thread(self._make, password, salts)
        except ValueError:
            return None
        fitting = [
            app.id
            for app in apps
            if hmac.compare_digest(made[_FOR_PLAIN].stored_key, app.keys[_FOR_PLAIN].stored_key)
        ]
        return fitting[0] if fitting else None

    async def _is_own(self, record: AccountRecord, password: str) -> bool:
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
