"""A console of the library rich on which text from others is safe to print (see `kith.terminal`).

Everything that is printed passes through `safe` after rich has rendered it, so callers need not think of it.
But text that is inserted into a string with markup needs `plain_markup`, or it could be read as markup.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.segment import Segment

from kith.terminal import one_line, safe


class SafeConsole(Console):
    """A console that prints no escape sequences but its own. ``[…]`` and ``:…:`` are printed as they are.

    ``markup=True`` lets our own texts use rich's markup.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False} | settings)

    def _render_buffer(self, buffer: Iterable[Segment]) -> str:
        return super()._render_buffer(
            segment if segment.control else Segment(safe(segment.text), segment.style) for segment in buffer
        )


def plain_markup(text: str) -> str:
    """A text on one line, escaped for insertion into a string with markup."""
    return escape(one_line(text))
