"""How commands report that they failed."""

from __future__ import annotations

import sys
from typing import NoReturn

from kith.terminal import say


def fail(text: str) -> NoReturn:
    """Prints one line to standard error, and ends the program with status 2."""
    say(f"kith: {text}", sys.stderr)
    raise SystemExit(2)
