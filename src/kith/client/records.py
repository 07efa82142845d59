"""Reads rows of the table of messages."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from kith.client.database import Database
from kith.client.message import Kind, Message, Reactions, Replies, State, Trust

_COLUMNS = (
    "row, peer, id, body, incoming, encrypted, trust, time, state, error, here, origin, reply, edited,"
    " deleted, reactions, kind, about"
)


class Records:
    """Turns rows into messages. `History` is built on it."""

    __slots__ = ("_client", "_db")

    def __init__(self, database: Database, client: Replies) -> None:
        self._db = database
        self._client = client

    def _rows(self, where: str, *values: Any) -> list[Message]:
        sql = f"SELECT {_COLUMNS} FROM messages {where}"
        return [self._message(row) for row in self._db.sql.execute(sql, values)]

    def _one(self, where: str, *values: Any) -> Message | None:
        return next(iter(self._rows(where + " LIMIT 1", *values)), None)

    def _message(self, row: tuple[Any, ...]) -> Message:
        return Message(
            row=row[0],
            peer=row[1],
            id=row[2],
            body=row[3],
            incoming=bool(row[4]),
            encrypted=bool(row[5]),
            trust=Trust(row[6]),
            time=datetime.fromtimestamp(row[7], UTC),
            state=State(row[8]),
            error=row[9],
            here=bool(row[10]),
            origin=row[11],
            reply_to=row[12],
            edited=bool(row[13]),
            deleted=bool(row[14]),
            reactions=_NONE if row[15] is None else Reactions(*map(tuple, json.loads(row[15]))),
            kind=Kind(row[16]),
            about=row[17],
            client=self._client,
        )


_NONE = Reactions()
