"""Bundles of keys that could not be had a moment ago, so that they are not asked for again and again."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from omemo.session_manager import BundleDownloadFailed

#: How long one is not asked for, in seconds. A device that has just been made may publish its list first.
FOR = 30.0
_MOST = 2000


class Missing:
    """By account and device. Each message to somebody would ask for all of theirs, several times."""

    __slots__ = ("_clock", "_since")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: OrderedDict[tuple[str, int], float] = OrderedDict()

    def add(self, peer: str, device: int) -> None:
        """It could not be had now."""
        self._since[peer, device] = self._clock()
        self._since.move_to_end((peer, device))
        if len(self._since) > _MOST:
            self._since.popitem(last=False)

    def check(self, peer: str, device: int) -> None:
        """Raises BundleDownloadFailed if it could not be had a moment ago."""
        since = self._since.get((peer, device))
        if since is not None and self._clock() - since < FOR:
            raise BundleDownloadFailed(f"There were no keys of {peer}: {device} a moment ago.")

    def forget(self, peer: str) -> None:
        """The account has told something new of its devices."""
        for key in [key for key in self._since if key[0] == peer]:
            del self._since[key]

    def clear(self) -> None:
        self._since.clear()
