"""Remembers which OMEMO bundles could not be fetched just now, so that they are not requested repeatedly."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from omemo.session_manager import BundleDownloadFailed

#: Seconds for which a bundle is not requested again. A new device may publish its device list first.
RETRY_AFTER = 30.0
_MAX_BUNDLES = 2000


class UnavailableBundles:
    """Bundles by account and device. Without this, each message would request all of them several times."""

    __slots__ = ("_clock", "_since")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """``clock`` returns seconds."""
        self._clock = clock
        self._since: OrderedDict[tuple[str, int], float] = OrderedDict()

    def add(self, peer: str, device: int) -> None:
        """Notes that the bundle of this device could not be fetched now."""
        self._since[peer, device] = self._clock()
        self._since.move_to_end((peer, device))
        if len(self._since) > _MAX_BUNDLES:
            self._since.popitem(last=False)

    def check(self, peer: str, device: int) -> None:
        """Checks that fetching a bundle did not fail a moment ago. Raises BundleDownloadFailed."""
        since = self._since.get((peer, device))
        if since is not None and self._clock() - since < RETRY_AFTER:
            raise BundleDownloadFailed(f"There were no keys of {peer}: {device} a moment ago.")

    def forget(self, peer: str) -> None:
        """The account published a new device list, so its bundles may be there now."""
        for key in [key for key in self._since if key[0] == peer]:
            del self._since[key]

    def clear(self) -> None:
        """Forgets everything."""
        self._since.clear()
