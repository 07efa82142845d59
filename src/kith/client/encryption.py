"""OMEMO (XEP-0384, version 0.3, which today's clients use): from text to ``<encrypted/>``, and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from xml.etree.ElementTree import Element

import oldmemo
import omemo
from omemo.session import Initiation
from omemo.session_manager import (
    DeviceListDownloadFailed,
    MessageNotForUs,
    NoEligibleDevices,
    PublicDataInconsistency,
    SenderDistrusted,
    SenderNotFound,
    SessionManager,
)
from omemo.types import OMEMOException

from kith.client import omemo_xml, sessions, stanzas, trust
from kith.client.bundles import Bundles
from kith.client.database import Database
from kith.client.decrypted import Decrypted, Undecryptable
from kith.client.errors import NotEncrypted, NoTrustedDevices, PeerHasNoDevices, UnknownKey
from kith.client.key_work import Interrupted, KeyWork
from kith.client.keys import KeyStorage
from kith.client.message import Fingerprint, Trust
from kith.client.session_manager import ManagerState, Plugin, make_manager
from kith.client.stream import Stream
from kith.client.trust import KnownKeys

_NAMESPACE = oldmemo.oldmemo.NAMESPACE
#: Seconds for which a fetched device list is believed; longer if the server pushes changes.
_FRESH, _FRESH_PUSHED = 60.0, 3600.0


class Encryption:
    """The keys and sessions of this device.

    Methods change the database. The caller commits, and sends nothing before that. All of them are called
    within `KeyWork.run`, so that one runs at a time.
    """

    __slots__ = (
        *(
            "backend",
            "_db",
            "_decided",
            "_fetched",
            "_key_work",
            "_lacking",
            "_own",
            "_plugin",
            "_policy",
            "_sessions",
            "_state",
        ),
        *("_stream", "bundles", "storage"),
    )

    def __init__(
        self, stream: Stream, database: Database, own: str, policy: KnownKeys, key_work: KeyWork
    ) -> None:
        """``own`` is our bare address."""
        self.storage = KeyStorage(database)
        self._stream = stream
        self._own = own
        self._policy = policy
        self._key_work = key_work
        self._db = database
        self.backend = sessions.Sessions(self.storage)
        self._sessions: SessionManager | None = None
        self.bundles = Bundles(stream, self.storage)
        self._state = ManagerState(self.bundles)
        self._fetched: dict[str, float] = {}
        self._lacking: set[str] = set()
        """Peers for whom nothing could be encrypted in this session, since they had no devices."""
        self._decided: dict[str, tuple[int, int]] = {}
        """`KeyStorage.mark` of an account when nothing was left to decide about its devices."""
        stream.register_plugin(Plugin.name)
        self._plugin: Any = cast("dict[str, Any]", stream.plugin)[Plugin.name]
        self._plugin.host = self

    @property
    def sessions(self) -> SessionManager:
        """The library's session manager. Raises RuntimeError before `open`."""
        if self._sessions is None:
            raise RuntimeError("encryption is not open yet")
        return self._sessions

    @property
    def bundle_outdated(self) -> asyncio.Event:
        """Set when prekeys were used, so that the published bundle is old: call `publish`."""
        return self._state.bundle_outdated

    def take_key_transports(self) -> list[tuple[str, Element]]:
        """The messages without text that the library wants sent, as (peer, element).

        Commit before sending.
        """
        taken, self._state.key_transports = self._state.key_transports, []
        return taken

    async def open(self) -> None:
        """Creates or loads the keys, and publishes them if need be. Called once for each session.

        Raises what the library and the server's answers raise.
        """
        self._fetched.clear()
        self._lacking.clear()
        self._state.bundles.forget()
        if self._sessions is None:
            self._sessions = await make_manager(self._stream, self._plugin, self._state).create(
                [self.backend],
                self.storage,
                self._own,
                None,
                "UNDECIDED",
                async_framework=omemo.AsyncFramework.ASYNCIO,
            )
            self._db.commit()
            await self._db.flush()
        self._state.opened = False
        await self.backend.fill_up()
        await self._sessions.ensure_data_consistency()
        self._state.opened = True
        self._state.bundle_outdated.clear()
        if self._db.get("keys-made") is None:
            self._db.set("keys-made", str(time.time()))
        self._sessions.before_history_sync()

    async def close(self) -> None:
        """Ends the library's background work."""
        if self._sessions is not None:
            await self._sessions.shutdown()

    async def publish(self) -> None:
        """Publishes the bundle as it is now. Raises what the library and the server's answers raise."""
        self._state.bundle_outdated.clear()
        this, _ = await self.sessions.get_own_device_information()
        bundle = await self.backend.get_bundle(self._own, this.device_id)
        self._state.opened = False
        try:
            await self.sessions._upload_bundle(bundle)
        finally:
            self._state.opened = True

    @property
    def created(self) -> float:
        """When this device's keys were created, in seconds since 1970; infinity if they were not yet.

        A message that was sent before can't have been encrypted for this device.
        """
        return float(self._db.get("keys-made") or "inf")

    async def caught_up(self) -> None:
        """The archive was read, so prekeys that were used meanwhile can be deleted."""
        await self.sessions.after_history_sync()

    # text to elements

    async def encrypt(self, peer: str, body: str) -> tuple[Element, bytes]:
        """Encrypts for all trusted devices of the peer, and for our own others.

        Returns the element, and the key of its text. Raises NotEncrypted.
        """
        await self.refresh(peer)
        await self.decide_trust(peer)
        await self.decide_trust(self._own)
        with self._encrypting():
            try:
                messages, _ = await self.sessions.encrypt(frozenset({peer}), {_NAMESPACE: body.encode()})
            except NoEligibleDevices:
                raise await self._no_device_error(peer) from None
        (message,) = messages
        self._lacking.discard(peer)
        return omemo_xml.serialize(message), self.backend.last_key

    async def encrypt_for(self, peer: str, device: int, body: str | None, renew: bool = False) -> Element:
        """Encrypts for one device. See `encrypt_with_key`, which returns the key as well."""
        element, _ = await self.encrypt_with_key(peer, device, body, renew)
        return element

    async def encrypt_with_key(
        self, peer: str, device: int, body: str | None, renew: bool = False
    ) -> tuple[Element, bytes]:
        """Encrypts for one device of a peer, or of ours; without a body, only keys are sent.

        Returns the element, and the key of its text. ``renew``: with a new session. Raises
        NotEncrypted if that device must not or can't be written to, and what the library raises.
        """
        found = await self.sessions.get_device_information(peer)
        information = next((one for one in found if one.device_id == device), None)
        if information is None or not any(on for _, on in information.active):
            raise NotEncrypted(f"{peer} has no device {device} any more.")
        if trust.level(information) is Trust.DISTRUSTED:
            raise NotEncrypted(f"The device {device} of {peer} is distrusted.")
        backend = self.backend
        if body is None:
            content, material = await backend.encrypt_empty()
        else:
            content, material = await backend.encrypt_plaintext(body.encode())
        session = None if renew else await backend.load_session(peer, device)
        if session is None:
            session, sealed = await self.begin_session(information, material)
        else:
            sealed = await backend.encrypt_key_material(session, material)
        await backend.store_session(session)
        first = session.initiation is Initiation.ACTIVE and not session.confirmed
        keys = frozenset({(sealed, session.key_exchange if first else None)})
        this, _ = await self.sessions.get_own_device_information()
        message = omemo.Message(backend.namespace, self._own, this.device_id, content, keys)
        return omemo_xml.serialize(message), bytes(cast("Any", material).key)

    async def encrypt_to(
        self, devices: Iterable[omemo.DeviceInformation], body: str | None
    ) -> tuple[Element, bytes]:
        """Encrypts for devices, but for this one. Without a body, only a key is sent.

        Returns the element, and the key. Devices that are gone, or have no keys, are left out: they ask for
        the message if they come back.
        """
        backend = self.backend
        if body is None:
            content, material = await backend.encrypt_empty()
        else:
            content, material = await backend.encrypt_plaintext(body.encode())
        this, _ = await self.sessions.get_own_device_information()
        keys = set()
        for device in devices:
            if (device.bare_jid, device.device_id) == (self._own, this.device_id):
                continue
            session = await backend.load_session(device.bare_jid, device.device_id)
            try:
                if session is None:
                    session, sealed = await self.begin_session(device, material)
                else:
                    sealed = await backend.encrypt_key_material(session, material)
            except (NotEncrypted, OMEMOException):
                continue
            await backend.store_session(session)
            first = session.initiation is Initiation.ACTIVE and not session.confirmed
            keys.add((sealed, session.key_exchange if first else None))
        message = omemo.Message(backend.namespace, self._own, this.device_id, content, frozenset(keys))
        return omemo_xml.serialize(message), bytes(cast("Any", material).key)

    async def encrypt_key(self, peer: str, with_own: bool = False) -> tuple[Element, bytes]:
        """Encrypts a key without a text for all trusted devices of a peer. Returns the element, and the key.

        ``with_own``: also for our own others. Raises NotEncrypted if the peer has none.
        """
        await self.refresh(peer)
        await self.decide_trust(peer)
        devices = [
            device
            for device in await self.sessions.get_device_information(peer)
            if trust.level(device).sound and any(on for _, on in device.active)
        ]
        if not devices:
            raise await self._no_device_error(peer)
        if with_own and peer != self._own:
            await self.decide_trust(self._own)
            devices += [
                device
                for device in await self.sessions.get_device_information(self._own)
                if trust.level(device).sound and any(on for _, on in device.active)
            ]
        return await self.encrypt_to(devices, None)

    async def begin_session(self, information: Any, material: Any) -> tuple[Any, Any]:
        """Begins a session with a device (`omemo.DeviceInformation`) by which ``material`` is encrypted.

        Returns the session, which is not stored yet, and the encrypted material. Raises NotEncrypted if the
        device shows another key than before, and what the library raises.
        """
        peer, device = information.bare_jid, information.device_id
        bundle = await self.sessions._download_bundle(self.backend.namespace, peer, device)
        if bundle.identity_key != information.identity_key:
            raise NotEncrypted(f"The device {device} of {peer} shows another key than before.")
        return await self.backend.build_session_active(peer, device, bundle, material)

    # elements to text

    async def decrypt(self, element: Element, sender: str) -> Decrypted:
        """Decrypts ``<encrypted/>``. Raises Undecryptable; errors of the connection pass through."""
        no_text = element.find(f"{{{stanzas.OMEMO}}}payload") is None
        claimed = omemo_xml.sender_device(element)
        try:
            key = await self._identity_key(sender, claimed)
            message = omemo_xml.parse_message(element, sender, self._own, key)
            body, device, material = await self.sessions.decrypt(message)
        except DeviceListDownloadFailed:
            raise
        except SenderNotFound:
            raise Undecryptable(
                "Its sender's account does not have the device that sent it.", no_text
            ) from None
        except SenderDistrusted:
            raise Undecryptable("It was sent by a device that you distrust.", no_text) from None
        except MessageNotForUs:
            raise Undecryptable("Not encrypted for this device.", no_text, claimed) from None
        except PublicDataInconsistency:
            self._policy.warn(sender, "", False)
            raise Undecryptable("The sender's device claims another key than the one we know.") from None
        except OMEMOException as error:
            name = type(error).__name__
            raise Undecryptable(f"Could not be decrypted ({name}).", no_text, claimed, True) from error
        except Exception as error:  # malformed: the library raises many kinds, for whatever a peer may send
            raise Undecryptable(f"Could not be decrypted ({type(error).__name__}).", no_text) from error
        decisions = await self.decide_trust(sender)
        level = decisions.get(device.identity_key, trust.level(device))
        this, _ = await self.sessions.get_own_device_information()
        new_session = any(
            exchange is not None and material.device_id == this.device_id
            for material, exchange in message.keys
        )
        decoded = None if body is None else body.decode(errors="replace")
        return Decrypted(decoded, level, device.device_id, new_session, bytes(cast("Any", material).key))

    async def _identity_key(self, sender: str, device: int | None) -> bytes:
        """The identity key of a sender's device. Fetches the sender's devices if it is new.

        Raises SenderNotFound, DeviceListDownloadFailed, and ValueError without a device.
        """
        if device is None:
            raise ValueError("the message names no device")
        for again in (False, True):
            if again:
                await self.sessions.refresh_device_list(_NAMESPACE, sender)
            for one in await self.sessions.get_device_information(sender):
                if one.device_id == device:
                    return bytes(one.identity_key)
        raise SenderNotFound("The sender's account does not have the device.")

    # devices and trust

    async def look_for_keys(self, peer: str) -> None:
        """Fetches the peer's devices, for a chat that is not encrypted because there were none."""
        await self.refresh(peer)
        await self.decide_trust(peer)

    def lacks_keys(self, peer: str) -> bool:
        """Whether the peer, as far as is known, has no device that can read encrypted messages."""
        return peer in self._lacking or not self._policy.knows(peer)

    async def fingerprints(self, peer: str) -> list[Fingerprint]:
        """The keys of all known devices, active ones first. Of our own, this device comes first."""
        if peer != self._own:
            await self.refresh(peer)
        await self.decide_trust(peer)
        if peer == self._own:
            this, others = await self.sessions.get_own_device_information()
            return [
                trust.fingerprint(this),
                *sorted(map(trust.fingerprint, others), key=lambda key: key.text),
            ]
        devices = await self.sessions.get_device_information(peer)
        return sorted(map(trust.fingerprint, devices), key=lambda key: (not key.active, key.text))

    async def set_trust(self, peer: str, text: str, level: Trust) -> None:
        """Sets the trust in the key with a fingerprint. Raises UnknownKey if the peer has no such key."""
        text = "".join(text.split()).lower()
        for device in await self.sessions.get_device_information(peer):
            if trust.fingerprint(device).text == text:
                await self.sessions.set_trust(peer, device.identity_key, trust.NAMES[level])
                return
        raise UnknownKey(f"{peer} has no device with the fingerprint {text}.")

    async def device_trust(self, peer: str, device: int) -> Trust | None:
        """The trust in a device; None if the account has no such device."""
        await self.decide_trust(peer)
        found = await self.sessions.get_device_information(peer)
        return next((trust.level(one) for one in found if one.device_id == device), None)

    async def devices_changed(self, update: Coroutine[Any, Any, None], peer: str) -> None:
        """The server pushed a device list: runs the library's ``update``, and warns now if a key is new."""

        async def work() -> None:
            self._state.bundles.forget(peer)
            await update
            if self._policy.concerned(peer):
                await self.decide_trust(peer)

        with suppress(Interrupted):  # the list comes again with the next session
            await self._key_work.run(work())
            self._db.commit()

    def is_fresh(self, peer: str) -> bool:
        """Whether the peer's device list is fresh, or the server pushes its changes (XEP-0163)."""
        roster = self._stream.client_roster
        pushed = roster.has_jid(peer) and roster[peer]["subscription"] in ("both", "to")
        age = time.monotonic() - self._fetched.get(peer, -1e9)
        return age <= (_FRESH_PUSHED if pushed else _FRESH)

    async def refresh(self, peer: str) -> None:
        """Fetches the peer's device list, unless it is fresh."""
        if not self.is_fresh(peer):
            await self.sessions.refresh_device_list(_NAMESPACE, peer)
            if await self.sessions.get_device_information(peer):
                self._fetched[peer] = time.monotonic()

    async def take_devices(self, peer: str, devices: dict[int, str | None]) -> None:
        """Takes a device list of a peer that was fetched elsewhere, as device ids with labels."""
        self.bundles.forget(peer)
        await self.sessions.update_device_list(_NAMESPACE, peer, cast("Any", devices))
        self._fetched[peer] = time.monotonic()

    async def active_devices(self, peer: str) -> list[int]:
        """The ids of the devices that a peer has announced, as far as they are known here."""
        found = []
        for id in (await self.storage.load_list(f"/devices/{peer}/list", int)).maybe([]):
            active = (await self.storage.load_dict(f"/devices/{peer}/{id}/active", bool)).maybe({})
            if active.get(_NAMESPACE):
                found.append(id)
        return found

    async def decide_trust(self, peer: str) -> dict[bytes, Trust]:
        """Decides about keys that are new. Returns the decisions by identity key."""
        if self._decided.get(peer) == self.storage.mark(peer):
            return {}
        devices = await self.sessions.get_device_information(peer)
        decisions = self._policy.decide(devices)
        for key, level in decisions.items():
            await self.sessions.set_trust(peer, key, trust.NAMES[level])
        listed = (await self.storage.load_list(f"/devices/{peer}/list", int)).maybe([])
        if len(listed) == len(devices):  # else the keys of some could not be fetched yet
            if len(self._decided) > 10_000:
                self._decided.clear()
            self._decided[peer] = self.storage.mark(peer)
        return decisions

    async def _no_device_error(self, peer: str) -> PeerHasNoDevices | NoTrustedDevices:
        self._fetched.pop(peer, None)
        devices = await self.sessions.get_device_information(peer)
        active = [device for device in devices if any(on for _, on in device.active)]
        if not active:
            self._lacking.add(peer)
            return PeerHasNoDevices(
                f"{peer} has no device that can read encrypted messages. Nothing was sent. "
                "They need to log in once with a client that supports OMEMO. "
                "To send it unencrypted this once, repeat it with encrypted=False."
            )
        return NoTrustedDevices(
            f"{peer} has no device that you trust. Nothing was sent. "
            "Compare fingerprints with them, then verify."
        )

    @contextmanager
    def _encrypting(self) -> Iterator[None]:
        self._state.encrypting = True
        try:
            yield
        finally:
            self._state.encrypting = False
