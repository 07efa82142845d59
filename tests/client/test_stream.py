"""What the client's stream makes of bytes, in this process."""

from __future__ import annotations

import logging
from xml.etree.ElementTree import Element

import pytest

from kith.client.certificate import Pin
from kith.client.stream import Stream

HEADER = (
    b"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' "
    b"from='localhost' version='1.0'>"
)
MESSAGE = b"<message from='ben@localhost/phone' to='ada@localhost'><body>x</body></message>"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> tuple[Stream, list[Element]]:
    """A stream without a connection, and what it has read."""
    stream, elements = Stream("ada@localhost", "pw", Pin(None), False, "desk"), []
    monkeypatch.setattr(stream, "_spawn_event", elements.append)
    stream.init_parser()
    stream.data_received(HEADER)
    return stream, elements


@pytest.mark.parametrize("size", [1, 2, 7, 40, len(MESSAGE) - 1, len(MESSAGE)])
async def test_a_stanza_is_read_with_its_last_byte_however_it_is_split(
    read: tuple[Stream, list[Element]], size: int
) -> None:
    stream, elements = read
    for count in (1, 2):
        for at in range(0, len(MESSAGE), size):
            assert len(elements) == count - 1
            stream.data_received(MESSAGE[at : at + size])
        assert [element.tag for element in elements] == ["{jabber:client}message"] * count


@pytest.mark.parametrize("wrong", [b"<a></b>", b"<a", b"</x>"])
async def test_what_is_no_xml_is_logged_and_read_no_further(
    read: tuple[Stream, list[Element]], wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    stream, elements = read
    with caplog.at_level(logging.ERROR, "slixmpp"):
        stream.data_received(wrong)
        stream.data_received(b"<" + MESSAGE)
    assert not elements
    assert "Parse error" in caplog.text
