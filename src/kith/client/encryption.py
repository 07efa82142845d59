"""OMEMO (XEP-0384, version 0.3, which today's clients speak): text to encrypted element, and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast
from xml.etree.ElementTree import Element

import oldmemo
import oldmemo.etree
import omemo
from omemo.session import Initiation
from omemo.session_manager import (
    BundleDownloadFailed,
    DeviceListDownloadFailed,
    MessageNotForUs,
    NoEligibleDevices,
    PublicDataInconsistency,
    SenderDistrusted,
    SenderNotFound,
    SessionManager,
)
from omemo.storage import Storage
from omemo.types import OMEMOException
from omemo.types import TrustLevel as Core
from slixmpp import JID
from slixmpp.plugins.base import register_plugin
from slixmpp_omemo import XEP_0384
from slixmpp_omemo.xep_0384 import TWOMEMO_DEVICE_LIST_NODE, _make_session_manager
from xmlschema import XMLSchemaValidationError

from kith.client import sessions, stanzas, trust
from kith.client.database import Database
from kith.client.errors import NotEncrypted, NoTrustedDevices, PeerHasNoDevices
from kith.client.keys import KeyStorage
from kith.client.message import Fingerprint, Trust
from kith.client.missing import Missing
from kith.client.stream import Stream
from kith.client.trust import Watch
from kith.client.turn import Interrupted, Turn

#: Devices of one account that are written to: as many as a server of Kith lets one have.
MOST_DEVICES = 50
_FRESH = 60.0  # seconds that a peer's device list is believed when the server does not push changes


class Undecryptable(Exception):
    """The text says why, for a person. ``silent``: not worth a line in the history.

    ``device``: the number of the device that could be asked to send it again, if asking can help.
    ``renew``: it needs a new session for that.
    """

    def __init__(
        self, text: str, silent: bool = False, device: int | None = None, renew: bool = False
    ) -> None:
        super().__init__(text)
        self.silent = silent
        self.device = device
        self.renew = renew


@dataclass(frozen=True, slots=True)
class Decrypted:
    """``body`` is None when only keys were transported. ``device``: who sent it.

    ``began``: the message has made a new session.
    """

    body: str | None
    trust: Trust
    device: int
    began: bool


class _Plugin(XEP_0384):  # type: ignore[misc, unused-ignore]
    """slixmpp-omemo's plugin, for its listening to device lists. Sessions are made by `Encryption`."""

    name = "kith_omemo"
    encryption: Encryption

    def plugin_init(self) -> None:
        super().plugin_init()
        self.xmpp.plugin["xep_0163"].remove_interest(TWOMEMO_DEVICE_LIST_NODE)
        self.xmpp.del_event_handler("twomemo_device_list_publish", self._on_device_list_update)
        self.xmpp.del_event_handler("changed_subscription", self._on_subscription_changed)

    def session_bind(self, jid: Any) -> None:
        pass  # sessions are made in the client's own order

    @property
    def storage(self) -> Storage:
        return self.encryption.storage

    @property
    def _btbv_enabled(self) -> bool:
        return True

    async def _prompt_manual_trust(self, manually_trusted: Any, identifier: str | None) -> None:
        pass  # decided before: see Encryption._settle

    async def _on_device_list_update(self, msg: Any) -> None:
        await self.encryption.devices_changed(super()._on_device_list_update(msg), msg["from"].bare)

    async def get_session_manager(self) -> SessionManager:
        return self.encryption.sessions


class Encryption:
    """One device's keys and sessions. Calls change the database; the caller commits, then sends."""

    __slots__ = (
        *(
            "_backend",
            "_db",
            "_encrypting",
            "_fetched",
            "_missing",
            "_opened",
            "_own",
            "_plugin",
            "_sessions",
        ),
        *("_stream", "_turn", "_watch", "stale", "storage", "unsent"),
    )

    def __init__(self, stream: Stream, database: Database, own: str, watch: Watch, turn: Turn) -> None:
        self.storage = KeyStorage(database)
        self.unsent: list[tuple[str, Element]] = []
        """Key transports that the library wants sent: (peer, element). For after the commit."""
        self._stream = stream
        self._own = own
        self._watch = watch
        self._turn = turn
        self._db = database
        self.stale = asyncio.Event()
        """Prekeys were used: the published bundle is old, and `publish` is to be called."""
        self._backend = sessions.Sessions(self.storage)
        self._sessions: SessionManager | None = None
        self._opened = False
        self._encrypting = False
        self._fetched: dict[str, float] = {}
        self._missing = Missing()
        stream.register_plugin(_Plugin.name)
        self._plugin: Any = cast("dict[str, Any]", stream.plugin)[_Plugin.name]
        self._plugin.encryption = self

    @property
    def sessions(self) -> SessionManager:
        if self._sessions is None:
            raise RuntimeError("encryption is not open yet")
        return self._sessions

    async def open(self) -> None:
        """Makes or loads the keys, publishes them if need be. Needs the server."""
        self._fetched.clear()
        self._missing.clear()
        if self._sessions is None:
            self._sessions = await self._manager().create(
                [self._backend],
                self.storage,
                self._own,
                None,
                "UNDECIDED",
                async_framework=omemo.AsyncFramework.ASYNCIO,
            )
            self._db.commit()
        self._opened = False
        await self._backend.fill_up()
        await self._sessions.ensure_data_consistency()
        self._opened = True
        self.stale.clear()
        if self._db.get("keys-made") is None:
            self._db.set("keys-made", str(time.time()))
        self._sessions.before_history_sync()

    async def close(self) -> None:
        """Ends what the library does in the background."""
        if self._sessions is not None:
            await self._sessions.shutdown()

    async def publish(self) -> None:
        """The bundle as it is now. Needs the server; raises what the library raises."""
        self.stale.clear()
        this, _ = await self.sessions.get_own_device_information()
        bundle = await self._backend.get_bundle(self._own, this.device_id)
        self._opened = False
        try:
            await self.sessions._upload_bundle(bundle)
        finally:
            self._opened = True

    @property
    def made(self) -> float:
        """When the keys of this device were made: what was sent before could not be encrypted for it."""
        return float(self._db.get("keys-made") or "inf")

    async def caught_up(self) -> None:
        """The archive was read: pre keys that were used meanwhile can go."""
        await self.sessions.after_history_sync()

    def _manager(self) -> Any:
        encryption = self
        base: Any = _make_session_manager(self._stream, self._plugin)

        class Manager(base):  # type: ignore[misc, unused-ignore]
            async def _evaluate_custom_trust_level(self, device: Any) -> Core:
                level = trust.level(device)
                if level.sound:
                    return Core.TRUSTED
                # Never write to such a device; what it writes is shown, with a flag.
                return Core.DISTRUSTED if encryption._encrypting else Core.UNDECIDED

            @staticmethod
            async def _send_message(message: omemo.Message, bare_jid: str) -> None:
                encryption.unsent.append((bare_jid, sessions.serialize(message)))

            @staticmethod
            async def _upload_bundle(bundle: omemo.Bundle) -> None:
                if encryption._opened:
                    encryption.stale.set()  # not in the middle of reading a message, which it must not cost
                else:
                    await base._upload_bundle(bundle)

            async def update_device_list(
                self, namespace: str, bare_jid: str, device_list: dict[int, str | None]
            ) -> None:
                few = await encryption._few(bare_jid, device_list)
                await super().update_device_list(namespace, bare_jid, few)

            @staticmethod
            async def _download_bundle(namespace: str, bare_jid: str, device_id: int) -> omemo.Bundle:
                encryption._missing.check(bare_jid, device_id)
                try:
                    found: omemo.Bundle = await base._download_bundle(namespace, bare_jid, device_id)
                except BundleDownloadFailed as error:
                    if not isinstance(error.__cause__, XMLSchemaValidationError):
                        encryption._missing.add(bare_jid, device_id)
                        raise
                    return await encryption._bundle_without_prekeys(bare_jid, device_id)
                return found

        return Manager

    async def _few(self, peer: str, devices: dict[int, str | None]) -> dict[int, str | None]:
        """Of a list of devices so many as anybody has, those that are known first.

        Each costs a request before the first message, and all that is written to others waits for them.
        """
        if len(devices) <= MOST_DEVICES:
            return devices
        known = (await self.storage.load_list(f"/devices/{peer}/list", int)).maybe([])
        order = dict.fromkeys([*(id for id in known if id in devices), *devices])
        return {id: devices[id] for id in list(order)[:MOST_DEVICES]}

    async def _bundle_without_prekeys(self, peer: str, device: int) -> omemo.Bundle:
        """Raises BundleDownloadFailed."""
        node = f"{oldmemo.oldmemo.NAMESPACE}.bundles:{device}"
        pubsub: Any = cast("dict[str, Any]", self._stream.plugin)["xep_0060"]
        try:
            answer = await pubsub.get_items(JID(peer), node, max_items=1)
            payload = next(iter(answer["pubsub"]["items"]["item"].xml))
            return sessions.parse_bundle(payload, peer, device)
        except Exception as error:
            self._missing.add(peer, device)
            raise BundleDownloadFailed(f"The bundle of {peer}: {device} can't be used.") from error

    async def encrypt_for(self, peer: str, device: int, body: str | None, renew: bool = False) -> Element:
        """For one device of a peer, or of ours; without a body: keys alone.

        ``renew``: by a new session. Raises NotEncrypted when that device can't be written to, and what
        the library raises.
        """
        found = await self.sessions.get_device_information(peer)
        there = next((one for one in found if one.device_id == device), None)
        if there is None or not any(on for _, on in there.active):
            raise NotEncrypted(f"{peer} has no device {device} any more.")
        if trust.level(there) is Trust.DISTRUSTED:
            raise NotEncrypted(f"The device {device} of {peer} is distrusted.")
        backend = self._backend
        if body is None:
            content, material = await backend.encrypt_empty()
        else:
            content, material = await backend.encrypt_plaintext(body.encode())
        session = None if renew else await backend.load_session(peer, device)
        if session is None:
            bundle = await self.sessions._download_bundle(backend.namespace, peer, device)
            if bundle.identity_key != there.identity_key:
                raise NotEncrypted(f"The device {device} of {peer} shows another key than before.")
            session, sealed = await backend.build_session_active(peer, device, bundle, material)
        else:
            sealed = await backend.encrypt_key_material(session, material)
        await backend.store_session(session)
        first = session.initiation is Initiation.ACTIVE and not session.confirmed
        keys = frozenset({(sealed, session.key_exchange if first else None)})
        this, _ = await self.sessions.get_own_device_information()
        message = omemo.Message(backend.namespace, self._own, this.device_id, content, keys)
        return sessions.serialize(message)

    async def device_trust(self, peer: str, device: int) -> Trust | None:
        """None: the account has no such device."""
        await self._settle(peer)
        found = await self.sessions.get_device_information(peer)
        return next((trust.level(one) for one in found if one.device_id == device), None)

    async def encrypt(self, peer: str, body: str) -> Element:
        """For all trusted devices of the peer and our own others. Raises NotEncrypted."""
        await self._refresh(peer)
        await self._settle(peer)
        await self._settle(self._own)
        with self._for_writing():
            try:
                plain = {oldmemo.oldmemo.NAMESPACE: body.encode()}
                messages, _ = await self.sessions.encrypt(frozenset({peer}), plain)
            except NoEligibleDevices:
                raise await self._why_none(peer) from None
        (message,) = messages
        return sessions.serialize(message)

    async def decrypt(self, element: Element, sender: str) -> Decrypted:
        """Of ``<encrypted/>``. Raises Undecryptable; errors of the connection pass through."""
        text = element.find(f"{{{stanzas.OMEMO}}}payload") is not None
        number = _number(element)
        try:
            parsed = sessions.readable(deepcopy(element))
            message = await oldmemo.etree.parse_message(parsed, sender, self._own, self.sessions)
            body, device, _ = await self.sessions.decrypt(message)
        except DeviceListDownloadFailed:
            raise
        except SenderNotFound:
            raise Undecryptable("It is of a device that its account does not have.", not text) from None
        except SenderDistrusted:
            raise Undecryptable("It is of a device that you distrust.", not text) from None
        except MessageNotForUs:
            raise Undecryptable("Not encrypted for this device.", not text, number) from None
        except PublicDataInconsistency:
            self._watch.warn(sender, "", False)
            raise Undecryptable("The sender's device claims another key than the one we know.") from None
        except OMEMOException as error:
            name = type(error).__name__
            raise Undecryptable(f"Could not be decrypted ({name}).", not text, number, True) from error
        except Exception as error:  # malformed: the library raises many kinds, for whatever a peer may send
            raise Undecryptable(f"Could not be decrypted ({type(error).__name__}).", not text) from error
        settled = await self._settle(sender)
        level = settled.get(device.identity_key, trust.level(device))
        this, _ = await self.sessions.get_own_device_information()
        began = any(
            exchange is not None and material.device_id == this.device_id
            for material, exchange in message.keys
        )
        decoded = None if body is None else body.decode(errors="replace")
        return Decrypted(decoded, level, device.device_id, began)

    async def fingerprints(self, peer: str) -> list[Fingerprint]:
        """Of all known devices, active ones first. The first of our own is this device."""
        if peer != self._own:
            await self._refresh(peer)
        await self._settle(peer)
        if peer == self._own:
            this, others = await self.sessions.get_own_device_information()
            return [
                trust.fingerprint(this),
                *sorted(map(trust.fingerprint, others), key=lambda key: key.text),
            ]
        devices = await self.sessions.get_device_information(peer)
        return sorted(map(trust.fingerprint, devices), key=lambda key: (not key.active, key.text))

    async def set_trust(self, peer: str, text: str, level: Trust) -> None:
        """Raises KeyError when the peer has no such fingerprint."""
        text = "".join(text.split()).lower()
        for device in await self.sessions.get_device_information(peer):
            if trust.fingerprint(device).text == text:
                await self.sessions.set_trust(peer, device.identity_key, trust.NAMES[level])
                return
        raise KeyError(f"{peer} has no device with the fingerprint {text}")

    async def devices_changed(self, update: Coroutine[Any, Any, None], peer: str) -> None:
        """The server told of a new device list: warn now if a key is new, not at the next message."""

        async def work() -> None:
            self._missing.forget(peer)
            await update
            if self._watch.knows(peer):
                await self._settle(peer)

        with suppress(Interrupted):  # the list comes again with the next session
            await self._turn.take(work())
            self._db.commit()

    async def _refresh(self, peer: str) -> None:
        """Fetches the peer's device list, unless the server pushes it (XEP-0163) or it is fresh."""
        roster = self._stream.client_roster
        pushed = roster.has_jid(peer) and roster[peer]["subscription"] in ("both", "to")
        age = time.monotonic() - self._fetched.get(peer, -1e9)
        if age > (3600.0 if pushed else _FRESH):
            await self.sessions.refresh_device_list(oldmemo.oldmemo.NAMESPACE, peer)
            if await self.sessions.get_device_information(peer):
                self._fetched[peer] = time.monotonic()

    async def _settle(self, peer: str) -> dict[bytes, Trust]:
        devices = await self.sessions.get_device_information(peer)
        decisions = self._watch.decide(devices)
        for key, level in decisions.items():
            await self.sessions.set_trust(peer, key, trust.NAMES[level])
        return decisions

    async def _why_none(self, peer: str) -> PeerHasNoDevices | NoTrustedDevices:
        self._fetched.pop(peer, None)
        devices = await self.sessions.get_device_information(peer)
        active = [device for device in devices if any(on for _, on in device.active)]
        if not active:
            return PeerHasNoDevices(
                f"{peer} has no device that can read encrypted messages. Nothing was sent. "
                "They need to log in once with a client that supports OMEMO."
            )
        return NoTrustedDevices(
            f"{peer} has no device that you trust. Nothing was sent. "
            "Compare fingerprints with them, then verify."
        )

    @contextmanager
    def _for_writing(self) -> Iterator[None]:
        self._encrypting = True
        try:
            yield
        finally:
            self._encrypting = False


def _number(element: Element) -> int | None:
    """Of the device that says that it has sent ``<encrypted/>``."""
    header = element.find(f"{{{stanzas.OMEMO}}}header")
    text = "" if header is None else header.get("sid", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else None


register_plugin(_Plugin)
