"""Notes in the audit log what commands do, and who runs them."""

from __future__ import annotations

import os
import pwd

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.ports.store import Store
from kith.records.audit import Actor, Audit


def actor() -> Actor:
    """The user who runs the command; behind sudo, the one who has called it."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"user {os.getuid()}"
    sudo = os.environ.get("SUDO_USER", "")
    return Actor(f"{sudo} as {user}" if sudo and sudo != user else user, "command")


async def note(store: Store, action: str, target: str = "", details: str = "") -> None:
    """Adds an entry."""
    await Audit(store, Clock(), Randomness()).note(actor(), action, target, details)
