"""Fetches the OMEMO bundles of other devices, also those that the library can't parse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

import oldmemo
import omemo
from omemo.session_manager import BundleDownloadFailed
from omemo.storage import Storage
from slixmpp import JID
from xmlschema import XMLSchemaValidationError

from kith.client import omemo_xml
from kith.client.stream import Stream
from kith.client.unavailable_bundles import UnavailableBundles

#: Devices of one account that messages are encrypted for: as many as a Kith server lets an account have.
MAX_DEVICES = 50


class Bundles:
    """Bundles by account and device."""

    __slots__ = ("_held", "_storage", "_stream", "_unavailable")

    def __init__(self, stream: Stream, storage: Storage) -> None:
        self._stream = stream
        self._storage = storage
        self._unavailable = UnavailableBundles()
        self._held: dict[tuple[str, int], omemo.Bundle] = {}

    def forget(self, peer: str | None = None) -> None:
        """Fetches may succeed again: those of a peer with a new device list, or all with a new session."""
        if peer is None:
            self._unavailable.clear()
        else:
            self._unavailable.forget(peer)

    def keep(self, peer: str, device: int, bundle: omemo.Bundle) -> None:
        """Keeps a bundle that was fetched together with others, until `release`."""
        self._held[peer, device] = bundle

    def release(self) -> None:
        """Drops what `keep` has kept, since bundles change whenever somebody begins a session."""
        self._held.clear()

    async def limited(self, peer: str, devices: dict[int, str | None]) -> dict[int, str | None]:
        """At most `MAX_DEVICES` of the devices (id: label) that an account claims to have, known ones first.

        Each device costs a request before the first message, and all outgoing messages wait for these.
        """
        if len(devices) <= MAX_DEVICES:
            return devices
        known = (await self._storage.load_list(f"/devices/{peer}/list", int)).maybe([])
        order = dict.fromkeys([*(id for id in known if id in devices), *devices])
        return {id: devices[id] for id in list(order)[:MAX_DEVICES]}

    async def fetch(
        self, peer: str, device: int, download: Callable[[], Awaitable[omemo.Bundle]]
    ) -> omemo.Bundle:
        """The bundle of a device, by ``download``, which is the library's own way.

        A bundle without one-time prekeys, which the library refuses, is fetched and parsed here. Raises
        BundleDownloadFailed, also without a request if the last one failed a moment ago.
        """
        if (held := self._held.get((peer, device))) is not None:
            return held
        self._unavailable.check(peer, device)
        try:
            return await download()
        except BundleDownloadFailed as error:
            if not isinstance(error.__cause__, XMLSchemaValidationError):
                self._unavailable.add(peer, device)
                raise
            return await self._without_prekeys(peer, device)

    async def _without_prekeys(self, peer: str, device: int) -> omemo.Bundle:
        node = f"{oldmemo.oldmemo.NAMESPACE}.bundles:{device}"
        pubsub: Any = cast("dict[str, Any]", self._stream.plugin)["xep_0060"]
        try:
            answer = await pubsub.get_items(JID(peer), node, max_items=1)
            payload = next(iter(answer["pubsub"]["items"]["item"].xml))
            return omemo_xml.parse_bundle(payload, peer, device)
        except Exception as error:
            self._unavailable.add(peer, device)
            raise BundleDownloadFailed(f"The bundle of {peer}: {device} can't be used.") from error
