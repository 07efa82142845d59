"""The part of `kith.client.Client` that shows and trusts keys."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from kith.client.addresses import bare
from kith.client.errors import NotOnline
from kith.client.key_work import Interrupted
from kith.client.lifecycle import Lifecycle
from kith.client.message import Fingerprint, Trust

_T = TypeVar("_T")


class KeyChecks(Lifecycle):
    """Fingerprints, and the trust in them."""

    async def fingerprints(self, peer: str | None = None) -> list[Fingerprint]:
        """The identity keys of a peer's devices, or our own (this device first). Raises NotOnline."""
        self._require_server()
        found = await self._with_keys(self._encryption.fingerprints(bare(peer) if peer else self.jid))
        self._db.commit()
        return found

    async def verify(self, peer: str, fingerprint: str) -> None:
        """Trusts a key whose fingerprint was compared with the peer. Raises UnknownKey, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.VERIFIED)

    async def trust(self, peer: str, fingerprint: str) -> None:
        """Trusts a key without a comparison. Raises UnknownKey, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.BLIND)

    async def distrust(self, peer: str, fingerprint: str) -> None:
        """Never encrypts for this device again, and flags what it sends. Raises UnknownKey, NotOnline."""
        await self._set_trust(peer, fingerprint, Trust.DISTRUSTED)

    async def _set_trust(self, peer: str, fingerprint: str, level: Trust) -> None:
        self._require_server()
        await self._with_keys(self._encryption.set_trust(bare(peer), fingerprint, level))
        self._db.commit()
        await self._db.flush()
        self._healing.wake()

    async def _with_keys(self, work: Coroutine[Any, Any, _T]) -> _T:
        try:
            return await self._key_work.run(work)
        except Interrupted:
            raise NotOnline("The connection to the server was lost meanwhile.") from None

    def keys_seen(self, peer: str) -> None:
        """Notes that the user has read the warning about the peer's new keys."""
        self._history.update_chat(bare(peer), keys_changed=False)
        self._db.commit()

    def set_plain(self, peer: str, plain: bool) -> None:
        """Sets whether messages of a chat go out unencrypted from now on.

        If the peer has no keys, that is until there are some: then the chat is encrypted again, and
        `EncryptedAgain` says so.
        """
        peer = bare(peer)
        keyless = plain and self._encryption.lacks_keys(peer)
        self._history.update_chat(peer, plain=plain, keyless=keyless, encrypted_again=False)
        self._db.commit()

    def encryption_seen(self, peer: str) -> None:
        """Notes that the user has read that the chat is encrypted again."""
        self._history.update_chat(bare(peer), encrypted_again=False)
        self._db.commit()
