"""Decides who may read a node (XEP-0060 §4.5 and §6.1.3)."""

from __future__ import annotations

from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.features.pubsub.errors import pubsub_error
from kith.features.pubsub.nodes import Node, Record
from kith.wire.errors import StanzaError
from kith.wire.jid import JID

_NOBODY = Roster(0)
_STRICTNESS = ("open", "presence", "roster", "authorize", "whitelist")


def _stricter(model: str, ceiling: str) -> str:
    """The access model of a node, or that of the account's privacy settings if it is stricter."""
    return max(model, ceiling, key=_STRICTNESS.index)


async def roster_of(accounts: Accounts, owner: JID) -> Roster:
    """The roster of the owner of nodes; empty if it is a service."""
    return await accounts.roster(owner.bare) if owner.local else _NOBODY


def affiliation(node: Node, owner: str, asker: str) -> str:
    """The affiliation of a bare address: owner, publisher, member, outcast or none."""
    return _standing(node.record, owner, asker)


def _standing(record: Record, owner: str, asker: str) -> str:
    return "owner" if asker == owner else record.affiliations.get(asker, "none")


def subscribed(node: Node, asker: str) -> bool:
    """Whether a bare address, or one of its resources, is subscribed."""
    return _subscribed(node.record, asker)


def _subscribed(record: Record, asker: str) -> bool:
    return any(jid == asker or jid.startswith(f"{asker}/") for jid in record.subscribers)


def refusal(node: Node, roster: Roster, owner: str, asker: str) -> StanzaError | None:
    """The error for ``asker`` if it may not read or subscribe, else None. Addresses are bare."""
    return refused(node.record, roster, owner, asker, node.ceiling)


def refused(
    record: Record, roster: Roster, owner: str, asker: str, ceiling: str = "open"
) -> StanzaError | None:
    """As `refusal`, for a record of a node. ``ceiling``: the most open access model that is allowed."""
    standing = _standing(record, owner, asker)
    if standing == "owner":
        return None
    if standing == "outcast":
        return StanzaError("forbidden")
    model = _stricter(record.config.access_model, ceiling)
    if model == "open" or standing in ("member", "publisher"):
        return None
    if model == "whitelist":
        return pubsub_error("not-allowed", "closed-node")
    if model == "authorize":
        if _subscribed(record, asker):
            return None
        return pubsub_error("not-authorized", "not-subscribed")
    if model == "roster":
        if roster.subscription_from(asker) and roster.groups(asker) & set(
            record.config.roster_groups_allowed
        ):
            return None
        return pubsub_error("not-authorized", "not-in-roster-group")
    if roster.subscription_from(asker):
        return None
    return pubsub_error("not-authorized", "presence-subscription-required")
