"""Where the sessions are that wait for the next start of a node, or for the next owner of their account."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from kith.core.actors.account import Session
from kith.features.carbons import Carbons
from tests.parts import Room, room

_ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"


async def _leave(folder: Path, *names: str) -> list[str]:
    """Sessions that can be resumed, of a node that has stopped: their tokens."""
    async with room(folder, Carbons) as there:
        sessions = [await there.session(f"{name}/phone") for name in names]
        for session in sessions:
            await there.says(session, _ENABLE)
    return [session.sm.token for session in sessions if session.sm is not None]


def _kept(folder: Path) -> list[tuple[int, str]]:
    with sqlite3.connect(folder / "kith.sqlite") as database:
        found = database.execute("SELECT account, key FROM document WHERE space = 'sessions'").fetchall()
    return sorted(found)


async def _found(there: Room, name: str) -> list[Session]:
    account = await there.node.accounts.load(f"{name}@localhost")
    return list(account.sessions.values()) if account is not None else []


async def test_a_session_waits_with_its_account_and_is_taken_once(tmp_path: Path) -> None:
    tokens = await _leave(tmp_path, "ada", "ben")
    kept = _kept(tmp_path)
    assert sorted(token for _, token in kept) == sorted(tokens)
    assert len({account for account, _ in kept} - {0}) == 2
    async with room(tmp_path, Carbons) as there:
        assert _kept(tmp_path) == []
        for name, token in zip(("ada", "ben"), tokens, strict=True):
            (session,) = await _found(there, name)
            assert session.sm is not None
            assert session.sm.token == token


async def test_sessions_that_the_version_before_has_kept_are_taken_up(tmp_path: Path) -> None:
    """Until 0.2 they belonged to no account: an upgrade is a restart like others."""
    tokens = await _leave(tmp_path, "ada", "ben")
    with sqlite3.connect(tmp_path / "kith.sqlite") as database:
        database.execute("UPDATE document SET account = 0 WHERE space = 'sessions'")
    async with room(tmp_path, Carbons) as there:
        assert _kept(tmp_path) == []
        found = [session for name in ("ada", "ben") for session in await _found(there, name)]
        assert [session.sm.token for session in found if session.sm is not None] == tokens


async def test_a_start_reads_only_the_accounts_that_have_kept_sessions(tmp_path: Path) -> None:
    await _leave(tmp_path, "ada")
    with sqlite3.connect(tmp_path / "kith.sqlite") as database:
        plan = database.execute(
            "EXPLAIN QUERY PLAN SELECT document.account, account.jid, key, value, seq FROM document "
            "JOIN account ON account.id = document.account WHERE space = ? AND space = 'sessions'",
            ("sessions",),
        ).fetchall()
    assert any("document_sessions" in row[3] for row in plan)
    assert not any(row[3] == "SCAN account" for row in plan)


async def test_the_oldest_loss_ends_first_whatever_the_order_of_the_documents(tmp_path: Path) -> None:
    """Sessions of several slots come together at different times."""
    await _leave(tmp_path, "ada", "ben", "cleo")
    async with room(tmp_path, Carbons) as there:
        sessions = [session for name in ("ada", "ben", "cleo") for session in await _found(there, name)]
        resumption = there.node.sessions._resumption
        for session, lost in zip(sessions, (3.0, 1.0, 2.0), strict=True):
            resumption.detach(session)
            session.lost_at = lost
        resumption.add(sessions[:1])
        resumption.add(sessions[1:])
        ended: list[Session] = []
        resumption.expire(2.5 + resumption.timeout, lambda session: None, ended.append)
        assert ended == [sessions[1], sessions[2]]
