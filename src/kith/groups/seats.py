"""Occupants over a restart: who can resume its session is still in its rooms, and others are told to go.

A session that is saved for the next start (`kith.core.sessions.handover`) takes with it where it is, under
which nickname. Everybody else, such as people of other servers, gets status code 332 (XEP-0045 §11.2).
"""

from __future__ import annotations

from typing import Any

from kith.core.actors.account import Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.groups.group import Group
from kith.groups.occupants import Occupant, Role
from kith.groups.presence import Departure
from kith.groups.service import GroupService
from kith.wire.canonical import parse_children
from kith.wire.jid import JID
from kith.wire.serialize import serialize


class Seats(Feature):
    """Keeps the places of sessions that can be resumed."""

    def __init__(self, accounts: Accounts, groups: GroupService) -> None:
        self._accounts = accounts
        self._groups = groups

    def session_saved(self, session: Session) -> object:
        """Where a session is: for each room its address, the nickname, the role, and the presence."""
        seats = []
        for jid in session.directed or ():
            group = self._groups.groups.get(jid.bare) if jid.domain == self._groups.address else None
            occupant = group.occupants.of(session.full) if group is not None else None
            if group is not None and occupant is not None:
                presence = b"".join(map(serialize, occupant.clients[session.full][1]))
                seats.append([group.jid, occupant.nick, int(occupant.role), presence.decode()])
        return seats or None

    def session_restored(self, session: Session, saved: Any) -> None:
        for jid, nick, role, presence in saved:
            self._groups.later(jid, lambda args=(jid, nick, role, presence): self._seat(session, *args))  # type: ignore[misc]

    async def _seat(self, session: Session, jid: str, nick: str, role: int, presence: str) -> None:
        """Puts a session back in its place, if it may still be there. Nobody needs to be told."""
        group = await self._groups.groups.load(jid)
        if group is None or session.closed:
            return
        allowed = group.role_of(group.members.affiliation(session.bare))
        occupant = group.occupants.get(nick)
        if allowed is Role.NONE or (occupant is not None and occupant.bare != session.bare):
            return
        occupant = occupant or Occupant(nick, session.bare, Role(role))
        group.occupants.enter(occupant, session.jid, list(parse_children(presence.encode())))

    def leave(self) -> None:
        """The server stops: all occupants that will not be there after the next start have to go."""
        for group in self._groups.groups.all():
            for occupant, client in list(group.occupants.clients()):
                if not self._stays(client):
                    self._remove(group, occupant, client)

    def _stays(self, client: JID) -> bool:
        account = self._accounts.get(client.bare)
        session = account.sessions.get(client.resource) if account is not None else None
        return session is not None and session.sm is not None and session.sm.resumable

    def _remove(self, group: Group, occupant: Occupant, client: JID) -> None:
        group.occupants.leave(str(client))
        self._groups.presence.farewell(group, occupant, client, Departure(332))
