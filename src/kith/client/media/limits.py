"""Numbers of docs/media.md."""

from __future__ import annotations

from typing import Final

KEY_BYTES: Final = 32
IV_BYTES: Final = 12
#: Files that are larger are sent as segments: many apps can decrypt whole files in memory alone.
MOST_WHOLE: Final = 64 * 1024 * 1024
#: More than any file has that is fetched.
FILE_BYTES: Final = 1 << 40
