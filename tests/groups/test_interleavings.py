"""Whatever happens in whatever order, each member's log is the group's for the time that they were in it."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from xml.etree.ElementTree import Element

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kith.core.actors.account import Session
from kith.ports.store import LogQuery
from kith.wire.stanza import Stanza
from tests.chaos.conftest import LONG
from tests.groups.there import ADMIN, GROUP, GROUPS, JOIN, There, groups
from tests.parts import DOMAIN

NAMES = ("ada", "ben", "cyd", "dan")
#: Who does what: to whom, or with which number of members in mind.
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("add"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("remove"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("ban"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("promote"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("enter"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("again"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("settle"), st.just(""), st.just("")),
        st.tuples(st.just("lose"), st.sampled_from(NAMES), st.booleans()),
        st.tuples(st.just("kill"), st.just(""), st.just("")),
    ),
    min_size=5,
    max_size=40,
)
#: How often the server is started in one example; each time takes some 50 ms.
_LIVES = 3
_WORDS = {"add": "member", "remove": "none", "ban": "outcast", "promote": "admin"}


class Play:
    """Runs steps, often several at once. ``sent``: what each person has written, to write it again.

    ``received``: what the devices of each address have got, in order. ``keys``: for each text that was
    encrypted, whom its author had encrypted it for.
    """

    there: There

    def __init__(self) -> None:
        self.people: dict[str, Session] = {}
        self.sent: dict[str, str] = {}
        self.count = 0
        self.received: dict[str, list[str]] = {f"{name}@{DOMAIN}": [] for name in NAMES}
        self.keys: dict[str, frozenset[str]] = {}

    async def connect(self, name: str) -> None:
        """A device connects, and reads in the archive what it has missed."""
        session = self.people[name] = await self.there.person(f"{name}/phone", receives=True)
        log = [said(element) for element in await entries(self.there, session.bare)]
        before = self.received[session.bare]
        assert log[: len(before)] == before, "what a device has got is not in the log"
        self.received[session.bare] = log

    def listen(self) -> None:
        for session in self.people.values():
            self.received[session.bare] += noted(session, self.there)

    async def lose(self, name: str, again: bool) -> None:
        """A connection is lost. ``again``: the client sends its last message again, perhaps in vain."""
        self.listen()
        session = self.people.pop(name)
        self.there.node.sessions.end(session)
        await self.there.room.settle()
        await self.connect(name)
        if again and name in self.sent:
            self.do("again", name, "")

    def do(self, kind: str, who: str, what: object) -> None:
        session = self.people[who]
        if kind in _WORDS:
            item = f"<item jid='{what}@{DOMAIN}' affiliation='{_WORDS[kind]}'/>"
            xml = f"<iq type='set' id='a' to='{GROUP}'><query xmlns='{ADMIN}'>{item}</query></iq>"
        elif kind == "enter":
            type = "" if what else " type='unavailable'"
            xml = f"<presence to='{GROUP}/{who} here'{type}>{JOIN}</presence>"
        elif kind == "again" and who in self.sent:
            xml = self.sent[who]
        else:
            self.count += 1
            group = self.there.service.groups.get(GROUP)
            number = group.state.number if group is not None else 1
            if what and group is not None:
                belonging = group.members.belonging()
                self.keys[f"{who} {self.count}"] = frozenset(member.jid for member in belonging)
            named = f"<for xmlns='{GROUPS}' number='{number}'/>" if what else ""
            origin = f"<origin-id xmlns='urn:xmpp:sid:0' id='{self.count:08x}-0000-4000-8000-000000000000'/>"
            inner = f"<body>{who} {self.count}</body>{named}{origin}"
            xml = self.sent[who] = (
                f"<message type='groupchat' to='{GROUP}' id='{self.count}'>{inner}</message>"
            )
        session.receive(Stanza.from_bytes(xml.encode()))


async def entries(there: There, jid: str) -> list[Element]:
    await there.node.store.flush()
    record = await there.node.store.account(jid)
    assert record is not None
    page = await there.node.store.page(LogQuery(record.id, limit=1000, shared=True))
    return [Stanza.from_bytes(entry.stanza).element for entry in page.entries]


def text_of(element: Element) -> str:
    return element.findtext("{jabber:client}body") or ""


def said(element: Element) -> str:
    """The text of an entry, or the number of the change that it is about."""
    change = element.find(f"{{{GROUPS}}}change")
    return f"change {change.get('number')}" if change is not None else text_of(element)


async def check(play: Play) -> None:
    """Goes through the group's archive, and derives from its notices what has to be in each log."""
    there, received = play.there, play.received
    members = {f"ada@{DOMAIN}"}
    number = 1
    expected: dict[str, list[str]] = {f"{name}@{DOMAIN}": [] for name in NAMES}
    texts: list[str] = []
    for element in await entries(there, GROUP):
        change = element.find(f"{{{GROUPS}}}change")
        audience = set(members)
        if change is not None:
            number = int(change.get("number", ""))
            for member in change.findall(f"{{{GROUPS}}}member"):
                jid, word = member.get("jid", ""), member.get("affiliation")
                if word in ("member", "admin", "owner"):
                    members.add(jid)
                    audience.add(jid)
                else:
                    members.discard(jid)
        else:
            texts.append(text_of(element))
            author = element.find(".//{http://jabber.org/protocol/muc#user}item")
            assert author is not None
            assert author.get("jid") in members, "who is out has written"
            named = element.find(f"{{{GROUPS}}}for")
            assert named is None or int(named.get("number", "")) == number, "for other members"
            if named is not None:  # who was removed can't read it, and who was added misses nothing
                assert play.keys[text_of(element)] == members
        for jid in audience:
            expected[jid].append(text_of(element) or f"change {number}")
    assert len(texts) == len(set(texts)), "twice"
    for jid, wanted in expected.items():
        log = [said(element) for element in await entries(there, jid)]
        assert log == wanted, jid
        assert received[jid] == wanted, jid


def noted(session: Session, there: There) -> list[str]:
    """What the entries of the log were that a session has received, in order."""
    found = []
    for stanza in there.heard(session):
        own = f"by='{session.bare}'".encode()
        if stanza.kind == "message" and stanza.type == "groupchat" and own in stanza.inner:
            change = re.search(rb"<change [^>]*number='(\d+)'", stanza.inner)
            found.append(f"change {change[1].decode()}" if change else text_of(stanza.element))
    return found


@settings(max_examples=2000 if LONG else 40, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_each_log_is_the_groups_for_the_time_of_the_membership(steps: list[tuple[str, str, object]]) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as folder:
            acting = Play()
            lives = split(steps)
            for number, life in enumerate(lives):
                home = Path(folder) / str(number)
                home.mkdir(exist_ok=True)
                async with groups(home) as acting.there:
                    await live(acting, life, first=number == 0)
                    if number < len(lives) - 1:
                        acting.listen()
                        killed(home, Path(folder) / str(number + 1))
                    else:
                        await acting.there.room.settle()
                        acting.listen()
                        await check(acting)

    asyncio.run(play())


def split(steps: list[tuple[str, str, object]]) -> list[list[tuple[str, str, object]]]:
    """The steps of each life of the server, of which all but the last end with a kill."""
    lives: list[list[tuple[str, str, object]]] = [[]]
    for step in steps:
        if step[0] == "kill" and len(lives) < _LIVES:
            lives.append([])
        elif step[0] != "kill":
            lives[-1].append(step)
    return lives


async def live(acting: Play, steps: list[tuple[str, str, object]], first: bool) -> None:
    acting.people.clear()
    for name in NAMES:
        await acting.connect(name)
    if first:
        await acting.there.make(acting.people["ada"])
        acting.received[acting.people["ada"].bare].append("change 1")  # heard while the group was made
    else:  # clients send again what they have not seen acknowledged
        for name in acting.sent:
            acting.do("again", name, "")
    for kind, who, what in steps:
        if kind == "settle":
            await acting.there.room.settle()
        elif kind == "lose":
            await acting.lose(who, bool(what))
        else:
            acting.do(kind, who, what)
        acting.listen()


def killed(home: Path, copy: Path) -> None:
    """What a server that is killed now leaves on the disk: everything up to the last commit."""
    copy.mkdir()
    with (
        closing(sqlite3.connect(home / "kith.sqlite")) as old,
        closing(sqlite3.connect(copy / "kith.sqlite")) as new,
    ):
        old.backup(new)
