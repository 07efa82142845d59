"""Nicknames of members: unique within their group."""

from __future__ import annotations

import hashlib
import itertools

from kith.groups.group import Group
from kith.wire.jid import parse_jid

#: How long a nickname that the group gives may be.
_LONGEST = 60


def free_nick(group: Group, wanted: str, bare: str, taken: set[str]) -> str:
    """A nickname that nobody else has: the wanted one, or one made of it.

    ``bare``: whose it will be. ``taken``: those that are given to others in the same step.
    """
    try:
        base = parse_jid(f"{group.jid}/{wanted[:_LONGEST]}").resource if wanted else ""
    except ValueError:
        base = ""
    base = base or "member-" + hashlib.blake2b(f"{group.jid}\0{bare}".encode(), digest_size=4).hexdigest()
    for number in itertools.count(1):
        nick = base if number == 1 else f"{base} {number}"
        occupant = group.occupants.get(nick)
        free = occupant is None or occupant.bare == bare
        if free and nick not in taken and group.members.with_nick(nick) in (None, bare):
            return nick
    raise AssertionError("unreachable")
