"""Invitations: tokens for creating one account (XEP-0445), or for becoming a contact (XEP-0379).

Only hashes of the tokens are stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable
from urllib.parse import quote

import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config import Config
from kith.ports.store import DocumentStore
from kith.records.readable import readable

SPACE = "invites"
#: The space of reserved user names, each with the key of the invitation that reserves it.
NAMES = "invite-names"
#: The length of an id, in hexadecimal digits. It is the beginning of the token's hash.
ID_LENGTH = 16
#: The maximum number of open invitations, in total and from one account.
MAX_OPEN = 10_000
MAX_OWN = 20
#: How long a token can be used after it was presented in time, in seconds (XEP-0445 §4).
_GRACE = 3600.0


class Taken(Exception):
    """The name is reserved for another invitation."""


class Invite(msgspec.Struct):
    """An invitation.

    ``contact``: the account that the invited person becomes a contact of, or empty. ``name``: the only user
    name that may be chosen, or empty. ``register``: whether it can be used to create an account; otherwise
    it is for people who have one. ``maker``: the account that created it, or empty.
    """

    expires: float
    contact: str = ""
    name: str = ""
    register: bool = True
    maker: str = ""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Invite).decode


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def uri(domain: str, token: str, invite: Invite) -> str:
    """The ``xmpp:`` URI for clients (XEP-0401 §3.1, XEP-0445 §2)."""
    if invite.contact and not invite.name:
        ending = ";ibr=y" if invite.register else ""
        return f"xmpp:{quote(invite.contact, safe='@')}?roster;preauth={token}{ending}"
    account = f"{quote(invite.name)}@{domain}" if invite.name else domain
    return f"xmpp:{account}?register;preauth={token}"


def base_url(config: Config) -> str:
    """The beginning of the URLs of the server's pages, without a slash at the end."""
    base = config.public_url.rstrip("/")
    if not base:
        port = "" if config.https_port == 443 else f":{config.https_port}"
        secure = bool(config.https_port)
        base = f"https://{config.domain}{port}" if secure else f"http://{config.domain}:{config.http_port}"
    return base


def page_url(config: Config, token: str) -> str:
    """The URL of the landing page for people."""
    return f"{base_url(config)}/invite/{token}"


class Invites:
    """Creates, finds and uses up invitations.

    ``is_void``: whether an invitation does not count at the moment, since whoever made it is excluded.
    """

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        randomness: Randomness,
        is_void: Callable[[Invite], Awaitable[bool]] | None = None,
    ) -> None:
        self._is_void = is_void
        self._store = store
        self._clock = clock
        self._randomness = randomness

    async def create(self, invite: Invite) -> str:
        """Creates an invitation. Returns its token.

        Raises OverflowError if too many are open, and Taken if its name is reserved for another one.
        """
        now = self._clock.now()
        open: list[Invite] = []
        documents = await self._store.documents(0, SPACE)
        for document, other in readable(documents, _decode, "invitation"):
            if other.expires >= now:
                open.append(other)
            elif other.expires < now - _GRACE:
                await self._remove(document.key, other)
        if len(open) >= MAX_OPEN:
            raise OverflowError("too many open invitations")
        if invite.maker and sum(other.maker == invite.maker for other in open) >= MAX_OWN:
            raise OverflowError(f"one account has at most {MAX_OWN} open invitations")
        token = self._randomness.token(15)
        if invite.name:
            if await self.reserved(invite.name):
                raise Taken(f"{invite.name} is reserved for another invitation")
            await self._store.put(0, NAMES, invite.name, _key(token).encode())
        await self._store.put(0, SPACE, _key(token), _encode(invite))
        return token

    async def reserved(self, name: str, token: str = "") -> bool:
        """Whether an open invitation with another token reserves a user name (XEP-0445 §4)."""
        document = await self._store.document(0, NAMES, name)
        if document is None or (token and document.value == _key(token).encode()):
            return False
        return await self._find(document.value.decode()) is not None

    async def find(self, token: str) -> Invite | None:
        """The valid invitation with a token, or None."""
        return await self._find(_key(token))

    async def _find(self, key: str) -> Invite | None:
        document = await self._store.document(0, SPACE, key)
        invite = _decode(document.value) if document is not None else None
        if invite is None or invite.expires <= self._clock.now():
            return None
        return None if self._is_void is not None and await self._is_void(invite) else invite

    async def all(self) -> list[tuple[str, Invite]]:
        """All valid invitations, each with an id that discloses nothing about its token."""
        now = self._clock.now()
        documents = await self._store.documents(0, SPACE)
        return [
            (document.key[:ID_LENGTH], invite)
            for document, invite in readable(documents, _decode, "invitation")
            if invite.expires > now
        ]

    def id(self, token: str) -> str:
        """The id of the invitation with a token."""
        return _key(token)[:ID_LENGTH]

    async def revoke(self, id: str) -> Invite | None:
        """Revokes an invitation by its id. Returns it; None if there is none."""
        for document, invite in readable(await self._store.documents(0, SPACE), _decode, "invitation"):
            if document.key.startswith(id) and await self._remove(document.key, invite):
                return invite
        return None

    async def restore(self, token: str, invite: Invite) -> None:
        """Makes an invitation valid again that was not used after all."""
        if invite.name:
            await self._store.put(0, NAMES, invite.name, _key(token).encode())
        await self._store.put(0, SPACE, _key(token), _encode(invite))

    async def use(self, token: str, invite: Invite) -> bool:
        """Uses an invitation up. Returns False if that has happened already."""
        return bool(await self._remove(_key(token), invite))

    async def _remove(self, key: str, invite: Invite) -> int:
        gone = await self._store.remove(0, SPACE, key)
        if gone and invite.name:
            reserved = await self._store.document(0, NAMES, invite.name)
            if reserved is not None and reserved.value == key.encode():
                await self._store.remove(0, NAMES, invite.name)
        return gone
