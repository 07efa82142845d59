"""What is said of a message and then refused is taken back, on the screen and in the history."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from kith.client import ChangeRefused, Client, Message, MessageEdited, NotEncrypted, Reactions, State
from kith.client.database import Database
from kith.client.history import History
from kith.client.message import Draft, Kind, Trust
from kith.client.undo import Undo
from tests.client.conftest import People, event, receive, until
from tests.raw import online

PEER = "ben@localhost"


class Story:
    """A history without a client: what is said of one message, and what becomes of that."""

    def __init__(self, folder: Path) -> None:
        self.db = Database(folder)
        self.history = History(self.db, cast("Any", None))
        self.undo = Undo(self.db, self.history)
        self.number = 0
        self.row = self._add(Kind.TEXT, "one").row

    def _add(self, kind: Kind, body: str) -> Message:
        self.number += 1
        about = None if kind is Kind.TEXT else "id1"
        draft = Draft(
            PEER, "", body, False, True, Trust.BLIND, datetime.now(UTC), State.QUEUED, kind=kind, about=about
        )
        message = self.history.add(draft.with_id(f"id{self.number}"))
        assert message is not None
        return message

    @property
    def message(self) -> Message:
        return self.history.get(self.row)

    def change(self, kind: Kind, body: str = "") -> Message:
        before, change = self.message, self._add(kind, body)
        if kind is Kind.EDIT:
            self.history.set_text(before, body)
        elif kind is Kind.DELETION:
            self.history.set_deleted(before)
        else:
            self.history.set_reactions(before, Reactions(tuple(body.split()), before.reactions.theirs))
        self.undo.keep(change, before)
        return change

    def fails(self, change: Message) -> list[Any]:
        return self.undo.failed(self.history.fail(change, "refused"))

    def arrives(self, change: Message, state: State = State.SENT) -> None:
        changed = self.history.raise_state(self.history.get(change.row), state)
        assert changed is not None
        self.undo.settled(changed)

    @property
    def kept(self) -> list[str]:
        return [text for (text,) in self.db.sql.execute("SELECT undo FROM messages WHERE undo IS NOT NULL")]


@pytest.fixture
def story(tmp_path: Path) -> Story:
    return Story(tmp_path / "ada")


def test_of_two_edits_the_first_is_refused_and_the_second_stays(story: Story) -> None:
    first, second = story.change(Kind.EDIT, "two"), story.change(Kind.EDIT, "three")
    assert story.fails(first) == []
    assert story.message.body == "three"
    edited, refused = story.fails(second)
    assert isinstance(edited, MessageEdited)
    assert isinstance(refused, ChangeRefused)
    assert (story.message.body, story.message.edited) == ("one", False)
    assert story.kept == []


def test_of_two_edits_the_second_is_refused_and_the_first_stays(story: Story) -> None:
    first, second = story.change(Kind.EDIT, "two"), story.change(Kind.EDIT, "three")
    story.fails(second)
    assert (story.message.body, story.message.edited) == ("two", True)
    story.fails(first)
    assert (story.message.body, story.message.edited) == ("one", False)


def test_an_edit_that_is_refused_changes_nothing_once_a_later_one_has_arrived(story: Story) -> None:
    first, second = story.change(Kind.EDIT, "two"), story.change(Kind.EDIT, "three")
    story.arrives(second, State.DELIVERED)
    assert story.fails(first) == []
    assert story.message.body == "three"


def test_a_refused_deletion_brings_text_and_reactions_back(story: Story) -> None:
    story.history.set_reactions(story.message, Reactions(("👍",), ("🎉",)))
    edit, deletion = story.change(Kind.EDIT, "two"), story.change(Kind.DELETION)
    story.fails(edit)
    assert story.message.deleted
    story.fails(deletion)
    assert (story.message.body, story.message.deleted) == ("one", False)
    assert story.message.reactions == Reactions(("👍",), ("🎉",))


def test_a_refused_reaction_leaves_what_the_peer_did_meanwhile(story: Story) -> None:
    change = story.change(Kind.REACTION, "👍")
    story.history.set_reactions(story.message, Reactions(("👍",), ("🎉",)))
    story.history.set_text(story.message, "two")
    story.fails(change)
    assert story.message.reactions == Reactions((), ("🎉",))
    assert story.message.body == "two"


def test_nothing_of_a_deleted_text_is_kept_once_the_server_has_the_deletion(story: Story) -> None:
    edit, deletion = story.change(Kind.EDIT, "two"), story.change(Kind.DELETION)
    story.arrives(edit)
    assert "one" in story.kept[0]
    story.arrives(deletion)
    assert story.kept == []
    assert story.fails(edit) == []


def test_what_can_not_come_back_any_more_is_forgotten_at_the_next_start(story: Story) -> None:
    story.arrives(story.change(Kind.EDIT, "two"))
    story.db.sql.execute("UPDATE messages SET time = 1e9")
    assert story.kept
    Undo(story.db, story.history)
    assert story.kept == []


def test_changes_of_a_message_that_fails_are_not_sent_and_its_text_stays(story: Story) -> None:
    edit = story.change(Kind.EDIT, "two")
    story.fails(story.message)
    assert story.history.get(edit.row).state is State.FAILED
    assert story.message.body == "two"


async def away(people: People) -> tuple[Client, Client, Any]:
    """Ada and Ben, who have written to each other, and the cable of Ada."""
    ada_jid, ben = people.account("ada"), await people.open(people.account("ben"))
    cable = await people.cable()
    ada = await people.open(ada_jid, port=cable.port)
    await ada.send(ben.jid, "one")
    await receive(ben)
    return ada, ben, cable


async def test_changes_that_were_made_offline_and_are_refused_later_are_taken_back_and_told(
    people: People,
) -> None:
    ada, ben, cable = await away(people)
    for key in await ada.fingerprints(ben.jid):
        await ada.distrust(ben.jid, key.text)
    cable.unplug()
    await until(lambda: ada.link is not ada.link.ONLINE)
    (message,) = ada.history(ben.jid)
    await message.edit("two")
    await ada.history(ben.jid)[0].react("👍")
    assert ada.history(ben.jid)[0].reactions.ours == ("👍",)
    with ada.events() as events:
        await cable.plug_in()
        ada.reconnect()
        first = await event(events, ChangeRefused)
        await event(events, ChangeRefused)
    assert "trust" in first.reason
    (now,) = ada.history(ben.jid)
    assert (now.body, now.edited, now.reactions) == ("one", False, Reactions())
    with ada.events() as events, pytest.raises(NotEncrypted):
        await now.edit("three")
    assert ada.history(ben.jid)[0].body == "one"
    assert not [one for one in _taken(events) if isinstance(one, ChangeRefused)]  # the call has raised it


async def test_an_edit_that_comes_back_after_the_server_had_it_is_taken_back(people: People) -> None:
    ada, ben, _ = await away(people)
    await ben.close()
    other = await online(people.server.port, ben.jid.partition("@")[0], presence=None)
    with ada.events() as events:
        await ada.history(ben.jid)[0].edit("two")
        await until(lambda: ada.queued() == 0)
        (id,) = ada._db.sql.execute("SELECT id FROM messages WHERE kind = 'edit'").fetchone()
        other.send(
            f"<message type='error' to='{ada._stream.boundjid.full}' id='{id}'><error type='cancel'>"
            "<service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        refused = await event(events, ChangeRefused)
    other.abort()
    assert refused.message.body == "one"
    assert "service unavailable" in refused.reason


def _taken(events: Any) -> list[Any]:
    found = []
    while not events._queue.empty():
        found.append(events._queue.get_nowait())
    return found
