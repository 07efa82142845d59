"""The OMEMO library's session manager and slixmpp plugin, adapted: `Encryption` decides what they do when."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol
from xml.etree.ElementTree import Element

import omemo
from omemo.session_manager import SessionManager
from omemo.storage import Storage
from omemo.types import TrustLevel
from slixmpp.plugins.base import register_plugin
from slixmpp_omemo import XEP_0384
from slixmpp_omemo.xep_0384 import TWOMEMO_DEVICE_LIST_NODE, _make_session_manager

from kith.client import omemo_xml, trust
from kith.client.bundles import Bundles
from kith.client.stream import Stream


class ManagerState:
    """What the session manager shares with `Encryption`.

    ``key_transports`` are messages without text, (peer, element), that the library wants sent; they are sent
    after the commit. ``encrypting`` is set while a message is encrypted for several devices. ``opened`` is
    set once the bundle was published in this session; from then on, the library's uploads only set
    ``bundle_outdated``, since reading a message must not fail because of an upload.
    """

    __slots__ = ("bundle_outdated", "bundles", "encrypting", "key_transports", "opened")

    def __init__(self, bundles: Bundles) -> None:
        self.bundles = bundles
        self.key_transports: list[tuple[str, Element]] = []
        self.bundle_outdated = asyncio.Event()
        self.encrypting = False
        self.opened = False


class Host(Protocol):
    """What the plugin asks of `Encryption`."""

    storage: Storage

    @property
    def sessions(self) -> SessionManager: ...
    async def devices_changed(self, update: Coroutine[Any, Any, None], peer: str) -> None: ...


class Plugin(XEP_0384):  # type: ignore[misc, unused-ignore]
    """slixmpp-omemo's plugin, used for its handling of device lists. `Encryption` creates the manager."""

    name = "kith_omemo"
    host: Host

    def plugin_init(self) -> None:
        super().plugin_init()
        self.xmpp.plugin["xep_0163"].remove_interest(TWOMEMO_DEVICE_LIST_NODE)
        self.xmpp.del_event_handler("twomemo_device_list_publish", self._on_device_list_update)
        self.xmpp.del_event_handler("changed_subscription", self._on_subscription_changed)

    def session_bind(self, jid: Any) -> None:
        pass  # `Encryption.open` does this, at its own place in the set-up of a session

    @property
    def storage(self) -> Storage:
        return self.host.storage

    @property
    def _btbv_enabled(self) -> bool:
        return True

    async def _prompt_manual_trust(self, manually_trusted: Any, identifier: str | None) -> None:
        pass  # trust was decided before: see `Encryption.decide_trust`

    async def _on_device_list_update(self, msg: Any) -> None:
        await self.host.devices_changed(super()._on_device_list_update(msg), msg["from"].bare)

    async def get_session_manager(self) -> SessionManager:
        return self.host.sessions


def make_manager(stream: Stream, plugin: Any, state: ManagerState) -> Any:
    """The class of the session manager: slixmpp-omemo's, with our decisions in it."""
    base: Any = _make_session_manager(stream, plugin)

    class Manager(base):  # type: ignore[misc, unused-ignore]
        async def _evaluate_custom_trust_level(self, device: Any) -> TrustLevel:
            if trust.level(device).sound:
                return TrustLevel.TRUSTED
            # Never encrypt for such a device. What it sends is shown, with a flag.
            return TrustLevel.DISTRUSTED if state.encrypting else TrustLevel.UNDECIDED

        @staticmethod
        async def _send_message(message: omemo.Message, bare_jid: str) -> None:
            state.key_transports.append((bare_jid, omemo_xml.serialize(message)))

        @staticmethod
        async def _upload_bundle(bundle: omemo.Bundle) -> None:
            if state.opened:
                state.bundle_outdated.set()
            else:
                await base._upload_bundle(bundle)

        async def update_device_list(
            self, namespace: str, bare_jid: str, device_list: dict[int, str | None]
        ) -> None:
            limited = await state.bundles.limited(bare_jid, device_list)
            await super().update_device_list(namespace, bare_jid, limited)

        @staticmethod
        async def _download_bundle(namespace: str, bare_jid: str, device_id: int) -> omemo.Bundle:
            return await state.bundles.fetch(
                bare_jid, device_id, lambda: base._download_bundle(namespace, bare_jid, device_id)
            )

    return Manager


register_plugin(Plugin)
