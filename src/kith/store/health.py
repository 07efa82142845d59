"""What the operator is told of the disk: a line when it fails, a line when it works again."""

from __future__ import annotations

import threading
import time

import structlog

from kith.ports.store import Unavailable
from kith.store.errors import Damaged, Full, Locked, Removed

logger = structlog.get_logger("kith")
#: A commit that takes longer is told of, in seconds.
SLOW = 5.0
#: What goes wrong with reading is told of so often, in seconds.
_AGAIN = 600.0
_LOOK = "look at the disk: it goes on by itself"
#: So long nothing was refused when the disk is taken for sound again, in seconds.
_CALM = 2.0
_TODO = {
    Full: "make room: it goes on by itself",
    Locked: "stop what has locked the database",
    Removed: "move it back: it goes on by itself; or stop the server, restore a backup",
    Damaged: "stop the server, run `kith doctor`, restore a backup",
}


class Health:
    """Told by the threads of the store what goes wrong, asked once a second (`watch`)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._failing_since = 0.0  # 0: writes succeed
        self._refused = 0
        self._refused_last = 0.0
        self._damage_told = self._unreadable_told = -_AGAIN
        self._commit_since = 0.0  # 0: none is under way
        self._slow_since = 0.0

    # -- writes ---------------------------------------------------------------------------------------

    @property
    def failing(self) -> bool:
        """Whether the last thing written was refused by the disk."""
        return self._failing_since > 0

    def committing(self) -> None:
        """A commit begins."""
        self._commit_since = time.monotonic()

    def committed(self) -> None:
        """It has ended, well or not."""
        self._commit_since = 0.0

    def refused(self, error: Unavailable, count: int) -> None:
        """So many writes failed."""
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
        """Something was written. On a disk that is nearly full, what is small may fit and the next not."""
        with self._lock:
            if time.monotonic() - self._refused_last < _CALM:
                return
            since, refused = self._failing_since, self._refused
            self._failing_since, self._refused = 0.0, 0
        if since:
            logger.warning("the disk stores again", after=_seconds(since), refused=refused)

    # -- reads ----------------------------------------------------------------------------------------

    def unreadable(self, error: Unavailable) -> None:
        """A read failed."""
        if isinstance(error, Damaged):
            self.damaged(error)
        else:
            now = time.monotonic()
            with self._lock:
                tell, self._unreadable_told = now - self._unreadable_told > _AGAIN, now
            if tell:
                logger.error("the disk can't be read", error=str(error), todo=_LOOK)

    def damaged(self, error: Unavailable) -> None:
        """The database is not what was written."""
        now = time.monotonic()
        with self._lock:
            tell = now - self._damage_told > _AGAIN
            if tell:
                self._damage_told = now
        if tell:
            logger.error("the database is damaged", error=str(error), todo=_TODO[Damaged])

    # -- time -----------------------------------------------------------------------------------------

    def watch(self) -> None:
        """Tells of a commit that takes long, and of its end. On the loop's thread."""
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
