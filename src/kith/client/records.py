"""Reads rows of the table of messages."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from kith.client.database import Database
from kith.client.extra import Extra
from kith.client.groups.values import Receipts
from kith.client.media.values import Media
from kith.client.message import Kind, Message, Reactions, Replies, State, Trust

_COLUMNS = (
    "row, peer, id, body, incoming, encrypted, trust, time, state, error, here, origin, reply, edited,"
    " deleted, reactions, kind, about, author, extra, receipts"
)


class Records:
    """Turns rows into messages. `History` is built on it."""

    __slots__ = ("_client", "_db", "_own", "gone")

    def __init__(self, database: Database, client: Replies | None) -> None:
        self._db = database
        self._client = client
        self._own = "" if client is None else client.jid
        self.gone = True
        """Whether messages may be gone that still have files and claims. `MediaRecords` looks for them."""

    def _rows(self, where: str, *values: Any, **named: Any) -> list[Message]:
        """The messages of a condition, with values for its ``?`` or for its names, like ``:peer``."""
        sql = f"SELECT {_COLUMNS} FROM messages {where}"
        return [self._message(row) for row in self._db.sql.execute(sql, named or values)]

    def _one(self, where: str, *values: Any, **named: Any) -> Message | None:
        return next(iter(self._rows(where + " LIMIT 1", *values, **named)), None)

    def get(self, row: int) -> Message:
        """The message of a row. Raises KeyError."""
        message = self._one("WHERE row = ?", row)
        if message is None:
            raise KeyError(row)
        return message

    def _message(self, row: tuple[Any, ...]) -> Message:
        extra = _NOTHING if row[19] is None else Extra.parse(row[19])
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
            reactions=_NONE if row[15] is None else _reactions(row[15]),
            kind=Kind(row[16]),
            about=row[17],
            author=row[18] or (row[1] if row[4] else self._own),
            group=row[18] is not None,
            mentions=extra.mentions,
            poll=extra.poll,
            change=extra.change,
            receipts=None if row[20] is None else Receipts(*json.loads(row[20])),
            given_by=extra.given,
            status=None if row[14] else extra.status,
            media=None if extra.media is None or row[14] else self._media(extra.media, row[0]),
            client=self._client,
        )

    def _media(self, media: Media, row: int) -> Media:
        return replace(media, row=row, client=self._client)


def _reactions(text: str) -> Reactions:
    ours, theirs, *more = json.loads(text)
    people = tuple((jid, tuple(emojis)) for jid, emojis in more[0]) if more else ()
    return Reactions(tuple(ours), tuple(theirs), people)


_NONE, _NOTHING = Reactions(), Extra()
