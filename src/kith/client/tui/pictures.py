"""Pictures in the terminal, where it can show them: by kitty's protocol, sixel, or half blocks in colour.

The library asks the terminal what it knows when it is imported, so that has to happen before the app runs.
"""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING, Any, Final

from textual.widget import Widget

if TYPE_CHECKING:
    from PIL.Image import Image

#: Pictures of more bytes, or pixels, are not loaded by themselves.
MOST_BYTES: Final = 4 * 1024 * 1024
_MOST_PIXELS = 25_000_000
_WIDTH, _HEIGHT = 40, 14  # cells

_library: Any = None


def look_at_terminal() -> None:
    """Finds out what the terminal can show. Called before the app runs."""
    global _library
    if not sys.__stdin__ or not sys.__stdin__.isatty() or not sys.__stdout__ or not sys.__stdout__.isatty():
        return
    try:
        from textual_image import widget
    except (ImportError, OSError, TimeoutError):
        return
    _library = widget


def can_show() -> bool:
    """Whether pictures can be shown."""
    return _library is not None


def decoded(data: bytes) -> Image | None:
    """A picture, made small. It is slow, so call it in a thread. None if it is none that can be shown."""
    from PIL import Image, UnidentifiedImageError

    Image.init()
    try:
        picture = Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP", "GIF"))
        if picture.width * picture.height > _MOST_PIXELS:
            return None
        picture.draft("RGB", (800, 800))
        shown = picture.convert("RGB")
        shown.thumbnail((800, 800))
        return shown
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def picture_widget(shown: Image, width: int) -> Widget | None:
    """A widget with a picture, at most ``width`` cells wide. None if the terminal can't show any."""
    if _library is None:
        return None
    columns = min(_WIDTH, max(8, width))
    rows = max(2, round(columns * shown.height / shown.width / 2))
    if rows > _HEIGHT:
        rows, columns = _HEIGHT, max(4, round(_HEIGHT * 2 * shown.width / shown.height))
    widget: Widget = _library.Image(shown)
    widget.styles.width, widget.styles.height = columns, rows
    return widget
