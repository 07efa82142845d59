"""The values that the SDK has for groups: the group, its members, what changed, mentions, polls, receipts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Affiliation(Enum):
    """What somebody is in a group (XEP-0045 §5.2)."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    NONE = "none"
    OUTCAST = "outcast"
    """Banned: nobody can add them."""

    @property
    def belongs(self) -> bool:
        """Whether it is a member's, an admin's or an owner's."""
        return self in (Affiliation.OWNER, Affiliation.ADMIN, Affiliation.MEMBER)

    @property
    def manages(self) -> bool:
        """Whether it is an admin's or an owner's."""
        return self in (Affiliation.OWNER, Affiliation.ADMIN)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a group, which admins change.

    ``announce``: only admins write. ``history``: newcomers get the last messages. ``invite`` and ``change``:
    who adds people, and who changes name and description: ``members`` or ``admins``. ``expire``: seconds
    after which messages disappear, 0 for never. ``anonymous``: only admins see addresses. ``public``: it is
    listed. ``open``: everybody may enter.
    """

    announce: bool = False
    history: bool = False
    invite: str = "members"
    change: str = "members"
    expire: int = 0
    anonymous: bool = False
    public: bool = False
    open: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody in a group.

    ``invited``: they were asked to join and have not accepted, and get nothing until then. ``since``: when
    they came, as far as is known. ``by``: who added them.
    """

    jid: str
    affiliation: Affiliation
    nick: str = ""
    invited: bool = False
    since: datetime | None = None
    by: str = ""

    @property
    def belongs(self) -> bool:
        """Whether they get the messages of the group."""
        return self.affiliation.belongs and not self.invited

    @property
    def name(self) -> str:
        """How the group calls them."""
        return self.nick or self.jid


@dataclass(frozen=True, slots=True)
class Group:
    """A group as this device knows it.

    ``affiliation``: ours; ``NONE`` if we have left, were removed, or the group was destroyed. ``invited``: we
    were asked to join, see `Client.join_group`. ``members``: everybody who belongs to it or is invited.
    """

    jid: str
    name: str
    description: str
    affiliation: Affiliation
    invited: bool
    number: int
    settings: Settings
    members: tuple[Member, ...]
    creator: str = ""
    created: datetime | None = None
    destroyed: bool = False

    @property
    def title(self) -> str:
        """Its name, or the names of its members, or its address."""
        names = ", ".join(member.name for member in self.members[:5])
        return self.name or names or self.jid

    @property
    def belongs(self) -> bool:
        """Whether we are in it."""
        return self.affiliation.belongs and not self.invited

    @property
    def writable(self) -> bool:
        """Whether we may write."""
        return self.belongs and (self.affiliation.manages or not self.settings.announce)

    @property
    def is_public(self) -> bool:
        """Whether anybody may enter or find it, so that messages are not encrypted by default."""
        return self.settings.open or self.settings.public

    def member(self, jid: str) -> Member | None:
        """The member with an address."""
        return next((member for member in self.members if member.jid == jid), None)


@dataclass(frozen=True, slots=True)
class MemberChange:
    """How one member changed. ``was`` and ``now`` are the same if they have another nickname.

    ``moved``: the address that they had before, if they have another one now, and keep their place.
    """

    jid: str
    was: Affiliation
    now: Affiliation
    invited: bool = False
    nick: str = ""
    moved: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody changed in a group. ``name`` and ``description`` are the new ones, or None."""

    by: str
    members: tuple[MemberChange, ...] = ()
    name: str | None = None
    description: str | None = None
    settings: bool = False
    avatar: bool = False
    destroyed: bool = False


@dataclass(frozen=True, slots=True)
class Mention:
    """A part of a text that means a member, or everybody (``jid`` is empty). In characters of the text."""

    start: int
    end: int
    jid: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """An answer that a poll offers."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Poll:
    """A question to a group. ``several``: people may choose more than one option."""

    question: str
    options: tuple[Option, ...]
    several: bool = False


@dataclass(frozen=True, slots=True)
class PollResult:
    """The votes so far: for each option, by id, the addresses of those who chose it."""

    poll: Poll
    votes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    closed: bool = False

    def count(self, option: Option | str) -> int:
        """How many have chosen an option."""
        return len(self.votes.get(option if isinstance(option, str) else option.id, ()))


@dataclass(frozen=True, slots=True)
class Receipts:
    """How many of the ``of`` other members have received a message of ours, and have read it."""

    delivered: int
    read: int
    of: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """When a member has received and read a message of ours; None: not yet, or not known."""

    jid: str
    delivered: datetime | None
    read: datetime | None
