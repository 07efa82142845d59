"""Tokens for the HTTP admin API. Only their hashes are stored: they are random, so they can't be guessed."""

from __future__ import annotations

import hashlib

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.store import DocumentStore
from kith.records.readable import readable

SPACE = "admin-tokens"
#: What each token begins with, so that scanners for leaked secrets can find it.
PREFIX = "kadm_"
#: The maximum number of tokens.
MAX_TOKENS = 100
_BYTES = 32
#: The precision of the time of last use, in seconds.
_PRECISION = 3600.0


class AdminToken(msgspec.Struct):
    """A token, as it is stored. Times are in seconds since 1970.

    ``write``: whether it may change something. ``expires``: 0 if it does not. ``by``: who has made it.
    """

    id: str
    name: str
    write: bool
    made: float
    expires: float = 0.0
    by: str = ""
    used: float = 0.0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(AdminToken).decode


def _key(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


class AdminTokens:
    """Creates, lists, checks and revokes tokens."""

    def __init__(self, store: DocumentStore, clock: Clock, randomness: Randomness) -> None:
        self._store = store
        self._clock = clock
        self._randomness = randomness

    async def create(self, name: str, write: bool, days: float, by: str) -> tuple[str, AdminToken]:
        """Creates a token. Returns it, which can't be done again, and what is stored of it.

        ``days``: until it expires; 0: never. Raises OverflowError if there are too many.
        """
        if len(await self.all()) >= MAX_TOKENS:
            raise OverflowError(f"there are {MAX_TOKENS} tokens; revoke some")
        now = self._clock.now()
        token = PREFIX + self._randomness.token(_BYTES)
        expires = now + days * 86400 if days else 0.0
        made = AdminToken(self._randomness.hex(4), name, write, now, expires, by)
        await self._store.put(0, SPACE, _key(token), _encode(made))
        return token, made

    async def all(self) -> list[AdminToken]:
        """All tokens, also expired ones, the oldest first."""
        documents = await self._store.documents(0, SPACE)
        found = [token for _, token in readable(documents, _decode, "admin token")]
        return sorted(found, key=lambda token: token.made)

    async def check(self, token: str) -> AdminToken | None:
        """The valid token with this text, whose use is noted; None if there is none."""
        document = await self._store.document(0, SPACE, _key(token))
        if document is None:
            return None
        found, now = _decode(document.value), self._clock.now()
        if found.expires and found.expires <= now:
            return None
        if abs(now - found.used) > _PRECISION:
            found.used = now
            # nothing is written if it was revoked in the meantime
            await self._store.put_if(0, SPACE, document.key, _encode(found), document.seq)
        return found

    async def revoke(self, id: str) -> AdminToken | None:
        """Revokes a token. Returns it; None if there is none with this id."""
        for document, token in readable(await self._store.documents(0, SPACE), _decode, "admin token"):
            if token.id == id and await self._store.remove(0, SPACE, document.key):
                return token
        return None
