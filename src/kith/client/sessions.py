"""python-omemo's backend with what meeting many people at once needs: prekeys and sessions are kept.

The library deletes a one-time prekey at its first use, and a session when another takes its place. But
two people may choose the same prekey, and two who write to each other at the same moment make two
sessions. So here a used prekey opens first messages for a day more, and a device's last sessions stay for
messages that were encrypted by them, as in libsignal. All cryptography is the library's.
"""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final
from xml.etree.ElementTree import Element

import oldmemo
import oldmemo.etree
import omemo
import x3dh
from doubleratchet.recommended import diffie_hellman_ratchet_curve25519 as curve
from oldmemo.oldmemo import (
    AEADImpl,
    BundleImpl,
    DoubleRatchetImpl,
    EncryptedKeyMaterialImpl,
    KeyExchangeImpl,
    MessageChainKDFImpl,
    PlainKeyMaterialImpl,
    RootChainKDFImpl,
    SessionImpl,
    StateImpl,
)
from oldmemo.oldmemo_pb2 import OMEMOKeyExchange  # type: ignore[attr-defined, unused-ignore]
from omemo.backend import DecryptionFailed, KeyExchangeFailed
from omemo.session import Initiation
from omemo.storage import Storage
from x3dh.pre_key_pair import PreKeyPair

#: Published at a time. Where 14 choose at random, two have the same in a third of all cases; of 100, in 60 %.
PRE_KEYS: Final = 200
_DAY = 86400.0
_MOST_USED = 2000
_MOST_ARCHIVED = 5
_NO_PRE_KEY = 0  # the library numbers prekeys from 1
_KEY = StateImpl.IDENTITY_KEY_ENCODING_LENGTH
_KEYS = f"{{{oldmemo.oldmemo.NAMESPACE}}}key"


class Sessions(oldmemo.Oldmemo):  # type: ignore[misc, unused-ignore]
    """Used by the library's session manager; ``storage`` is the one that the manager has."""

    def __init__(self, storage: Storage, now: Callable[[], float] = time.time) -> None:
        super().__init__(storage)
        self._storage = storage
        self._now = now

    # one-time prekeys

    async def fill_up(self) -> bool:
        """Makes the missing prekeys. Whether there were any: then the bundle has to be published."""
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
        """A prekey was used: it is published no more, but kept. Another takes its place at once."""
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
        newest = dict(list(fresh.items())[-_MOST_USED:])
        await self._storage.store("/kith/used_pre_keys", newest)

    async def _state(self) -> dict[str, Any]:
        found: Any = (await self._storage.load(f"/{self.namespace}/x3dh")).from_just()
        return dict(found)

    @asynccontextmanager
    async def _with_used(self, id: str, key: dict[str, Any]) -> AsyncIterator[None]:
        """The library finds a used prekey among the others, for as long as this lasts."""
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

    # making sessions

    async def build_session_passive(
        self, bare_jid: str, device_id: int, key_exchange: Any, encrypted_key_material: Any
    ) -> tuple[SessionImpl, PlainKeyMaterialImpl]:
        for older in await self._archived(bare_jid, device_id):
            if older.initiation is Initiation.PASSIVE and older.key_exchange.builds_same_session(
                key_exchange
            ):
                return older, await super().decrypt_key_material(older, encrypted_key_material)
        arguments = bare_jid, device_id, key_exchange, encrypted_key_material
        if key_exchange.pre_key_id == _NO_PRE_KEY:
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
        exchange = KeyExchangeImpl(_without_pre_key(header), bundle.signed_pre_key_id, _NO_PRE_KEY)
        session = SessionImpl(bare_jid, device_id, Initiation.ACTIVE, exchange, data, ratchet)
        return session, EncryptedKeyMaterialImpl(bare_jid, device_id, message)

    async def _build_passive_without(
        self, bare_jid: str, device_id: int, key_exchange: KeyExchangeImpl, material: EncryptedKeyMaterialImpl
    ) -> tuple[SessionImpl, PlainKeyMaterialImpl]:
        """The sender found no one-time prekey in our bundle: X3DH goes without (its section 3.3)."""
        bundle = await self.get_bundle(bare_jid, device_id)  # our own, whatever the arguments
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
        exchange = KeyExchangeImpl(_without_pre_key(header), key_exchange.signed_pre_key_id, _NO_PRE_KEY)
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

    # keeping sessions

    async def store_session(self, session: Any) -> None:
        """Another one of the same device goes to the archive."""
        address = session.bare_jid, session.device_id
        before = await self.load_session(*address)
        await self._take_out(session)
        if before is not None and not _same(before, session):
            slots = await self._slots(*address)
            slot = slots.pop() if len(slots) >= _MOST_ARCHIVED else len(slots)
            slot = next(free for free in (slot, *range(_MOST_ARCHIVED)) if free not in slots)
            await super().store_session(_moved(before, _archive(session.bare_jid, slot)))
            await self._keep_slots(session, [slot, *slots])
        await super().store_session(session)

    async def decrypt_key_material(self, session: Any, encrypted_key_material: Any) -> PlainKeyMaterialImpl:
        """With the session that is given, or an earlier one, which takes its place then."""
        try:
            return await super().decrypt_key_material(session, encrypted_key_material)
        except DecryptionFailed:
            for older in await self._archived(session.bare_jid, session.device_id):
                if _peer_key(older) != _peer_key(session):
                    continue  # another identity had this device number
                try:
                    plain = await super().decrypt_key_material(older, encrypted_key_material)
                except DecryptionFailed:
                    continue
                session.__dict__.update(older.__dict__)  # the manager stores what it has given
                return plain
            raise

    async def _slots(self, bare_jid: str, device_id: int) -> list[int]:
        return list((await self._storage.load_list(_index(bare_jid, device_id), int)).maybe([]))

    async def _keep_slots(self, session: SessionImpl, slots: list[int]) -> None:
        await self._storage.store(_index(session.bare_jid, session.device_id), [*slots])

    async def _archived(self, bare_jid: str, device_id: int) -> list[SessionImpl]:
        """The newest first."""
        found = []
        for slot in await self._slots(bare_jid, device_id):
            session = await self.load_session(_archive(bare_jid, slot), device_id)
            if session is not None:
                found.append(_moved(session, bare_jid))
        return found

    async def _take_out(self, session: SessionImpl) -> None:
        address = session.bare_jid, session.device_id
        slots = await self._slots(*address)
        for slot in list(slots):
            there = await self.load_session(_archive(session.bare_jid, slot), session.device_id)
            if there is None or _same(there, session):
                slots.remove(slot)
                await self._keep_slots(session, slots)


def _same(one: SessionImpl, other: SessionImpl) -> bool:
    return one.initiation is other.initiation and one.key_exchange.builds_same_session(other.key_exchange)


def _peer_key(session: SessionImpl) -> bytes:
    """The identity key at the other end: the initiator's comes first in the associated data."""
    data: bytes = session.associated_data
    return data[_KEY : 2 * _KEY] if session.initiation is Initiation.ACTIVE else data[:_KEY]


def _moved(session: SessionImpl, bare_jid: str) -> SessionImpl:
    return SessionImpl(
        bare_jid,
        session.device_id,
        session.initiation,
        session.key_exchange,
        session.associated_data,
        session.double_ratchet,
        session.confirmed,
    )


def _archive(bare_jid: str, slot: int) -> str:
    return f"archive/{slot}/{bare_jid}"  # no bare address has a slash


def _index(bare_jid: str, device_id: int) -> str:
    return f"/kith/archive/{bare_jid}/{device_id}"


def _without_pre_key(header: x3dh.Header) -> x3dh.Header:
    return x3dh.Header(header.identity_key, header.ephemeral_key, header.signed_pre_key, b"")


def _text(key: bytes) -> str:
    return base64.b64encode(key).decode()


def _raw(stored: str) -> bytes:
    return stored.encode("latin-1")  # as x3dh's models have it


# on the wire


def serialize(message: omemo.Message) -> Element:
    """``<encrypted/>``. A key exchange without a one-time prekey names none."""
    element = oldmemo.etree.serialize_message(message)
    for key in element.iter(_KEYS):
        if key.get("prekey") in ("true", "1"):
            key.text = _rewritten(key.text or "", leave_out=True)
    return element


def readable(element: Element) -> Element:
    """What the library can parse: it knows no key exchange without a one-time prekey. Raises ValueError."""
    for key in element.iter(_KEYS):
        if key.get("prekey") in ("true", "1"):
            key.text = _rewritten(key.text or "", leave_out=False)
    return element


def _rewritten(text: str, leave_out: bool) -> str:
    data = base64.b64decode(text)
    exchange = OMEMOKeyExchange()
    try:
        exchange.MergeFromString(data[1:])
    except Exception:
        return text  # the library says what is wrong with it
    if leave_out and exchange.pk_id == _NO_PRE_KEY:
        exchange.ClearField("pk_id")
    elif not leave_out and not exchange.HasField("pk_id"):
        exchange.pk_id = _NO_PRE_KEY
    else:
        return text
    return base64.b64encode(data[:1] + exchange.SerializePartialToString()).decode()


def parse_bundle(element: Element, bare_jid: str, device_id: int) -> BundleImpl:
    """Of ``<bundle/>``, also of one that has no one-time prekeys. Raises what the library raises."""
    prekeys = element.find(f"{{{oldmemo.oldmemo.NAMESPACE}}}prekeys")
    if prekeys is None or len(prekeys):
        return oldmemo.etree.parse_bundle(element, bare_jid, device_id)
    filler = Element(f"{{{oldmemo.oldmemo.NAMESPACE}}}preKeyPublic", {"preKeyId": "1"})
    filler.text = _text(b"\x05" + bytes(32))
    prekeys.append(filler)
    parsed = oldmemo.etree.parse_bundle(element, bare_jid, device_id)
    prekeys.remove(filler)
    keys = parsed.bundle
    bundle = x3dh.Bundle(keys.identity_key, keys.signed_pre_key, keys.signed_pre_key_sig, frozenset())
    return BundleImpl(bare_jid, device_id, bundle, parsed.signed_pre_key_id, {})
