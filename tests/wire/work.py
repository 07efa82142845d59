"""Work that preparing texts makes, counted in calls of the libraries that do it: the same on any machine."""

from __future__ import annotations

import sys
from types import FrameType, TracebackType

_PLACES = ("precis_i18n", "/idna/", "stringprep")
#: Past it, what is measured is ended: a quadratic case would take minutes.
_LIMIT = 2_000_000


class TooMuchWork(Exception):
    """What is measured does far more than any test allows."""


class Work:
    """Counts calls within what prepares texts on this thread, while it is entered."""

    def __init__(self) -> None:
        self.calls = 0

    def __enter__(self) -> Work:
        sys.setprofile(self._count)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.setprofile(None)

    def _count(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and any(place in frame.f_code.co_filename for place in _PLACES):
            self.calls += 1
            if self.calls > _LIMIT:
                raise TooMuchWork
