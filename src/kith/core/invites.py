"""Invitations: a token lets one person make one account (XEP-0445). The store has only its hash."""

from __future__ import annotations

import hashlib
import secrets
import time

import msgspec

from kith.core.ports import Store

SPACE = "invites"
#: Invitations that may be open at once.
MAX_OPEN = 10_000


class Invite(msgspec.Struct):
    """``contact``: who is in the new account's roster from the start, and it in theirs; or empty."""

    expires: float
    contact: str = ""
    name: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Invite).decode


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class Invites:
    """Makes, finds and uses up invitations."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def create(self, days: float, contact: str = "", name: str = "") -> str:
        """The token of a new one; ``name``: the only account that it is good for.

        Raises OverflowError if too many are open.
        """
        now = time.time()
        documents = await self._store.documents(0, SPACE)
        old = [document.key for document in documents if _decode(document.value).expires < now]
        for key in old:
            await self._store.remove(0, SPACE, key)
        if len(documents) - len(old) >= MAX_OPEN:
            raise OverflowError("too many open invitations")
        token = secrets.token_urlsafe(15)
        await self._store.put(0, SPACE, _key(token), _encode(Invite(now + days * 86400, contact, name)))
        return token

    async def find(self, token: str) -> Invite | None:
        """An invitation that is still good, or None."""
        key = _key(token)
        for document in await self._store.documents(0, SPACE):
            if document.key == key:
                invite = _decode(document.value)
                return invite if invite.expires > time.time() else None
        return None

    async def restore(self, token: str, invite: Invite) -> None:
        """It was not used after all."""
        await self._store.put(0, SPACE, _key(token), _encode(invite))

    async def use(self, token: str) -> bool:
        """It is used up. False if somebody was faster."""
        return bool(await self._store.remove(0, SPACE, _key(token)))
