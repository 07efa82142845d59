"""The occupants of a group: clients that have entered it as a room (XEP-0045 §7).

They are in memory only: after a restart, clients enter again. Members need not be occupants.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from xml.etree.ElementTree import Element

from kith.wire.jid import JID


class Role(IntEnum):
    """A role (XEP-0045 §5.1). A greater one includes the rights of those below."""

    NONE = 0
    VISITOR = 1
    PARTICIPANT = 2
    MODERATOR = 3

    @property
    def word(self) -> str:
        """The name of the role on the wire."""
        return self.name.lower()


#: The roles by their names on the wire.
ROLES = {role.word: role for role in Role}


class Occupant:
    """An occupant: one nickname, with all clients of one person that use it.

    ``bare``: the person's address. ``clients``: by full address as text, the address and the children of its
    last presence.
    """

    __slots__ = ("bare", "clients", "nick", "role")

    def __init__(self, nick: str, bare: str, role: Role) -> None:
        self.nick = nick
        self.bare = bare
        self.role = role
        self.clients: dict[str, tuple[JID, list[Element]]] = {}

    def presence(self) -> list[Element]:
        """The children of the presence that the others see: that of the client that has entered last."""
        return next(reversed(self.clients.values()))[1]


class Occupants:
    """The occupants of a group, by nickname.

    ``were_here``: there has been one since it is in memory. ``versioned``: the clients that want affiliations
    with their version (`kith.groups.versions`). ``introduced``: by client, the nicknames of members who have
    not entered, and whom it knows as if they had (`kith.groups.presence.RoomPresence.introduce`).
    """

    def __init__(self) -> None:
        self.versioned: set[str] = set()
        self.introduced: dict[str, set[str]] = {}
        self.were_here = False
        self._by_nick: dict[str, Occupant] = {}
        self._by_client: dict[str, Occupant] = {}

    def __iter__(self) -> Iterator[Occupant]:
        return iter(self._by_nick.values())

    def __len__(self) -> int:
        return len(self._by_nick)

    def get(self, nick: str) -> Occupant | None:
        return self._by_nick.get(nick)

    def of(self, client: str) -> Occupant | None:
        """The occupant that a client is, given its full address."""
        return self._by_client.get(client)

    def of_person(self, bare: str) -> list[Occupant]:
        """All occupants that a person is, or, given a domain, that come from there."""
        if "@" not in bare:
            return [it for it in self._by_nick.values() if it.bare.partition("@")[2] == bare]
        return [occupant for occupant in self._by_nick.values() if occupant.bare == bare]

    def clients(self) -> Iterator[tuple[Occupant, JID]]:
        """All clients, with the occupant that each is."""
        for occupant in self._by_nick.values():
            for jid, _ in occupant.clients.values():
                yield occupant, jid

    def enter(self, occupant: Occupant, client: JID, presence: list[Element]) -> None:
        """Adds a client, or notes its new presence."""
        self.were_here = True
        if occupant.nick not in self._by_nick:
            for nicks in self.introduced.values():
                nicks.discard(occupant.nick)
        self._by_nick[occupant.nick] = occupant
        self._by_client[str(client)] = occupant
        occupant.clients.pop(str(client), None)
        occupant.clients[str(client)] = client, presence

    def leave(self, client: str) -> Occupant | None:
        """Removes a client. Returns the occupant that it was; without any ``clients`` left, that is gone."""
        occupant = self._by_client.pop(client, None)
        self.versioned.discard(client)
        self.introduced.pop(client, None)
        if occupant is not None:
            del occupant.clients[client]
            if not occupant.clients:
                del self._by_nick[occupant.nick]
        return occupant

    def rename(self, occupant: Occupant, nick: str) -> None:
        """Gives an occupant another nickname."""
        del self._by_nick[occupant.nick]
        occupant.nick = nick
        self._by_nick[nick] = occupant
