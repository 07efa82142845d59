"""The server's secret, from which tokens and other keys are derived. It is a file, not in the database."""

from __future__ import annotations

import os
from pathlib import Path

from kith.base.randomness import Randomness

_BYTES = 32


def has_secret(path: Path) -> bool:
    """Whether a server has used this data folder before: it creates the file after the database."""
    return path.is_file() and path.stat().st_size >= _BYTES


def ensure_secret(path: Path, randomness: Randomness) -> bytes:
    """Reads the secret, or creates it, readable by the owner only. Raises OSError."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        found = path.read_bytes()
        if len(found) >= _BYTES:
            return found
        path.unlink()  # a start that was cut off
        return ensure_secret(path, randomness)
    with os.fdopen(descriptor, "wb") as file:
        file.write(made := randomness.bytes(_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return made
