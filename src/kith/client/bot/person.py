"""What a bot remembers about a person."""

from __future__ import annotations

import json
from collections.abc import Iterator, MutableMapping
from enum import Enum
from typing import Any

from kith.client.database import Database

_STEP = "step"


class Person(MutableMapping[str, Any]):
    """A mapping of names to values that JSON can hold, stored beside the bot's keys.

    What a handler changes is stored when it has finished, together with the note that its message was
    handled; if it fails, nothing of it is.
    """

    __slots__ = ("_before", "_values", "peer")

    def __init__(self, peer: str, stored: str) -> None:
        """``stored``: the JSON text of an earlier `dump`."""
        self.peer = peer
        self._values: dict[str, Any] = json.loads(stored)
        self._before = stored

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def step(self) -> str:
        """Where the person is in a dialogue; empty at first. Handlers can be for one step only."""
        return str(self._values.get(_STEP, ""))

    @step.setter
    def step(self, value: str | Enum | None) -> None:
        self._values[_STEP] = step_name(value)
        if not self._values[_STEP]:
            del self._values[_STEP]

    def dump(self) -> str | None:
        """The values as JSON text; None if they are as they were. Raises TypeError if JSON can't hold one."""
        text = json.dumps(self._values)
        return None if text == self._before else text


def step_name(step: str | Enum | None) -> str:
    """A step as it is stored: an enum member by its class and name, so that two enums do not collide."""
    if isinstance(step, Enum):
        return f"{type(step).__name__}.{step.name}"
    return step or ""


def load(db: Database, peer: str) -> Person:
    """What is remembered about a person."""
    row = db.sql.execute("SELECT state FROM bot_people WHERE peer = ?", (peer,)).fetchone()
    return Person(peer, "{}" if row is None else str(row[0]))


def save(db: Database, person: Person) -> None:
    """Stores what has changed. The caller commits. Raises TypeError if JSON can't hold a value."""
    text = person.dump()
    if text == "{}":
        db.sql.execute("DELETE FROM bot_people WHERE peer = ?", (person.peer,))
    elif text is not None:
        db.sql.execute("INSERT OR REPLACE INTO bot_people VALUES (?, ?)", (person.peer, text))
