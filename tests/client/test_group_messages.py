"""What the local copy of a group makes of ids that members choose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from kith.client import Affiliation, Message, State
from kith.client.database import Database
from kith.client.extra import Extra
from kith.client.groups import wire
from kith.client.groups.records import GroupRecords
from kith.client.groups.values import Member, Settings
from kith.client.groups.wire import GroupState, Summary
from kith.client.history import History
from kith.client.message import Draft, Kind, Trust
from kith.client.tui.notices import notice

GROUP, BEN = "tea@groups.localhost", "ben@localhost"


def put(history: History, place: str, origin: str, body: str, about: str | None = None) -> Message:
    """A message of Ben's, an edit if it is about another one."""
    draft = Draft(GROUP, origin, body, True, False, Trust.PLAIN, datetime.now(UTC), State.RECEIVED)
    kind = Kind.TEXT if about is None else Kind.EDIT
    added = history.add(replace(draft, origin=origin, author=BEN, place=place, kind=kind, about=about))
    assert added is not None
    return added


def test_an_edit_that_has_the_id_of_its_message_means_that_message(tmp_path: Path) -> None:
    database = Database(tmp_path / "ada")
    history = History(database, cast("Any", None))
    text = put(history, "1", "a", "tea")
    put(history, "2", "b", "tea!", about="a")
    put(history, "3", "c", "tea?", about="b")
    assert history.group_target(GROUP, "c") == text
    put(history, "4", "a", "coffee", about="a")
    for id in ("1", "2", "3", "4", "a", "b", "c"):
        assert history.group_target(GROUP, id) == text
        assert history.group_target(GROUP, id, BEN) == text
        assert history.group_target(GROUP, id, "cyd@localhost") is None
    database.close()


def test_who_has_a_new_address_keeps_their_place(tmp_path: Path) -> None:
    database = Database(tmp_path / "ada")
    records = GroupRecords(database, "ada@x")
    now = datetime.now(UTC)
    ben = Member("ben@x", Affiliation.ADMIN, "ben", since=now)
    summary = Summary("tea@groups.x", "Tea", 2, Affiliation.OWNER, False)
    members = (Member("ada@x", Affiliation.OWNER, "ada"), ben)
    records.put(GroupState(summary, "", Settings(), members, True, "ada@x", now))
    xml = (
        "<change xmlns='urn:kith:groups:0' by='benjamin@x' number='3'>"
        "<member jid='benjamin@x' affiliation='admin' was='admin' moved='ben@x'/></change>"
    )
    number, change = wire.change(ElementTree.fromstring(xml))
    records.apply("tea@groups.x", number, change, now)
    group = records.find("tea@groups.x")
    assert group is not None
    assert [(one.jid, one.affiliation, one.nick) for one in group.members] == [
        ("ada@x", Affiliation.OWNER, "ada"),
        ("benjamin@x", Affiliation.ADMIN, "ben"),
    ]
    assert records.numbers("tea@groups.x") == (3, 3)
    assert records.was_there("tea@groups.x", "benjamin@x", 2)
    assert Extra.parse(Extra(change=change).stored() or "").change == change
    assert notice(change, group, "ada@x") == "ben has a new address; it was ben@x"
    database.close()
