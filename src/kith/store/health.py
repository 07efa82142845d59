"""Logs when the disk fails, and when it works again."""

from __future__ import annotations

import threading
import time

import structlog

from kith.ports.store import Unavailable
from kith.store.errors import Damaged, Full, Locked, Removed

logger = structlog.get_logger("kith")
#: Commits that take longer are logged, in seconds.
SLOW = 5.0
#: Read errors are logged once in this many seconds.
_LOG_INTERVAL = 600.0
_LOOK = "check the disk; the server continues by itself"
#: How long no write must have failed before the disk counts as working again, in seconds.
_CALM = 2.0
_TODO = {
    Full: "free disk space; the server continues by itself",
    Locked: "stop what has locked the database",
    Removed: "move it back, and the server continues; or stop the server and restore a backup",
    Damaged: "stop the server, run `kith doctor`, and restore a backup",
}


class Health:
    """Collects errors from the threads of the store, and logs them. `watch` is called once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing_since = 0.0  # 0: writes succeed
        self._refused = 0
        self._refused_last = 0.0
        self._damage_logged_at = self._unreadable_logged_at = -_LOG_INTERVAL
        self._commit_since = 0.0  # 0: none is under way
        self._slow_since = 0.0

    # -- writes ---------------------------------------------------------------------------------------

    @property
    def failing(self) -> bool:
        """Whether the disk has refused the last write."""
        return self._failing_since > 0

    def committing(self) -> None:
        """Notes that a commit begins."""
        self._commit_since = time.monotonic()

    def committed(self) -> None:
        """Notes that the commit has ended, successfully or not."""
        self._commit_since = 0.0

    def refused(self, error: Unavailable, count: int) -> None:
        """Notes that ``count`` writes failed."""
        if isinstance(error, Damaged):
            self.damaged(error)
            return
        with self._lock:
            first = not self._failing_since
            self._refused += count
            self._refused_last = time.monotonic()
            if first:
                self._failing_since = time.monotonic()
        if first:
            todo = _TODO.get(type(error), _LOOK)
            logger.error("the disk refuses to store", error=str(error), todo=todo)

    def stored(self) -> None:
        """Notes a successful write.

        On a disk that is nearly full, a small write may succeed and the next may fail.
        """
        with self._lock:
            if time.monotonic() - self._refused_last < _CALM:
                return
            since, refused = self._failing_since, self._refused
            self._failing_since, self._refused = 0.0, 0
        if since:
            logger.warning("the disk stores again", after=_seconds(since), refused=refused)

    # -- reads ----------------------------------------------------------------------------------------

    def unreadable(self, error: Unavailable) -> None:
        """Notes a failed read."""
        if isinstance(error, Damaged):
            self.damaged(error)
        else:
            now = time.monotonic()
            with self._lock:
                log, self._unreadable_logged_at = now - self._unreadable_logged_at > _LOG_INTERVAL, now
            if log:
                logger.error("the disk can't be read", error=str(error), todo=_LOOK)

    def damaged(self, error: Unavailable) -> None:
        """Notes that the database is damaged."""
        now = time.monotonic()
        with self._lock:
            log = now - self._damage_logged_at > _LOG_INTERVAL
            if log:
                self._damage_logged_at = now
        if log:
            logger.error("the database is damaged", error=str(error), todo=_TODO[Damaged])

    # -- time -----------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Logs when a commit takes long, and when it has ended. Called on the thread of the event loop."""
        since = self._commit_since
        if self._slow_since:
            if since != self._slow_since:
                logger.warning("the disk answers again", after=_seconds(self._slow_since))
                self._slow_since = 0.0
        elif since and time.monotonic() - since > SLOW:
            self._slow_since = since
            logger.error("the disk does not answer", seconds=SLOW, todo="messages wait; look at the disk")


def _seconds(since: float) -> float:
    return round(time.monotonic() - since, 1)
