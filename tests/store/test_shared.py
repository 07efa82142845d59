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


def write(
    connection: sqlite3.Connection,
    shares: Shares,
    id: int,
    audience: tuple[int, ...],
    ended: tuple[int, ...] = (),
    group: int = GROUP,
) -> None:
    stanza = b"<message/>"
    connection.execute("INSERT INTO message (id, sender, stanza, holders) VALUES (?, 0, ?, 1)", (id, stanza))
    connection.execute("INSERT INTO log (account, id, peer, flags) VALUES (?, ?, 1, 0)", (group, id))
    shares.write(
        [
            Append(
                *(id, stanza, [], lambda existing, error: None),
                shared=Shared(group, audience, {}, None, ended),
            )
        ]
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


def opened(path: Path, *groups: int) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    migrate(connection)
    for id, kind in ((OLD, 0), (NEW, 0), *((group, 1) for group in groups)):
        connection.execute(
            "INSERT INTO account (id, jid, keys, kind) VALUES (?, ?, x'80', ?)", (id, f"{id}@a", kind)
        )
    connection.execute("BEGIN")
    return connection


@pytest.mark.parametrize("backwards", [False, True])
def test_a_newcomer_does_not_pay_for_what_was_said_before(tmp_path: Path, backwards: bool) -> None:
    costs: list[int] = []
    for before in (10, 3000):
        connection = opened(tmp_path / f"{before}.db", GROUP)
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


@pytest.mark.parametrize("backwards", [False, True])
def test_who_has_left_does_not_pay_for_what_was_said_since(tmp_path: Path, backwards: bool) -> None:
    costs: list[int] = []
    for after in (10, 3000):
        connection = opened(tmp_path / f"{after}.db", GROUP)
        shares, both = Shares(connection), (OLD, NEW)
        write(connection, shares, 1, both)
        write(connection, shares, 2, both, ended=(NEW,))
        for id in range(3, after + 3):
            write(connection, shares, id, (OLD,))
        connection.execute("COMMIT")
        found, cost = steps(connection, backwards)
        assert found == [1, 2]
        costs.append(cost)
        # who comes back gets what is said from then on
        write(connection, Shares(connection), after + 3, (OLD, NEW))
        page = log.page(connection, LogQuery(NEW, limit=9, shared=True))
        assert [entry.id for entry in page.entries] == [1, 2, after + 3]
        connection.close()
    assert costs[1] < 2 * costs[0]


@pytest.mark.parametrize("backwards", [False, True])
def test_a_page_opens_only_the_groups_that_it_has_something_of(tmp_path: Path, backwards: bool) -> None:
    groups = range(10, 1010)
    connection = opened(tmp_path / "many.db", *groups)
    shares = Shares(connection)
    for place, group in enumerate(groups):
        for turn in range(3):
            write(connection, shares, 1 + place + turn * len(groups), (NEW,), group=group)
    connection.execute("COMMIT")
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    found, _ = steps(connection, backwards)
    connection.set_trace_callback(None)
    assert found == ([2999, 3000] if backwards else [1, 2])
    assert len(statements) < 20
    whole = log.page(connection, LogQuery(NEW, limit=9000, shared=True, backwards=backwards)).entries
    assert [entry.id for entry in whole] == list(range(1, 3001))
    of_one = LogQuery(NEW, peer="12@a", shared=True, backwards=backwards)
    assert [entry.id for entry in log.page(connection, of_one).entries] == [3, 1003, 2003]
    some = LogQuery(NEW, shared=True, ids=[3, 3, 5, 4000, 2003], backwards=backwards)
    assert [entry.id for entry in log.page(connection, some).entries] == [3, 5, 2003]
    assert log.count(connection, some) == 3
    assert log.page(connection, LogQuery(NEW, shared=True, after=2998, limit=9)).complete
    connection.close()


def test_a_page_never_has_a_message_without_those_before_it(tmp_path: Path) -> None:
    first, second = 10, 11
    connection = opened(tmp_path / "log.db", first, second)
    connection.execute("COMMIT")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("BEGIN")
    for id, group in ((1, first), (2, second)):
        write(connection, Shares(connection), id, (NEW,), group=group)
    connection.execute("COMMIT")
    writer = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    written = False

    def meanwhile(statement: str) -> None:
        """While the page is read, each group gets another message."""
        nonlocal written
        if "CROSS JOIN share" in statement and not written:
            written = True
            writer.execute("BEGIN")
            for id, group in ((3, first), (4, second)):
                write(writer, Shares(writer), id, (NEW,), group=group)
            writer.execute("COMMIT")

    connection.set_trace_callback(meanwhile)
    page = log.page(connection, LogQuery(NEW, after=1, limit=9, shared=True))
    connection.set_trace_callback(None)
    assert written
    assert [entry.id for entry in page.entries] == [2]
    page = log.page(connection, LogQuery(NEW, after=2, limit=9, shared=True))
    assert [entry.id for entry in page.entries] == [3, 4]
    writer.close()
    connection.close()
