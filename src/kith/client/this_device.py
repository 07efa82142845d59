"""What this device tells a server about itself."""

from __future__ import annotations

import platform
import socket


def this_device() -> dict[str, str]:
    """How this device describes itself to the server: name, software and platform."""
    return {"name": socket.gethostname()[:100], "software": "Kith", "platform": platform.system()[:100]}
