"""Rich's console for what others have written: see `kith.terminal`.

Whatever is printed passes `safe` at the last moment, behind all that rich has made of it, so that nobody
has to think of it; what is put into a string with markup needs `plain_markup`, or it may become markup.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.segment import Segment

from kith.terminal import one_line, safe


class SafeConsole(Console):
    """A console that prints no escape sequences but its own, and keeps ``[…]`` and ``:…:`` as they are.

    ``markup=True`` is for texts of our own.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False} | settings)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            segment if segment.control else Segment(safe(segment.text), segment.style) for segment in buffer
        )


def plain_markup(text: str) -> str:
    """On one line, to be put into a string with markup."""
    return escape(one_line(text))
