"""Reading what groups share with an account costs nothing for what they have shared with others before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from kith.ports.store import Append, LogQuery, Shared
from kith.store import log
from kith.store.schema import migrate
from kith.store.shared import Shares

OLD, NEW, GROUP = 1, 2, 3


def write(connection: sqlite3.Connection, shares: Shares, id: int, audience: tuple[int, ...]) -> None:
    stanza = b"<message/>"
    connection.execute("INSERT INTO message (id, sender, stanza, holders) VALUES (?, 0, ?, 1)", (id, stanza))
    connection.execute("INSERT INTO log (account, id, peer, flags) VALUES (?, ?, 1, 0)", (GROUP, id))
    shares.write(
        [Append(id, stanza, [], lambda existing, error: None, shared=Shared(GROUP, audience, {}, None))]
    )


def steps(connection: sqlite3.Connection, backwards: bool) -> tuple[list[int], int]:
    """The ids of a first page of the newcomer, and how many steps of the database it takes."""
    taken = 0

    def step() -> int:
        nonlocal taken
        taken += 1
        return 0

    connection.set_progress_handler(step, 1)
    page = log.page(connection, LogQuery(NEW, limit=2, backwards=backwards, shared=True))
    connection.set_progress_handler(None, 0)
    return [entry.id for entry in page.entries], taken


@pytest.mark.parametrize("backwards", [False, True])
def test_a_newcomer_does_not_pay_for_what_was_said_before(tmp_path: Path, backwards: bool) -> None:
    costs: list[int] = []
    for before in (10, 3000):
        connection = sqlite3.connect(tmp_path / f"{before}.db", isolation_level=None)
        migrate(connection)
        for id, kind in ((OLD, 0), (NEW, 0), (GROUP, 1)):
            connection.execute(
                "INSERT INTO account (id, jid, keys, kind) VALUES (?, ?, x'80', ?)", (id, f"{id}@a", kind)
            )
        connection.execute("BEGIN")
        shares, both = Shares(connection), (OLD, NEW)
        for id in range(1, before + 1):
            write(connection, shares, id, (OLD,))
        for id in range(before + 1, before + 4):
            write(connection, shares, id, both)
        connection.execute("COMMIT")
        found, cost = steps(connection, backwards)
        assert found == [before + 2, before + 3] if backwards else [before + 1, before + 2]
        costs.append(cost)
        whole = log.page(connection, LogQuery(OLD, limit=9000, shared=True)).entries
        assert [entry.id for entry in whole] == list(range(1, before + 4))
        assert [log.count(connection, LogQuery(id, shared=True)) for id in both] == [before + 3, 3]
        assert log.count(connection, LogQuery(OLD, shared=True, after=3, before=6)) == 2
        assert log.count(connection, LogQuery(NEW, shared=True, ids=[3, before + 2])) == 1
        assert log.bounds(connection, NEW, True) == (before + 1, before + 3)
        connection.close()
    assert costs[1] < 2 * costs[0]
