"""The HTTP port: the head of a request, the upgrade, and the frames of RFC 7395.

A file of the corpus is what a client sends, byte for byte; its frames have a mask of zeros, so that one can
read them.
"""

from __future__ import annotations

from functools import cache
from xml.etree import ElementTree

from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from kith.edge.http import FrontConnection
from tests.fuzz.world import Transport, World, cut

_FRAMING = "urn:ietf:params:xml:ns:xmpp-framing"
_LARGEST = 1 << 20


@cache
def world() -> World:
    return World()


def run(data: bytes) -> None:
    world().do(_run(world(), data))


async def _run(world: World, data: bytes) -> None:
    for pieces in ([data], cut(data)):
        transport = world.connect(lambda: FrontConnection(world.web))
        await world.feed(transport, pieces)
        await world.settle()
        await world.hang_up(transport)
        _check(transport)


def _check(transport: Transport) -> None:
    """An HTTP response; after the upgrade, frames that are whole, each with one element or a farewell."""
    sent = transport.sent
    assert len(sent) < _LARGEST
    if not sent:
        return
    head, separator, rest = sent.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/"), head
    assert separator
    status = int(head.split(b" ")[1])
    assert status != 500, head
    if status != 101:
        return
    reader = StreamReader()
    reader.feed_data(rest)
    opened = closed = False
    while not reader.at_eof() and rest:
        parsing = Frame.parse(reader.read_exact, mask=False)
        try:
            next(parsing)
        except StopIteration as done:
            frame = done.value
        else:
            raise AssertionError("a frame that is not whole")
        assert not closed, "nothing follows a farewell"
        if frame.opcode is Opcode.TEXT and not frame.rsv1:
            root = ElementTree.fromstring(frame.data)
            assert opened or root.tag == f"{{{_FRAMING}}}open"
            opened = True
        closed = frame.opcode is Opcode.CLOSE
        rest = rest[len(rest) - len(reader.buffer) :] if reader.buffer else b""
