"""App passwords: one for each standard client of an account that has no password of its own.

A client sends its user name and nothing that says which password it will use; SCRAM then answers with a
salt, before it sees a proof (RFC 5802 §3). So all app passwords of an account share the salt, one for each
hash, and the proof is checked against each of them in turn. That weakens nothing here: a salt keeps guesses
at one account from serving for another, and there is nothing to guess, for the passwords are random, of
about 99 bits. The salt is the one that is made up for an account that does not exist
(`kith.records.passwords`), so that an account with app passwords, one without, and none at all look the same.
"""

from __future__ import annotations

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.store import Keys, Store

SPACE = "app-passwords"
#: App passwords that an account may have.
MOST = 20
#: How exactly it is known when one was used last, in seconds.
_PRECISION = 3600
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 5, 4
_RACES = 5


class AppPassword(msgspec.Struct):
    """``keys`` by hash name. ``omemo``: ids of the keys that its client has published (XEP-0384)."""

    id: str
    name: str
    keys: dict[str, Keys]
    created: float
    used: float = 0.0
    omemo: list[int] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AppPassword).decode


def random_password(randomness: Randomness) -> str:
    """What a person can type: groups of letters and digits that are told apart easily."""
    groups = ("".join(randomness.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


class AppPasswords:
    """Reads and writes them."""

    def __init__(self, store: Store, clock: Clock, randomness: Randomness) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness

    async def all(self, account: int) -> list[AppPassword]:
        """The oldest first."""
        found = [_decode(document.value) for document in await self._store.documents(account, SPACE)]
        return sorted(found, key=lambda password: password.created)

    async def add(self, account: int, name: str, keys: dict[str, Keys]) -> AppPassword:
        """A new one."""
        made = AppPassword(self._randomness.hex(8), name, keys, self._clock.now())
        await self._store.put(account, SPACE, made.id, _encode(made))
        return made

    async def change(
        self, account: int, id: str, name: str | None = None, used: bool = False, omemo: int = 0
    ) -> AppPassword | None:
        """A new name; it was used now; its client has published keys. None if it is gone."""
        for _ in range(_RACES):
            document = await self._store.document(account, SPACE, id)
            if document is None:
                return None
            password = _decode(document.value)
            if name is not None:
                password.name = name
            if used and self._clock.now() - password.used > _PRECISION:
                password.used = self._clock.now()
            if omemo:
                password.omemo = [*(key for key in password.omemo if key != omemo), omemo][-16:]
            value = _encode(password)
            if value == document.value or await self._store.put_if(account, SPACE, id, value, document.seq):
                return password
        return None

    async def remove(self, account: int, id: str) -> AppPassword | None:
        """What it was; None if there is none."""
        document = await self._store.document(account, SPACE, id)
        if document is None or not await self._store.remove(account, SPACE, id):
            return None
        return _decode(document.value)
