"""python-omemo's backend, extended so that many people can write to a device at once.

The library deletes a one-time prekey at its first use. But two people may have picked the same one, so here
a used prekey still opens first messages for a day. Key agreement without a one-time prekey is possible, too.
All cryptography is the library's.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import x3dh
from doubleratchet.recommended import diffie_hellman_ratchet_curve25519 as curve
from oldmemo.oldmemo import (
    AEADImpl,
    DoubleRatchetImpl,
    EncryptedKeyMaterialImpl,
    KeyExchangeImpl,
    MessageChainKDFImpl,
    PlainKeyMaterialImpl,
    RootChainKDFImpl,
    SessionImpl,
    StateImpl,
)
from omemo.backend import DecryptionFailed, KeyExchangeFailed
from omemo.session import Initiation
from omemo.storage import Storage
from x3dh.pre_key_pair import PreKeyPair

from kith.client.omemo_xml import NO_PREKEY
from kith.client.session_archive import SessionArchive

#: One-time prekeys that are published at a time. If 14 people pick one at random, two of them have the same
#: with a probability of a third; with 100 prekeys, of 60 %.
PRE_KEYS: Final = 200
_DAY = 86400.0
_MAX_USED = 2000


class Sessions(SessionArchive):
    """The backend that the library's session manager uses. It has the manager's own ``storage``."""

    def __init__(self, storage: Storage, now: Callable[[], float] = time.time) -> None:
        """``now`` returns seconds since 1970."""
        super().__init__(storage)
        self._now = now
        self.last_key = b""
        """The key of the text that was encrypted last."""

    async def encrypt_plaintext(self, plaintext: bytes) -> tuple[Any, PlainKeyMaterialImpl]:
        content, material = await super().encrypt_plaintext(plaintext)
        self.last_key = bytes(material.key)
        return content, material

    # one-time prekeys

    async def fill_up(self) -> bool:
        """Creates missing prekeys. Returns whether any were missing; then the bundle has to be published."""
        missing = PRE_KEYS - await self.get_num_visible_pre_keys()
        if missing > 0:
            await self.generate_pre_keys(missing)
        return missing > 0

    async def hide_pre_key(self, session: Any) -> bool:
        return await self._retire(session)

    async def delete_pre_key(self, session: Any) -> bool:
        return await self._retire(session)

    async def delete_hidden_pre_keys(self) -> None:
        await self._keep_used(await self._used())

    async def _retire(self, session: SessionImpl) -> bool:
        """Moves a prekey that was used from the published ones to the used ones, and creates a new one.

        Returns whether the published prekeys have changed.
        """
        exchange = session.key_exchange
        public, id = exchange.header.pre_key, str(exchange.pre_key_id)
        if not public:
            return False
        used = await self._used()
        base = _text(exchange.header.ephemeral_key)
        if id in used:
            if base not in used[id]["bases"]:
                used[id]["bases"].append(base)
            await self._keep_used(used)
            return False
        state = await self._state()
        private = next((key for key in state["pre_keys"] if PreKeyPair(_raw(key)).pub == public), None)
        if private is None:
            return False
        used[id] = {"private": private, "public": _text(public), "at": self._now(), "bases": [base]}
        await self._keep_used(used)
        await super().delete_pre_key(session)
        await self.fill_up()
        return True

    async def _used(self) -> dict[str, Any]:
        found: Any = (await self._storage.load("/kith/used_pre_keys")).maybe({})
        return dict(found)

    async def _keep_used(self, used: dict[str, Any]) -> None:
        fresh = {id: key for id, key in used.items() if abs(self._now() - key["at"]) < _DAY}
        newest = dict(list(fresh.items())[-_MAX_USED:])
        await self._storage.store("/kith/used_pre_keys", newest)

    async def _state(self) -> dict[str, Any]:
        found: Any = (await self._storage.load(f"/{self.namespace}/x3dh")).from_just()
        return dict(found)

    @asynccontextmanager
    async def _with_used(self, id: str, key: dict[str, Any]) -> AsyncIterator[None]:
        """While this lasts, the library finds a used prekey among the published ones."""
        states, ids = f"/{self.namespace}/x3dh", f"/{self.namespace}/pre_key_ids"
        state = await self._state()
        known: Any = (await self._storage.load(ids)).maybe({})
        await self._storage.store(states, state | {"pre_keys": [*state["pre_keys"], key["private"]]})
        await self._storage.store(ids, known | {key["public"]: int(id)})
        try:
            yield
        finally:
            await self._storage.store(states, state)
            await self._storage.store(ids, known)

    # creating sessions

    async def build_session_passive(
        self, bare_jid: str, device_id: int, key_exchange: Any, encrypted_key_material: Any
    ) -> tuple[SessionImpl, PlainKeyMaterialImpl]:
        for older in await self.archived(bare_jid, device_id):
            if older.initiation is Initiation.PASSIVE and older.key_exchange.builds_same_session(
                key_exchange
            ):
                return older, await super().decrypt_key_material(older, encrypted_key_material)
        arguments = bare_jid, device_id, key_exchange, encrypted_key_material
        if key_exchange.pre_key_id == NO_PREKEY:
            return await self._build_passive_without(*arguments)
        id = str(key_exchange.pre_key_id)
        key = (await self._used()).get(id)
        if key is None:
            return await super().build_session_passive(*arguments)
        if _text(key_exchange.header.ephemeral_key) in key["bases"]:
            raise KeyExchangeFailed("This first message was read before.")
        async with self._with_used(id, key):
            return await super().build_session_passive(*arguments)

    async def build_session_active(
        self, bare_jid: str, device_id: int, bundle: Any, plain_key_material: Any
    ) -> tuple[SessionImpl, EncryptedKeyMaterialImpl]:
        if bundle.bundle.pre_keys:
            return await super().build_session_active(bare_jid, device_id, bundle, plain_key_material)
        state = await self._agreement()
        try:
            secret, data, header = await state.get_shared_secret_active(bundle.bundle, require_pre_key=False)
        except x3dh.KeyAgreementException as error:
            raise KeyExchangeFailed(str(error)) from error
        ratchet, message = await DoubleRatchetImpl.encrypt_initial_message(
            **self._ratchet(),
            shared_secret=secret,
            recipient_ratchet_pub=bundle.bundle.signed_pre_key,
            message=plain_key_material.key + plain_key_material.auth_tag,
            associated_data=data,
        )
        exchange = KeyExchangeImpl(_without_pre_key(header), bundle.signed_pre_key_id, NO_PREKEY)
        session = SessionImpl(bare_jid, device_id, Initiation.ACTIVE, exchange, data, ratchet)
        return session, EncryptedKeyMaterialImpl(bare_jid, device_id, message)

    async def _build_passive_without(
        self, bare_jid: str, device_id: int, key_exchange: KeyExchangeImpl, material: EncryptedKeyMaterialImpl
    ) -> tuple[SessionImpl, PlainKeyMaterialImpl]:
        """Key agreement with a sender who found no one-time prekey in our bundle (X3DH, section 3.3)."""
        bundle = await self.get_bundle(bare_jid, device_id)  # our own, whatever the arguments are
        signed = bundle.bundle.signed_pre_key
        if key_exchange.signed_pre_key_id != bundle.signed_pre_key_id:
            raise KeyExchangeFailed("No signed pre key with that id without a one-time one.")
        sent = key_exchange.header
        header = x3dh.Header(sent.identity_key, sent.ephemeral_key, signed, None)
        state = await self._agreement()
        try:
            secret, data, pair = await state.get_shared_secret_passive(header, require_pre_key=False)
        except x3dh.KeyAgreementException as error:
            raise KeyExchangeFailed(str(error)) from error
        try:
            ratchet, plain = await DoubleRatchetImpl.decrypt_initial_message(
                **self._ratchet(),
                shared_secret=secret,
                own_ratchet_priv=pair.priv,
                message=material.encrypted_message,
                associated_data=data,
            )
        except Exception as error:
            raise DecryptionFailed("The first message could not be decrypted.") from error
        exchange = KeyExchangeImpl(_without_pre_key(header), key_exchange.signed_pre_key_id, NO_PREKEY)
        session = SessionImpl(bare_jid, device_id, Initiation.PASSIVE, exchange, data, ratchet)
        length = PlainKeyMaterialImpl.KEY_LENGTH
        return session, PlainKeyMaterialImpl(plain[:length], plain[length:])

    async def _agreement(self) -> StateImpl:
        state, _ = StateImpl.from_json(
            await self._state(),
            x3dh.IdentityKeyFormat.ED_25519,
            x3dh.HashFunction.SHA_256,
            StateImpl.INFO,
        )
        return state

    def _ratchet(self) -> dict[str, Any]:
        return {
            "diffie_hellman_ratchet_class": curve.DiffieHellmanRatchet,
            "root_chain_kdf": RootChainKDFImpl,
            "message_chain_kdf": MessageChainKDFImpl,
            "message_chain_constant": DoubleRatchetImpl.MESSAGE_CHAIN_CONSTANT,
            "dos_protection_threshold": self.max_num_per_message_skipped_keys,
            "max_num_skipped_message_keys": self.max_num_per_session_skipped_keys,
            "aead": AEADImpl,
        }


def _without_pre_key(header: x3dh.Header) -> x3dh.Header:
    return x3dh.Header(header.identity_key, header.ephemeral_key, header.signed_pre_key, b"")


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _raw(stored: str) -> bytes:
    return stored.encode("latin-1")  # as x3dh's models have it
