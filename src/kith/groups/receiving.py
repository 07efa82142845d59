"""Which sessions get the messages of groups from the account's log, without entering the groups.

A client asks for that when it binds (Bind 2) or later. It gets the entries of groups live, in order with all
others, and reads what it has missed from the account's archive, with `include-groupchat` (XEP-0313). Other
clients enter groups as rooms (XEP-0045), and never see these entries.
"""

from __future__ import annotations

from kith.core.actors.account import Session


def receives(session: Session) -> bool:
    """Whether a session has asked for the messages of groups, and gets messages now (RFC 6121 §8.5.2)."""
    return session.shared and session.presence is not None and session.priority >= 0
