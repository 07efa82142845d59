"""Nicknames of members: unique within their group."""

from __future__ import annotations

import hashlib
import itertools

from kith.groups.group import Group
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, prepare_resource

#: How many characters a nickname has at most.
_LONGEST = 60
#: Up to which number people with the same name are counted.
_COUNTED = 9


def acceptable(wanted: str) -> str:
    """A nickname as it is used: without spaces around it and in a row, and not too long.

    Raises StanzaError if nothing is left.
    """
    nick = " ".join(wanted[: 4 * _LONGEST].split())[:_LONGEST].rstrip()
    if nick == wanted:
        return nick
    try:
        return prepare_resource(nick)
    except ValueError:
        raise StanzaError("not-acceptable", "this can't be a nickname") from None


def usable(wanted: str) -> str:
    """A nickname as it is used; empty if it can't be one."""
    try:
        return acceptable(prepare_resource(wanted)) if wanted else ""
    except (ValueError, StanzaError):
        return ""


def default_nick(group: Group, jid: JID, taken: set[str]) -> str:
    """The nickname of a new member without a choice; in an anonymous group it does not tell the address.

    ``taken``: nicknames that are given to others in the same step.
    """
    return free_nick(group, "" if group.config.anonymous else jid.local, jid.bare, taken)


def free_nick(group: Group, wanted: str, bare: str, taken: set[str]) -> str:
    """A nickname that nobody else has: the wanted one, or one made of it.

    ``bare``: whose it will be. ``taken``: those that are given to others in the same step.
    """
    base = usable(wanted)
    base = base or "member-" + hashlib.blake2b(f"{group.jid}\0{bare}".encode(), digest_size=4).hexdigest()
    for number in itertools.count(1):
        nick = base if number == 1 else f"{base} {number}"
        if number > _COUNTED:  # so that many people with one name cost no more than others
            nick = f"{base} {hashlib.blake2b(f'{bare} {number}'.encode(), digest_size=4).hexdigest()}"
        occupant = group.occupants.get(nick)
        free = occupant is None or occupant.bare == bare
        if free and nick not in taken and group.members.with_nick(nick) in (None, bare):
            return nick
    raise AssertionError("unreachable")
