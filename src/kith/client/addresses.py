"""Addresses that people type, and where an account's data are kept."""

from __future__ import annotations

import os
import re
from pathlib import Path

from slixmpp import JID
from slixmpp.jid import InvalidJID

from kith.client.errors import InvalidAddress


def bare(address: str) -> str:
    """The normalised bare address, without a resource. Raises InvalidAddress."""
    try:
        jid = JID(address.strip())
    except (InvalidJID, UnicodeError):  # half of a surrogate pair can't be encoded
        raise InvalidAddress(f"{address!r} is not an address: it looks like name@example.org") from None
    if not jid.user or not jid.domain:
        raise InvalidAddress(f"{address!r} is not an address: it looks like name@example.org")
    return str(jid.bare)


def data_folder(jid: str) -> Path:
    """The default folder for the keys and history of an account (XDG base directories)."""
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "kith" / re.sub(r"[^\w.@+-]", "_", jid)
