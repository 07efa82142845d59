"""Keeps a device's last sessions beside the present one, for messages that were encrypted with them.

Two people who write to each other at the same moment create two sessions. The library deletes a session
when another takes its place; here, as in libsignal, earlier ones stay usable.
"""

from __future__ import annotations

from typing import Any, Final

import oldmemo
from oldmemo.oldmemo import PlainKeyMaterialImpl, SessionImpl, StateImpl
from omemo.backend import DecryptionFailed
from omemo.session import Initiation
from omemo.storage import Storage

_MAX_ARCHIVED: Final = 5
_KEY_BYTES = StateImpl.IDENTITY_KEY_ENCODING_LENGTH


class SessionArchive(oldmemo.Oldmemo):  # type: ignore[misc, unused-ignore]
    """The library's backend with an archive of sessions for each device.

    Archived sessions are stored under made-up addresses, one for each slot of a device. An index of each
    device lists its slots, the newest first.
    """

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage)
        self._storage = storage

    async def store_session(self, session: Any) -> None:
        """Stores a session. If it replaces another one of the same device, that one is archived."""
        address = session.bare_jid, session.device_id
        if await self._is_stored(session):
            await super().store_session(session)
            return
        before = await self.load_session(*address)
        await self._remove_from_archive(session)
        if before is not None and not _same(before, session):
            slots = await self._slots(*address)
            slot = slots.pop() if len(slots) >= _MAX_ARCHIVED else len(slots)
            slot = next(free for free in (slot, *range(_MAX_ARCHIVED)) if free not in slots)
            await super().store_session(_with_address(before, _archive_address(session.bare_jid, slot)))
            await self._keep_slots(session, [slot, *slots])
        await super().store_session(session)

    async def _is_stored(self, session: SessionImpl) -> bool:
        """Whether the session is the present one already, which is told without loading it."""
        base = f"/{self.namespace}/{session.bare_jid}/{session.device_id}"
        initiation = (await self._storage.load_primitive(f"{base}/initiation", str)).maybe("")
        ephemeral = (await self._storage.load_bytes(f"{base}/key_exchange/ephemeral_key")).maybe(b"")
        same = (
            session.initiation.name == initiation and session.key_exchange.header.ephemeral_key == ephemeral
        )
        return same and not await self._slots(session.bare_jid, session.device_id)

    async def decrypt_key_material(self, session: Any, encrypted_key_material: Any) -> PlainKeyMaterialImpl:
        """Decrypts with the given session, or else with an archived one, which then takes its place.

        Raises DecryptionFailed.
        """
        try:
            return await super().decrypt_key_material(session, encrypted_key_material)
        except DecryptionFailed:
            for older in await self.archived(session.bare_jid, session.device_id):
                if _peer_key(older) != _peer_key(session):
                    continue  # another identity had this device id
                try:
                    plain = await super().decrypt_key_material(older, encrypted_key_material)
                except DecryptionFailed:
                    continue
                session.__dict__.update(older.__dict__)  # the manager stores the object that it passed in
                return plain
            raise

    async def archived(self, bare_jid: str, device_id: int) -> list[SessionImpl]:
        """The archived sessions of a device, the newest first."""
        found = []
        for slot in await self._slots(bare_jid, device_id):
            session = await self.load_session(_archive_address(bare_jid, slot), device_id)
            if session is not None:
                found.append(_with_address(session, bare_jid))
        return found

    async def _slots(self, bare_jid: str, device_id: int) -> list[int]:
        return list((await self._storage.load_list(_index(bare_jid, device_id), int)).maybe([]))

    async def _keep_slots(self, session: SessionImpl, slots: list[int]) -> None:
        await self._storage.store(_index(session.bare_jid, session.device_id), [*slots])

    async def _remove_from_archive(self, session: SessionImpl) -> None:
        address = session.bare_jid, session.device_id
        slots = await self._slots(*address)
        for slot in list(slots):
            stored = await self.load_session(_archive_address(session.bare_jid, slot), session.device_id)
            if stored is None or _same(stored, session):
                slots.remove(slot)
                await self._keep_slots(session, slots)


def _same(one: SessionImpl, other: SessionImpl) -> bool:
    return one.initiation is other.initiation and one.key_exchange.builds_same_session(other.key_exchange)


def _peer_key(session: SessionImpl) -> bytes:
    """The peer's identity key. In the associated data, the initiator's key comes first."""
    data: bytes = session.associated_data
    active = session.initiation is Initiation.ACTIVE
    return data[_KEY_BYTES : 2 * _KEY_BYTES] if active else data[:_KEY_BYTES]


def _with_address(session: SessionImpl, bare_jid: str) -> SessionImpl:
    return SessionImpl(
        bare_jid,
        session.device_id,
        session.initiation,
        session.key_exchange,
        session.associated_data,
        session.double_ratchet,
        session.confirmed,
    )


def _archive_address(bare_jid: str, slot: int) -> str:
    return f"archive/{slot}/{bare_jid}"  # no bare address has a slash


def _index(bare_jid: str, device_id: int) -> str:
    return f"/kith/archive/{bare_jid}/{device_id}"
