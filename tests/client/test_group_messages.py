"""What the local copy of a group makes of ids that members choose."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from kith.client import Message, State
from kith.client.database import Database
from kith.client.history import History
from kith.client.message import Draft, Kind, Trust

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
