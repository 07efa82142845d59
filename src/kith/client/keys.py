"""Stores the OMEMO library's keys and sessions in the account's database."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from omemo.storage import Maybe, Nothing, Storage

from kith.client.database import Database

#: How many characters of stored values are kept in memory: some hundred sessions.
_MAX_CACHED: Final = 4_000_000


class Held(Maybe[Any]):
    """A value that was just parsed, and so belongs to whoever asked for it.

    The library's own `Just` copies deeply each time it is touched: a third of the time that a message takes.
    """

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    @property
    def is_just(self) -> bool:
        return True

    @property
    def is_nothing(self) -> bool:
        return False

    def from_just(self) -> Any:
        return self._value

    def maybe(self, default: Any) -> Any:
        return self._value

    def fmap(self, function: Callable[[Any], Any]) -> Held:
        return Held(function(self._value))


class KeyStorage(Storage):
    """The library's storage of key and value pairs. Writes become durable with the database's next commit.

    The library reads about a hundred values for each message, and writes a session anew in ten values, of
    which two have changed. So the text of values is cached until a rollback, and what is the same is not
    written again.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(disable_cache=True)  # a rollback has to undo everything
        self._database = database
        self._texts: OrderedDict[str, str | None] = OrderedDict()
        self._size = 0
        self._changes: dict[str, int] = {}
        self._clock = self._epoch = 0
        database.on_rollback(self._forget)
        database.sql.create_function("key_changed", 1, self._key_changed)
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            database.sql.execute(
                f"CREATE TEMP TRIGGER IF NOT EXISTS keys_{event} AFTER {event} ON main.keys"
                f" BEGIN SELECT key_changed({row}.key); END"
            )

    def mark(self, peer: str) -> tuple[int, int]:
        """Differs from earlier marks if devices of the account, or the trust in them, may have changed."""
        return self._epoch, self._changes.get(peer, 0)

    def _forget(self) -> None:
        self._texts.clear()
        self._size = 0
        self._epoch += 1

    def _key_changed(self, key: str) -> None:
        """Called by the database for each value that is written, whoever writes it."""
        if key in self._texts:
            self._size -= len(key) + len(self._texts.pop(key) or "")
        parts = key.split("/", 3)
        if len(parts) > 2 and parts[1] in ("devices", "trust"):
            if len(self._changes) > 10_000:
                self._changes.clear()
            self._clock += 1
            self._changes[parts[2]] = self._clock

    def _text(self, key: str) -> str | None:
        if key in self._texts:
            self._texts.move_to_end(key)
            return self._texts[key]
        row = self._database.sql.execute("SELECT value FROM keys WHERE key = ?", (key,)).fetchone()
        return self._remember(key, None if row is None else str(row[0]))

    def _remember(self, key: str, text: str | None) -> str | None:
        if key in self._texts:
            self._size -= len(key) + len(self._texts.pop(key) or "")
        self._texts[key] = text
        self._size += len(key) + len(text or "")
        while self._size > _MAX_CACHED:
            old, value = self._texts.popitem(last=False)
            self._size -= len(old) + len(value or "")
        return text

    async def _load(self, key: str) -> Maybe[Any]:
        text = self._text(key)
        return Nothing() if text is None else Held(json.loads(text))

    async def _store(self, key: str, value: Any) -> None:
        text = json.dumps(value)
        if self._text(key) != text:
            self._database.sql.execute("INSERT OR REPLACE INTO keys VALUES (?, ?)", (key, text))
            self._remember(key, text)

    async def _delete(self, key: str) -> None:
        if self._text(key) is not None:
            self._database.sql.execute("DELETE FROM keys WHERE key = ?", (key,))
            self._remember(key, None)
