"""A group in memory: an actor, found by its address, whose state is at one node."""

from __future__ import annotations

import msgspec

from kith.base.slots import slot_of
from kith.groups.config import Config
from kith.groups.members import Affiliation, Members
from kith.groups.occupants import Occupants, Role
from kith.wire.jid import JID, parse_jid


class State(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is stored of a group beside its configuration and members.

    ``number``: increases with each change of who is a member. ``created``: a time in milliseconds since 1970.
    ``creator``: a bare address. ``subject``: the topic, with the nickname of who has set it, and the time in
    milliseconds. ``destroyed``: the group has no members any more, and can be created again; ``alternate``:
    the address of another one that its members were told to go to.
    """

    number: int = 1
    removed: int = 0
    """The number when somebody ceased to belong to it for the last time."""
    created: int = 0
    creator: str = ""
    subject: str = ""
    subject_by: str = ""
    subject_at: int = 0
    destroyed: bool = False
    alternate: str = ""
    link: str = ""
    """The token of the link by which people come in (`kith.groups.links`), or empty."""
    locked: bool = False
    """Its owner has not configured it yet, so nobody else may enter (XEP-0045 §10.1)."""
    avatar: str = ""
    """The SHA-1 of its picture in hexadecimal digits (XEP-0153); empty: it has none."""


class Group:
    """A group that this node owns.

    ``jid``: its address as text; ``address``: as a `JID`. ``id``: that of its log and documents.
    """

    __slots__ = (
        "__weakref__",
        "address",
        "config",
        "id",
        "jid",
        "members",
        "occupants",
        "slot",
        "state",
    )

    def __init__(self, jid: str, id: int, config: Config, state: State, members: Members) -> None:
        self.jid = jid
        self.address: JID = parse_jid(jid)
        self.id = id
        self.slot = slot_of(jid)
        self.config = config
        self.state = state
        self.members = members
        self.occupants = Occupants()

    def role_of(self, affiliation: Affiliation) -> Role:
        """The role that somebody with an affiliation has at first (XEP-0045 §5.1.2)."""
        if affiliation >= Affiliation.ADMIN:
            return Role.MODERATOR
        if affiliation is Affiliation.OUTCAST or (
            affiliation is Affiliation.NONE and self.config.members_only
        ):
            return Role.NONE
        if self.config.announce or (self.config.moderated and affiliation is Affiliation.NONE):
            return Role.VISITOR
        return Role.PARTICIPANT

    @property
    def is_over(self) -> bool:
        """Whether the last occupant has left a group that exists only as long as there are some.

        Such a group is temporary, or its creator has not configured it (XEP-0045 §10.1).
        """
        return self.is_temporary and self.occupants.were_here and not len(self.occupants)

    @property
    def is_temporary(self) -> bool:
        """Whether it exists only as long as somebody is there."""
        return not self.config.persistent or self.state.locked

    def at(self, nick: str) -> JID:
        """The address of an occupant or member within the group."""
        return self.address.with_resource(nick)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(State).decode


def dump(state: State) -> bytes:
    """The state as it is stored."""
    return _encode(state)


def load(data: bytes) -> State:
    return _decode(data)
