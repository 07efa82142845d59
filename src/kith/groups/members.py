"""The members of a group: their affiliations (XEP-0045 §5.2), and the number of each change.

A group is membership, not presence: members get all messages in their logs. Each change of who is a member
increases the group's number, and a message can name the number of the members that it was encrypted for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import IntEnum

import msgspec


class Affiliation(IntEnum):
    """An affiliation. A greater one includes the rights of those below."""

    OUTCAST = -1
    NONE = 0
    MEMBER = 1
    ADMIN = 2
    OWNER = 3

    @property
    def word(self) -> str:
        """The name of the affiliation on the wire."""
        return self.name.lower()


#: The affiliations by their names on the wire.
AFFILIATIONS = {affiliation.word: affiliation for affiliation in Affiliation}


class Member(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody with an affiliation: a member, an admin or owner, or an outcast, who may not enter.

    ``jid``: the bare address. ``account``: the id of the account, 0 if it is on another server. ``nick``: the
    registered nickname. ``since``: the time from which on this person is in the group, in milliseconds since
    1970. ``number``: the group's number when the affiliation was changed for the last time. ``by``: who has
    changed it. ``pending``: the person is only invited, and belongs to the group from entering on.
    """

    jid: str
    affiliation: Affiliation
    account: int = 0
    nick: str = ""
    since: int = 0
    number: int = 0
    by: str = ""
    reason: str = ""
    pending: bool = False

    @property
    def belongs(self) -> bool:
        """Whether the messages of the group go into this person's log."""
        return self.affiliation >= Affiliation.MEMBER and not self.pending


class Members:
    """The affiliations of a group by bare address.

    ``recipients``: the account ids of all members on this server, by address; ``audience``: the ids alone.
    Both are new objects whenever they change.
    """

    def __init__(self, members: Iterable[Member]) -> None:
        self._members = {member.jid: member for member in members}
        self._nicks = {member.nick: member.jid for member in self._members.values() if member.nick}
        self._banned = {jid for jid in self._members if "@" not in jid}  # whole servers
        self._recipients: dict[str, int] | None = None
        self._audience: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[Member]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def get(self, jid: str) -> Member | None:
        return self._members.get(jid)

    def affiliation(self, jid: str) -> Affiliation:
        """The affiliation of a bare address. If a whole server is banned, so are its people."""
        member = self._members.get(jid)
        if member is not None:
            return member.affiliation
        if self._banned and jid.partition("@")[2] in self._banned:
            return Affiliation.OUTCAST
        return Affiliation.NONE

    def rights(self, jid: str) -> Affiliation:
        """The affiliation by which somebody may do something. Who is only invited has none yet."""
        member = self._members.get(jid)
        return Affiliation.NONE if member is not None and member.pending else self.affiliation(jid)

    def with_nick(self, nick: str) -> str | None:
        """The bare address of the member who has registered a nickname, or None."""
        return self._nicks.get(nick)

    @property
    def recipients(self) -> dict[str, int]:
        if self._recipients is None:
            self._recipients = {
                member.jid: member.account
                for member in self._members.values()
                if member.belongs and member.account
            }
            self._audience = tuple(self._recipients.values())
        return self._recipients

    @property
    def audience(self) -> tuple[int, ...]:
        return self._audience if self.recipients else ()

    def belonging(self) -> list[Member]:
        """All who belong to the group."""
        return [member for member in self._members.values() if member.belongs]

    def put(self, member: Member) -> None:
        """Adds or replaces a member; with the affiliation `Affiliation.NONE`, removes one."""
        self.drop(member.jid)
        if member.affiliation is not Affiliation.NONE:
            self._members[member.jid] = member
            if "@" not in member.jid:
                self._banned.add(member.jid)
            if member.nick:
                self._nicks[member.nick] = member.jid

    def drop(self, jid: str) -> None:
        self._recipients = None
        self._banned.discard(jid)
        was = self._members.pop(jid, None)
        if was is not None and self._nicks.get(was.nick) == jid:
            del self._nicks[was.nick]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Member).decode


def dump(member: Member) -> bytes:
    """A member as it is stored."""
    return _encode(member)


def load(data: bytes) -> Member:
    return _decode(data)
