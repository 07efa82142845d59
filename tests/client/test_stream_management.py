"""XEP-0198 as the SDK keeps it: nothing but a count that can be true acknowledges a stanza.

The server's side is written here by hand; there is no connection.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from slixmpp.plugins.xep_0198 import stanza as elements

from kith.client.certificate import Pin
from kith.client.database import Database
from kith.client.stream import Stream
from kith.client.stream_management import Phase


class _Wire:
    """A stream, what it has acknowledged, and whether it gave the connection up."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.sm = stream.sm
        self.acked: list[str] = []
        self.ended = 0
        stream.add_event_handler("stanza_acked", lambda stanza: self.acked.append(str(stanza["id"])))
        stream.add_event_handler("session_end", lambda _: setattr(self, "ended", self.ended + 1))

    def enabled(self, id: str = "s") -> None:
        self.writes(elements.Enable(self.stream))
        self.says(elements.Enabled, id=id, resume="true")

    def writes(self, stanza: Any) -> Any:
        return self.sm._handle_outgoing(stanza)

    def sends(self, *ids: str) -> None:
        for id in ids:
            stanza = self.stream.make_message("ben@localhost")
            stanza["id"] = id
            self.writes(stanza)

    def says(self, kind: type, **attributes: str) -> None:
        answer = kind(self.stream)
        for name, value in attributes.items():
            answer.xml.set(name, value)
        handler = {
            elements.Enabled: self.sm._handle_enabled,
            elements.Resumed: self.sm._handle_resumed,
            elements.Failed: self.sm._handle_failed,
            elements.Ack: self.sm._handle_ack,
        }[kind]
        handler(answer)

    def drops(self) -> None:
        self.sm.disconnected(None)


@pytest.fixture
async def wire(tmp_path: Path) -> Any:
    database = Database(tmp_path)
    yield _Wire(Stream("ada@localhost", "pw", Pin(database), True, "phone"))
    database.close()


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")


async def test_what_a_count_has_reached_is_acknowledged_in_order(wire: _Wire) -> None:
    wire.enabled()
    wire.sends("a", "b", "c")
    wire.says(elements.Ack, h="2")
    assert wire.acked == ["a", "b"]
    wire.says(elements.Ack, h="2")
    wire.says(elements.Ack, h="3")
    assert wire.acked == ["a", "b", "c"]
    assert not wire.ended


@pytest.mark.parametrize("h", ["4", "99999999999", "-1", "", "x", "²", "4294967297"])
async def test_a_count_that_cannot_be_true_acknowledges_nothing_and_ends_the_session(
    wire: _Wire, h: str
) -> None:
    wire.enabled()
    wire.sends("a", "b", "c")
    wire.says(elements.Ack, h=h)
    assert wire.acked == []
    assert wire.ended == 1
    assert wire.sm.sm_id is None


async def test_a_count_that_goes_back_acknowledges_nothing(wire: _Wire) -> None:
    wire.enabled()
    wire.sends("a", "b")
    wire.says(elements.Ack, h="2")
    wire.sends("c")
    wire.says(elements.Ack, h="1")
    assert wire.acked == ["a", "b"]
    assert wire.ended == 1


async def test_a_failed_resumption_acknowledges_what_its_count_says_and_no_more(wire: _Wire) -> None:
    wire.enabled()
    wire.sends("a", "b", "c")
    wire.drops()
    wire.writes(elements.Resume(wire.stream))
    wire.says(elements.Failed, h="1")
    assert wire.acked == ["a"]
    assert not wire.sm.counting
    wire.enabled("new")
    assert wire.sm.counting
    wire.sends("d")
    wire.says(elements.Ack, h="1")
    assert wire.acked == ["a", "d"]


async def test_an_old_question_for_a_count_is_not_sent_before_the_new_session_counts(wire: _Wire) -> None:
    """It was, between <failed/> and <enable/>; the server's answer ended the counting, and all was marked."""
    wire.enabled()
    wire.sends("a")
    wire.drops()
    assert wire.writes(elements.RequestAck(wire.stream)) is None
    wire.writes(elements.Resume(wire.stream))
    assert wire.writes(elements.RequestAck(wire.stream)) is None
    wire.says(elements.Failed)
    assert wire.writes(elements.RequestAck(wire.stream)) is None
    wire.enabled("new")
    assert wire.writes(elements.RequestAck(wire.stream)) is not None
    assert wire.acked == []


async def test_a_failed_that_answers_nothing_does_not_make_everything_sent(wire: _Wire) -> None:
    wire.enabled()
    wire.sends("a", "b")
    wire.says(elements.Failed)
    assert wire.acked == []
    assert wire.ended == 1


async def test_what_was_not_acknowledged_is_repeated_by_a_resumed_session(wire: _Wire) -> None:
    wire.enabled()
    wire.sends("a", "b")
    wire.drops()
    wire.sends("c")  # was waiting to be written
    wire.writes(elements.Resume(wire.stream))
    repeated: list[str] = []
    wire.stream.send = lambda data, use_filters=True: repeated.append(str(data["id"]))  # type: ignore[assignment]
    wire.says(elements.Resumed, h="1", previd="s")
    assert wire.acked == ["a"]
    assert repeated == ["b", "c"]
    assert wire.sm.phase is Phase.ON


async def test_resumed_or_enabled_without_having_asked_is_not_believed(wire: _Wire) -> None:
    wire.says(elements.Enabled, id="s")
    assert not wire.sm.counting
    wire.enabled()
    wire.sends("a")
    wire.says(elements.Resumed, h="1", previd="s")
    assert wire.acked == []
    await asyncio.sleep(0)
