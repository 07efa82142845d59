"""App passwords: one for each other XMPP client of an account that has no password of its own.

In SCRAM, a client first sends its user name and gets a salt, before it proves which password it knows (RFC
5802 §3). So all app passwords of an account share one salt per hash, and a proof is checked against each of
them. That weakens nothing: a salt prevents guesses for one account from being used for another, and these
passwords can't be guessed, since they are random with about 99 bits. The salt is the one that is made up
for an account that does not exist (`kith.records.passwords`), so that an account with app passwords, one
without, and a missing one look the same, as long as the server's secret is not replaced.
"""

from __future__ import annotations

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.store import DocumentStore, Keys

SPACE = "app-passwords"
#: The maximum number of app passwords of an account.
MAX_PASSWORDS = 20
#: The precision of the time of last use, in seconds.
_PRECISION = 3600
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_GROUPS, _GROUP = 5, 4
#: How often a write is tried when other requests change the same record.
_MAX_WRITES = 5


class AppPassword(msgspec.Struct):
    """An app password.

    ``keys``: SCRAM keys by hash name. ``omemo``: device ids that its client has published (XEP-0384).
    """

    id: str
    name: str
    keys: dict[str, Keys]
    created: float
    used: float = 0.0
    omemo: list[int] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AppPassword).decode


def random_password(randomness: Randomness) -> str:
    """A random password that is easy to type: groups of letters and digits that do not look alike."""
    groups = ("".join(randomness.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS))
    return "-".join(groups)


class AppPasswords:
    """Reads and writes app passwords."""

    def __init__(self, store: DocumentStore, clock: Clock, randomness: Randomness) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness

    async def all(self, account: int) -> list[AppPassword]:
        """The app passwords of an account, the oldest first."""
        found = [_decode(document.value) for document in await self._store.documents(account, SPACE)]
        return sorted(found, key=lambda password: password.created)

    async def add(self, account: int, name: str, keys: dict[str, Keys]) -> AppPassword:
        """Stores a new app password. ``keys``: its SCRAM keys by hash name."""
        made = AppPassword(self._randomness.hex(8), name, keys, self._clock.now())
        await self._store.put(account, SPACE, made.id, _encode(made))
        return made

    async def change(
        self, account: int, id: str, name: str | None = None, used: bool = False, omemo: int = 0
    ) -> AppPassword | None:
        """Changes the name, the time of last use, or the OMEMO device ids.

        Returns None if it does not exist.
        """
        for _ in range(_MAX_WRITES):
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
        """Removes an app password. Returns it; None if it does not exist."""
        document = await self._store.document(account, SPACE, id)
        if document is None or not await self._store.remove(account, SPACE, id):
            return None
        return _decode(document.value)
