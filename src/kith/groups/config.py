"""The configuration of a group (XEP-0045 §10.2), as it is stored."""

from __future__ import annotations

import msgspec

#: Who may do something: everybody who is in the group, or those who administer it.
MEMBERS, ADMINS = "members", "admins"


class Config(msgspec.Struct, frozen=True, omit_defaults=True):
    """The configuration of a group. The defaults are those of a group of people who know each other.

    ``members_only``: only members may enter. ``public``: the group is listed by the service. ``anonymous``:
    addresses are shown to moderators only. ``moderated``: who enters needs voice to speak. ``announce``: only
    admins may write. ``invite``, ``change``: who may add people, and who may change name, description and
    picture (`MEMBERS` or `ADMINS`). ``persistent``: it exists until it is destroyed; otherwise until the last
    occupant has left. ``archive``: messages are kept. ``private_messages``: who may send messages to one
    occupant: anyone, participants, moderators or none. ``announced``: the roles whose coming and going
    is announced. ``history``: whether newcomers see what was said before. ``approve``: who comes with
    a link has to be let in by an admin. ``expire``: after how many
    seconds messages disappear; 0: they do not.
    ``requests``: people may ask to become members, and admins decide.
    """

    name: str = ""
    description: str = ""
    language: str = ""
    members_only: bool = True
    public: bool = False
    anonymous: bool = False
    moderated: bool = False
    announce: bool = False
    persistent: bool = True
    archive: bool = True
    invite: str = MEMBERS
    change: str = MEMBERS
    password: str = ""
    private_messages: str = "anyone"
    announced: tuple[str, ...] = ("moderator", "participant", "visitor")
    history: bool = False
    approve: bool = False
    expire: int = 0
    max_occupants: int = 0
    requests: bool = False

    @property
    def is_logged(self) -> bool:
        """Whether people who do not belong to the group may read what is said (XEP-0045 §7.2.12)."""
        return self.archive and not self.members_only

    @property
    def is_open_archive(self) -> bool:
        """Whether everybody who may enter may read what was said before."""
        return not self.members_only or self.history


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Config).decode


def dump(config: Config) -> bytes:
    """The configuration as it is stored."""
    return _encode(config)


def load(data: bytes) -> Config:
    return _decode(data)
