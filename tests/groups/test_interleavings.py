"""Whatever happens in whatever order, each member's log is the group's for the time that they were in it."""

from __future__ import annotations

import asyncio
import re
import tempfile
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
    ),
    min_size=5,
    max_size=40,
)
_WORDS = {"add": "member", "remove": "none", "ban": "outcast", "promote": "admin"}


class Play:
    """Runs steps, often several at once. ``sent``: what each person has written, to write it again."""

    def __init__(self, there: There, people: dict[str, Session]) -> None:
        self.there = there
        self.people = people
        self.sent: dict[str, str] = {}
        self.count = 0

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


async def check(there: There, received: dict[str, list[str]]) -> None:
    """Goes through the group's archive, and derives from its notices what has to be in each log."""
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
        for jid in audience:
            expected[jid].append(text_of(element) or f"change {number}")
    assert len(texts) == len(set(texts)), "twice"
    for jid, wanted in expected.items():
        log = []
        for element in await entries(there, jid):
            change = element.find(f"{{{GROUPS}}}change")
            log.append(f"change {change.get('number')}" if change is not None else text_of(element))
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
            async with groups(Path(folder)) as there:
                people = {name: await there.person(f"{name}/phone", receives=True) for name in NAMES}
                await there.make(people["ada"])
                received: dict[str, list[str]] = {session.bare: [] for session in people.values()}
                received[people["ada"].bare].append("change 1")  # heard while the group was made
                acting = Play(there, people)
                for kind, who, what in steps:
                    if kind == "settle":
                        await there.room.settle()
                    else:
                        acting.do(kind, who, what)
                    for session in people.values():
                        received[session.bare] += noted(session, there)
                await there.room.settle()
                for session in people.values():
                    received[session.bare] += noted(session, there)
                await check(there, received)

    asyncio.run(play())
