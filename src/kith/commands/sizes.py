"""Numbers of bytes for people: in powers of 1024, as the settings' defaults and docs/media.md are."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


def size(count: float) -> str:
    """A number of bytes, like ``5.9 KiB``."""
    for unit in _UNITS:
        # what would be rounded to 1024 of a unit is one of the next
        if round(count, 0 if count >= 99.95 else 1) < 1024 or unit == _UNITS[-1]:
            break
        count /= 1024
    return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
