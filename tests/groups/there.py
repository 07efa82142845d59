"""A node with groups in this process, and people in it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.features.archive import Archive
from kith.features.disco import Disco
from kith.features.markers import Markers
from kith.groups import ALL
from kith.groups.service import GroupService
from kith.ports.store import LogQuery
from kith.wire.stanza import Stanza
from tests.parts import DOMAIN, Room, room

GROUP = f"tea@groups.{DOMAIN}"
JOIN = "<x xmlns='http://jabber.org/protocol/muc'><history maxstanzas='0'/></x>"
ADMIN = "http://jabber.org/protocol/muc#admin"
OWNER = "http://jabber.org/protocol/muc#owner"
USER = "http://jabber.org/protocol/muc#user"
GROUPS = "urn:kith:groups:0"
ORIGIN = "<origin-id xmlns='urn:xmpp:sid:0' id='{}'/>"


class There:
    """What people do in groups, and what they hear."""

    def __init__(self, there: Room) -> None:
        self.room = there
        self.node = there.node
        self.service = there.node.get(GroupService)

    async def person(self, address: str, receives: bool = False, presence: bool = True) -> Session:
        """``ada/phone``, online. ``receives``: it gets the messages of groups without entering them."""
        session = await self.room.session(address, presence)
        if receives:
            await self.room.says(session, f"<iq type='set' id='g'><groupchat xmlns='{GROUPS}'/></iq>")
            self.room.heard(session)
        return session

    async def says(self, session: Session, xml: str) -> list[Stanza]:
        """Sends something, and returns what the same session hears."""
        await self.room.says(session, xml)
        return self.room.heard(session)

    async def enter(self, session: Session, nick: str, group: str = GROUP, inner: str = JOIN) -> list[Stanza]:
        return await self.says(session, f"<presence to='{group}/{nick}'>{inner}</presence>")

    async def make(self, owner: Session, nick: str = "ada", group: str = GROUP, **config: str) -> None:
        """Makes a group, with a configuration (the names without ``muc#roomconfig_``)."""
        await self.enter(owner, nick, group)
        await self.configure(owner, group, **config)

    async def configure(self, owner: Session, group: str = GROUP, **config: str) -> list[Stanza]:
        fields = "".join(
            f"<field var='{name if name[0] == '{' else f'muc#roomconfig_{name}'}'>"
            f"<value>{value}</value></field>"
            for name, value in config.items()
        )
        form = f"<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
        return await self.says(
            owner, f"<iq type='set' id='c' to='{group}'><query xmlns='{OWNER}'>{form}</query></iq>"
        )

    async def affiliate(self, session: Session, changes: dict[str, str], group: str = GROUP) -> list[Stanza]:
        """Changes affiliations, by name."""
        items = "".join(
            f"<item jid='{name if '@' in name else f'{name}@{DOMAIN}'}' affiliation='{word}'/>"
            for name, word in changes.items()
        )
        return await self.says(
            session, f"<iq type='set' id='a' to='{group}'><query xmlns='{ADMIN}'>{items}</query></iq>"
        )

    async def write(self, session: Session, text: str, inner: str = "", group: str = GROUP) -> list[Stanza]:
        body = f"<body>{text}</body>" if text else ""
        return await self.says(
            session, f"<message type='groupchat' id='{text or 'x'}' to='{group}'>{body}{inner}</message>"
        )

    def heard(self, session: Session) -> list[Stanza]:
        return self.room.heard(session)

    async def log(self, name: str, shared: bool = True) -> list[str]:
        """The texts in an account's log, with those of groups."""
        await self.node.store.flush()
        record = await self.node.store.account(name if "@" in name else f"{name}@{DOMAIN}")
        assert record is not None
        page = await self.node.store.page(LogQuery(record.id, limit=1000, shared=shared))
        return texts(entry.stanza for entry in page.entries)


def texts(stanzas: Iterable[Stanza | bytes]) -> list[str]:
    """The bodies of messages."""
    found: list[str] = []
    for stanza in stanzas:
        data = stanza if isinstance(stanza, bytes) else stanza.to_bytes()
        found += [match.decode() for match in re.findall(rb"<body>([^<]*)</body>", data)]
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


def codes(stanza: Stanza) -> set[str]:
    """The status codes of presence or a message of a group."""
    return set(re.findall(r"<status code='([0-9]+)'", stanza.inner.decode()))


@asynccontextmanager
async def groups(folder: Path, *more: type[Feature], **given: Any) -> AsyncIterator[There]:
    async with room(folder, *more, Archive, Disco, Markers, *ALL, **given) as there:
        there.rest()
        yield There(there)
