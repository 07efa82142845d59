"""Tells a service manager how far the start has come (sd_notify(3)), if one has started this process."""

from __future__ import annotations

import os
import socket

import structlog

logger = structlog.get_logger("kith")


def notify(state: str) -> None:
    """Sends a state such as ``READY=1`` to the socket that ``NOTIFY_SOCKET`` names, if it is set."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket (unix(7))
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
            manager.sendto(state.encode(), address)
    except OSError as error:
        logger.warning("the service manager can't be told", state=state, error=error.strerror)
