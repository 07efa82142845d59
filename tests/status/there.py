"""A node with status in this process, and people who are contacts of each other."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from kith.core.actors.account import Session
from kith.core.actors.roster import Item
from kith.core.hooks.feature import Feature
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.features.archive import Archive
from kith.features.blocking import Blocking
from kith.features.disco import Disco
from kith.features.privacy import PrivacySettings
from kith.groups.expiry import GroupExpiry
from kith.status import ALL
from kith.status.service import StatusService
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza
from tests.clocks import SetClock
from tests.core.test_router import Gate
from tests.parts import DOMAIN, Room, room

STATUS = "urn:kith:status:0"
SERVICE = f"status.{DOMAIN}"
OMEMO = "eu.siacs.conversations.axolotl"
DAY = 86_400


class There:
    """What people post, and what they hear."""

    def __init__(self, there: Room, clock: SetClock) -> None:
        self.room = there
        self.node = there.node
        self.clock = clock
        self.service = there.node.get(StatusService)
        self._ids = count(1)
        self.gate = Gate()

    async def person(self, address: str, knows: bool = True, devices: Sequence[int] = ()) -> Session:
        """``ada/phone``, online. ``knows``: whether it knows status."""
        session = await self.room.session(address)
        if knows:
            await self.says(session, f"<iq type='set' id='k'><status xmlns='{STATUS}'/></iq>")
        if devices:
            await self.publishes(session, devices)
        return session

    async def publishes(self, session: Session, devices: Sequence[int]) -> None:
        """Publishes a list of OMEMO devices."""
        listed = "".join(f"<device id='{id}'/>" for id in devices)
        await self.says(
            session,
            "<iq type='set' id='d'><pubsub xmlns='http://jabber.org/protocol/pubsub'>"
            f"<publish node='{OMEMO}.devicelist'><item id='current'><list xmlns='{OMEMO}'>{listed}</list>"
            "</item></publish></pubsub></iq>",
        )

    async def befriend(self, *names: str, both: bool = True) -> None:
        """All are mutual contacts; not ``both``: they only see the presence of the others."""
        jids = [name if "@" in name else f"{name}@{DOMAIN}" for name in names]
        for jid in jids:
            if jid.endswith(f"@{DOMAIN}"):
                account = await self.node.accounts.load(jid)
                assert account is not None
                roster = await self.node.accounts.roster(jid)
                for other in jids:
                    if other != jid:
                        item = Item(other, to=True, from_=both, listed=True)
                        await roster.save(self.node.store, item)

    async def says(self, session: Session, xml: str) -> list[Stanza]:
        """Sends something, and returns what the same session hears."""
        await self.room.says(session, xml)
        return self.room.heard(session)

    async def post(
        self,
        session: Session,
        text: str,
        *people: str,
        id: str = "",
        seconds: int | None = None,
        keys: str = "",
    ) -> list[Stanza]:
        """Posts a status for people, by name, whose payload is ``text``."""
        return await self.says(session, self.status(text, *people, id=id, seconds=seconds, keys=keys))

    def status(
        self,
        text: str,
        *people: str,
        id: str = "",
        seconds: int | None = None,
        keys: str = "",
        more: str = "",
    ) -> str:
        named = "".join(f"<to jid='{name if '@' in name else f'{name}@{DOMAIN}'}'/>" for name in people)
        attrs = "" if seconds is None else f" seconds='{seconds}'"
        return (
            f"<message id='m{next(self._ids)}' to='{SERVICE}'><post xmlns='{STATUS}'{attrs}>{named}</post>"
            f"<encrypted xmlns='{OMEMO}'><header sid='1'>{keys}<iv>x</iv></header>"
            f"<payload>{text}</payload></encrypted><sealed xmlns='urn:kith:sealed:1' iv='x'>s{text}</sealed>"
            f"<origin-id xmlns='urn:xmpp:sid:0' id='{id or text}'/>{more}</message>"
        )

    async def about(self, session: Session, element: str) -> list[Stanza]:
        """Sends something about a status to the service."""
        return await self.says(
            session,
            f"<message id='m{next(self._ids)}' to='{SERVICE}'>{element}"
            f"<origin-id xmlns='urn:xmpp:sid:0' id='o{next(self._ids)}'/></message>",
        )

    async def retract(self, session: Session, id: str) -> list[Stanza]:
        return await self.about(session, f"<retract xmlns='{STATUS}' id='{id}'/>")

    async def see(self, session: Session, author: str, id: str) -> list[Stanza]:
        author = author if "@" in author else f"{author}@{DOMAIN}"
        return await self.about(session, f"<seen xmlns='{STATUS}' author='{author}' id='{id}'/>")

    async def foreign(self, sender: str, xml: str) -> list[str]:
        """A message comes from another server. Returns the conditions of its error."""
        text = xml.replace("<message ", f"<message from='{sender}' ", 1)
        foreign = Foreign(parse_jid(sender), self.gate, self.node.get(Post))
        try:
            work = self.node.get(Router).admit(foreign, Stanza.from_bytes(text.encode()), parse_jid(SERVICE))
            if isinstance(work, Awaitable):
                await work
        except StanzaError as error:
            return [error.condition]
        finally:
            await self.room.settle()
        return []

    def heard(self, session: Session) -> list[Stanza]:
        return self.room.heard(session)

    async def log(
        self, session: Session, after: str = "", most: int = 50, node: str = STATUS
    ) -> list[Stanza]:
        """What a session gets from the status log: results, and the answer."""
        self.heard(session)
        rsm = f"<max>{most}</max>" + (f"<after>{after}</after>" if after else "")
        return await self.says(
            session,
            f"<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' node='{node}'>"
            f"<set xmlns='http://jabber.org/protocol/rsm'>{rsm}</set></query></iq>",
        )


def kinds(stanzas: Iterable[Stanza]) -> list[str]:
    """What entries are: ``ada: text`` for statuses, ``ada deletes ID``, ``ben sees ID``."""
    found = []
    for stanza in stanzas:
        text = stanza.to_bytes().decode()
        inner = re.search(r"<forwarded.*?(<message.*?</message>)", text)
        entry = inner[1] if inner is not None else text
        who = re.search(r"from='([^@']*)@", entry)
        name = who[1] if who is not None else "?"
        if match := re.search(r"<payload>([^<]*)</payload>", entry):
            found.append(f"{name}: {match[1]}")
        elif match := re.search(rf"<retract xmlns='{STATUS}' id='([^']*)'", entry):
            found.append(f"{name} deletes {match[1]}")
        elif match := re.search(rf"<seen xmlns='{STATUS}' id='([^']*)'", entry):
            found.append(f"{name} sees {match[1]}")
    return found


def conditions(stanzas: Iterable[Stanza]) -> list[str]:
    """The conditions of errors."""
    return [
        match.decode()
        for stanza in stanzas
        if stanza.type == "error"
        for match in re.findall(rb"<([a-z-]+) xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/?>", stanza.inner)
        if match != b"text"
    ]


def ids(stanzas: Iterable[Stanza]) -> list[str]:
    """The ids of entries."""
    return [
        match
        for stanza in stanzas
        for match in re.findall(
            r"(?:<stanza-id [^>]* id|<result [^>]*id)='([0-9a-f]{16})'", str(stanza.to_bytes())
        )
    ]


@asynccontextmanager
async def statuses(folder: Path, *more: type[Feature], **given: Any) -> AsyncIterator[There]:
    clock = SetClock(1_796_000_000.0)
    wanted = (*more, Archive, Blocking, PrivacySettings, Disco, GroupExpiry, *ALL)
    async with room(folder, *wanted, **({"clock": clock} | given)) as there:
        there.rest()
        yield There(there, clock)
