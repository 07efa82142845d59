"""What the fake server keeps of an account: roster, archive, PEP nodes, block list, and its streams."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

if TYPE_CHECKING:
    from kith.client.testing.session import Session

CLIENT = "jabber:client"
_ids = itertools.count(1)


@dataclass
class Contact:
    """An entry of a roster. ``to``: the account sees the contact's presence; ``sees``: the contact its."""

    name: str = ""
    to: bool = False
    sees: bool = False
    asked: bool = False

    @property
    def subscription(self) -> str:
        """As RFC 6121 has it."""
        return {(True, True): "both", (True, False): "to", (False, True): "from"}.get(
            (self.to, self.sees), "none"
        )


@dataclass
class Entry:
    """A message in an archive."""

    id: str
    time: datetime
    message: Element


@dataclass
class Account:
    """An account of the fake server."""

    jid: str
    password: str
    sessions: list[Session] = field(default_factory=list)
    roster: dict[str, Contact] = field(default_factory=dict)
    archive: list[Entry] = field(default_factory=list)
    nodes: dict[str, dict[str, Element]] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    waiting: list[Element] = field(default_factory=list)
    """Subscription requests that came while nobody was online."""

    def available(self) -> Iterator[Session]:
        """The streams that have sent presence."""
        return (session for session in list(self.sessions) if session.presence is not None)

    def keep(self, message: Element) -> str:
        """Archives a message. Returns its id in the archive."""
        entry = Entry(f"{next(_ids):012}", datetime.now(UTC), deepcopy(message))
        self.archive.append(entry)
        return entry.id

    def page(self, after: str | None, start: datetime | None, limit: int) -> tuple[list[Entry], bool]:
        """A page of the archive (XEP-0313) and whether it is complete; the last one without a place.

        Raises KeyError if the archive does not have the place.
        """
        found = self.archive
        if after is not None:
            place = next((n for n, entry in enumerate(found) if entry.id == after), None)
            if place is None:
                raise KeyError(after)
            found = found[place + 1 :]
        elif start is not None:
            found = [entry for entry in found if entry.time >= start]
        else:
            return found[-limit:], len(found) <= limit
        return found[:limit], len(found) <= limit

    def item(self, peer: str) -> Element:
        """The roster entry of a contact."""
        contact = self.roster[peer]
        element = Element(
            "{jabber:iq:roster}item", jid=peer, name=contact.name, subscription=contact.subscription
        )
        if contact.asked:
            element.set("ask", "subscribe")
        return element

    def push(self, peer: str) -> None:
        """Tells the account's streams that a contact has changed."""
        if peer in self.roster:
            item = self.item(peer)
        else:
            item = Element("{jabber:iq:roster}item", jid=peer, subscription="remove")
        for session in self.sessions:
            iq = Element(f"{{{CLIENT}}}iq", type="set", id=f"push{next(_ids)}", to=session.jid)
            SubElement(iq, "{jabber:iq:roster}query").append(deepcopy(item))
            session.write(iq)
