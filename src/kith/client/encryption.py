"""OMEMO (XEP-0384, version 0.3, which today's clients speak): text to encrypted element, and back."""

from __future__ import annotations

import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast
from xml.etree.ElementTree import Element

import oldmemo
import oldmemo.etree
import omemo
from omemo.session_manager import (
    DeviceListDownloadFailed,
    MessageNotForUs,
    NoEligibleDevices,
    PublicDataInconsistency,
    SessionManager,
)
from omemo.storage import Storage
from omemo.types import TrustLevel as Core
from slixmpp.plugins.base import register_plugin
from slixmpp_omemo import XEP_0384
from slixmpp_omemo.xep_0384 import TWOMEMO_DEVICE_LIST_NODE, _make_session_manager

from kith.client import stanzas, trust
from kith.client.database import Database
from kith.client.errors import NoTrustedDevices, PeerHasNoDevices
from kith.client.keys import KeyStorage
from kith.client.message import Fingerprint, Trust
from kith.client.stream import Stream
from kith.client.trust import Watch
from kith.client.turn import Interrupted, Turn

_FRESH = 60.0  # seconds that a peer's device list is believed when the server does not push changes


class Undecryptable(Exception):
    """The text says why, for a person. ``silent``: not worth a line in the history."""

    def __init__(self, text: str, silent: bool = False) -> None:
        super().__init__(text)
        self.silent = silent


@dataclass(frozen=True, slots=True)
class Decrypted:
    """``body`` is None when only keys were transported."""

    body: str | None
    trust: Trust


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
        *("_db", "_encrypting", "_fetched", "_own", "_plugin", "_sessions", "_stream", "_turn", "_watch"),
        *("storage", "unsent"),
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
        self._sessions: SessionManager | None = None
        self._encrypting = False
        self._fetched: dict[str, float] = {}
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
        if self._sessions is None:
            self._sessions = await self._manager().create(
                [oldmemo.Oldmemo(self.storage)],
                self.storage,
                self._own,
                None,
                "UNDECIDED",
                async_framework=omemo.AsyncFramework.ASYNCIO,
            )
            self._db.commit()
        await self._sessions.ensure_data_consistency()
        self._sessions.before_history_sync()

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
                encryption.unsent.append((bare_jid, oldmemo.etree.serialize_message(message)))

        return Manager

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
        return oldmemo.etree.serialize_message(message)

    async def decrypt(self, element: Element, sender: str) -> Decrypted:
        """Of ``<encrypted/>``. Raises Undecryptable; errors of the connection pass through."""
        try:
            message = await oldmemo.etree.parse_message(element, sender, self._own, self.sessions)
            body, device, _ = await self.sessions.decrypt(message)
        except DeviceListDownloadFailed:
            raise
        except MessageNotForUs:
            silent = element.find(f"{{{stanzas.OMEMO}}}payload") is None or sender == self._own
            raise Undecryptable("Not encrypted for this device.", silent) from None
        except PublicDataInconsistency:
            self._watch.warn(sender, "", False)
            raise Undecryptable("The sender's device claims another key than the one we know.") from None
        except Exception as error:  # the library raises many kinds, for whatever a peer may send
            raise Undecryptable(f"Could not be decrypted ({type(error).__name__}).") from error
        settled = await self._settle(sender)
        level = settled.get(device.identity_key, trust.level(device))
        return Decrypted(None if body is None else body.decode(errors="replace"), level)

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


register_plugin(_Plugin)
