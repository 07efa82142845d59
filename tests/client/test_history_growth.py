"""Nothing that is done for each message takes longer as the history grows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from kith.client.bot.handled import Handled
from kith.client.database import Database
from kith.client.history import History
from kith.client.media.records import MediaRecords
from kith.client.message import Draft, Kind, Message, Reactions, State, Trust

PEER, GROUP = "ben@localhost", "friends@groups.localhost"


def fill(history: History, media: MediaRecords, first: int, last: int) -> None:
    """Messages of the peer and answers to them, which were read, as well in a group, all with claims."""
    for number in range(first, last):
        incoming = number % 2 == 0
        state = State.RECEIVED if incoming else State.READ
        draft = Draft(
            *(PEER, str(number), f"text {number}", incoming, False, Trust.PLAIN, datetime.now(UTC), state),
            *(str(number), f"archive {number}", True),
            digest=f"digest {number}",
        )
        added = history.add(draft)
        assert added is not None
        media.note_claim(added.row, [f"blob {number}"])
        history.add(replace(draft, peer=GROUP, author=PEER, archive=f"group {number}", place=f"{number:016}"))


def steps(database: Database, work: Callable[[], object]) -> int:
    """How many steps SQLite's machine takes for some work."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    database.sql.set_progress_handler(step, 1)
    work()
    database.sql.set_progress_handler(None, 1)
    return count


def works(history: History, database: Database, newest: Message) -> dict[str, Callable[[], object]]:
    """What is done for each message that is received, sent, acknowledged, read, answered, or changed."""
    draft = Draft(
        PEER, "new", "new", True, False, Trust.PLAIN, datetime.now(UTC), State.RECEIVED, origin="new"
    )
    handled = Handled(database, history)
    handled.next_messages(10_000)
    media = MediaRecords(database, history)
    media.give_up()
    ours = history.ours(PEER, newest.id) or newest
    return {
        "claims without a deletion": lambda: media.give_up() and media.to_release(),
        "recognise": lambda: history.holds(PEER, True, "none", "none", "none"),
        "recognise again": lambda: history.holds(PEER, True, newest.origin, "none", "none"),
        "add": lambda: history.add(draft),
        "add ours": lambda: history.add(replace(draft, incoming=False).with_id("ours")),
        "receipt": lambda: history.ours(PEER, "none"),
        "marker": lambda: history.read_by_peer(ours),
        "read": lambda: history.mark_read(PEER, newest),
        "unreadable": lambda: history.unreadable(PEER, "none"),
        "meant": lambda: history.target(PEER, True, "none"),
        "edit": lambda: history.set_text(newest, "edited"),
        "react": lambda: history.set_reactions(newest, Reactions(("x",))),
        "first reaction": lambda: history.first_reaction(PEER, "none"),
        "delete": lambda: history.set_deleted(newest),
        "is plain": lambda: history.is_plain(PEER),
        "written": lambda: history.note_written(PEER),
        "queued": lambda: history.queued(0, 16),
        "count queued": history.count_queued,
        "newest": history.newest_row,
        "since": lambda: history.since(newest.row),
        "page": lambda: history.page(PEER, None, 10),
        "chat": lambda: history.chat(PEER),
        "asked again": lambda: history.is_requested_again(PEER, "none"),
        "wait for files": lambda: media.must_wait(newest),
        "files that wait": lambda: list(media.waiting()),
        "origin in any chat": lambda: history.with_origin("none"),
        "captions": lambda: history.captions(newest),
        "next to expire": history.next_expiry,
        "expire": lambda: history.take_expired(0.0),
        "back from a group": lambda: history.mine(GROUP, "none"),
        "placed in a group": lambda: history.is_placed(GROUP, "none"),
        "meant in a group": lambda: history.group_target(GROUP, "none"),
        "unreadable in a group": lambda: history.unreadable_in(GROUP, "none", PEER),
        "queued in a group": lambda: history.queued_in(GROUP),
        "last of a group": lambda: history.last_place(GROUP),
        "marks of a group": lambda: history.places_read(GROUP),
        "page of a group": lambda: history.page(GROUP, None, 10),
        "said before": lambda: history.said_before(GROUP, "9" * 16, 10),
        "add given": lambda: history.add(replace(draft, origin="given"), early=True),
        "pinned": lambda: history.pinned(GROUP, 0.0, 1.0),
        "votes": lambda: history.votes(GROUP, "none"),
        "bot begins": lambda: handled.attempt(newest),
        "bot ends": lambda: handled.done([newest.row]),
    }


def measured(history: History, database: Database) -> dict[str, int]:
    newest = history.get(history.newest_row() - 1)
    history.mark_read(PEER, newest)
    history.mark_read(GROUP, newest)
    found = {}
    for name, work in works(history, database, newest).items():
        database.commit()
        found[name] = steps(database, work)
        database.rollback()
    return found


def test_no_statement_takes_more_steps_with_a_thousand_times_the_history(tmp_path: Path) -> None:
    database = Database(tmp_path / "ada")
    history = History(database, cast("Any", None))
    media = MediaRecords(database, history)
    fill(history, media, 0, 20)
    database.commit()
    few = measured(history, database)
    fill(history, media, 20, 4000)
    database.commit()
    many = measured(history, database)
    grown = {name: (few[name], many[name]) for name in few if many[name] > few[name] + 60}
    assert not grown
    assert Kind.TEXT.value == "text"  # as the indexes have it
    database.close()
