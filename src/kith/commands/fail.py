"""How a command ends when it can't do what it should."""

from __future__ import annotations

import sys
from typing import NoReturn

from kith.terminal import say


def fail(text: str) -> NoReturn:
    """One line for a person, and exit status 2."""
    say(f"kith: {text}", sys.stderr)
    raise SystemExit(2)
