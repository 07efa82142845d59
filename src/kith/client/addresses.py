"""Addresses: of people, of servers, and of the folder in which an account's data are kept."""

from __future__ import annotations

import os
import re
from pathlib import Path

from kith.client.errors import InvalidAddress


def bare(address: str) -> str:
    """The normalized bare address, without a resource. Raises InvalidAddress."""
    from slixmpp import JID  # it takes long to import
    from slixmpp.jid import InvalidJID

    try:
        jid = JID(address.strip())
    except (InvalidJID, UnicodeError):  # half of a surrogate pair can't be encoded
        raise InvalidAddress(f"{address!r} is not an address: it looks like name@example.org") from None
    if not jid.user or not jid.domain:
        raise InvalidAddress(f"{address!r} is not an address: it looks like name@example.org")
    return str(jid.bare)


#: The port on which TLS begins with the first byte, by convention.
DIRECT_TLS_PORT = 5223


def server_address(domain: str, host: str | None, port: int | None) -> tuple[str | None, int | None]:
    """The host and port to connect to. (None, None) means to ask DNS for the domain.

    The caller's values come first, then KITH_HOST and KITH_PORT of the environment. ``localhost`` needs no
    DNS.
    """
    host = host or os.environ.get("KITH_HOST") or None
    port = port or int(os.environ.get("KITH_PORT") or 0) or None
    if host or port or domain == "localhost":
        return host or domain, port or 5222
    return None, None


def data_folder(jid: str) -> Path:
    """The default folder for the keys and history of an account (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "kith" / re.sub(r"[^\w.@+-]", "_", jid)
