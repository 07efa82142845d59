"""The description of this device that a server shows in the account's list of devices."""

from __future__ import annotations

import platform
import socket


def this_device() -> dict[str, str]:
    """The name, software and platform of this device, at most 100 characters each."""
    return {"name": socket.gethostname()[:100], "software": "Kith", "platform": platform.system()[:100]}
