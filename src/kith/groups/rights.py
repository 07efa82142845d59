"""Who may change the affiliation of whom (XEP-0045 §5.2.2)."""

from __future__ import annotations

from kith.groups.group import Group
from kith.groups.members import Affiliation
from kith.groups.messages import Author
from kith.wire.errors import StanzaError


def may_list(group: Group, mine: Affiliation, wanted: Affiliation) -> bool:
    """Whether somebody may see who has an affiliation.

    Members of a group without anonymity see each other; who is banned is the affair of admins.
    """
    if mine >= Affiliation.ADMIN:
        return True
    return wanted >= Affiliation.MEMBER and mine >= Affiliation.MEMBER and not group.config.anonymous


def check_may_change(group: Group, author: Author, jid: str, before: Affiliation, after: Affiliation) -> None:
    """Whether somebody may change the affiliation of ``jid``. Raises StanzaError."""
    mine = author.affiliation
    if jid == author.bare:
        if after is Affiliation.OUTCAST:
            raise StanzaError("conflict", "nobody bans themselves")
        if after <= mine:
            return  # everybody may leave, or step back
        raise StanzaError("forbidden", "nobody promotes themselves")
    if mine is Affiliation.OWNER:
        return
    if mine is Affiliation.ADMIN:
        if max(before, after) >= Affiliation.ADMIN:
            raise StanzaError("not-allowed", "only owners make and unmake admins and owners")
        return
    if mine is Affiliation.MEMBER and (before, after) == (Affiliation.NONE, Affiliation.MEMBER):
        if group.config.invite == "members":
            return
        raise StanzaError("forbidden", "only admins add people to this group")
    raise StanzaError("forbidden", "only admins may do this")
