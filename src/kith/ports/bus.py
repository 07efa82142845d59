"""The interface of a bus, by which the nodes of a cluster communicate.

A bus transports bytes without reading them. Everything that is sent begins with a byte for the version of
its format. A receiver that does not know the version does not reply, so the request waits until the node is
upgraded, just as it waits for a node that is down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

#: The first byte of everything that is sent: the version of the format.
VERSION = b"\x01"


class BusError(Exception):
    """A request got no answer."""


class NoOwner(BusError):
    """No node serves the slot. The request was not handled, and never will be."""


class Lost(BusError):
    """No answer came in time. The request may have been handled, or may still be handled later."""


class Reply(Protocol):
    """Answers one request, at once or later, on the thread of the event loop. For a notice it does nothing.

    Only the first call counts. If a request is never answered, its sender gets `Lost`.
    """

    def __call__(self, answer: bytes) -> None: ...


Done = Callable[[bytes | None, BusError | None], None]
Take = Callable[[bytes, Reply], None]
OnFrame = Callable[[int, bytes], None]
OnLost = Callable[[], None]


class Link(Protocol):
    """One side of a connection between two nodes, which carries the frames of many streams.

    Frames arrive complete, once, and in order, until the link is lost or closed. It is not known how many
    of the last frames arrived.
    """

    def send(self, stream: int, frame: bytes) -> None:
        """Sends a frame of a stream, whose number both sides have agreed on.

        Does nothing if the link is lost.
        """

    def close(self) -> None:
        """Closes the link. ``on_lost`` is called on the other side only."""


Accept = Callable[[str, Link], tuple[OnFrame, OnLost]]


class Bus(Protocol):
    """Sends requests and notices to the owner of a slot, and links nodes.

    Callbacks are called on the thread of the event loop, possibly before the method that causes them has
    returned. They must not raise.

    **Requests** have few guarantees, so that these hold on any network. A request may be lost, delayed for
    any time, or arrive more than once, and may overtake another, even from the same node to the same slot.
    It may be handled by a node that has lost the slot without knowing it. So a request has a key that makes
    it safe to repeat, and, if order matters, contains what has to come before it. ``done`` is called
    exactly once for each.

    **Notices** may be lost. Those that arrive do so once, and those from one node to one slot in order;
    there is no order between notices and requests. If nobody serves the slot, a notice is dropped.
    """

    def ask(self, slot: int, request: bytes, done: Done) -> None:
        """Sends a request to the owner of a slot.

        ``done`` is called with the answer, or `NoOwner` or `Lost`.
        """

    def tell(self, slot: int, notice: bytes) -> None:
        """Sends a notice to the owner of a slot, for presence or typing."""

    def serve(self, slot: int, take: Take) -> None:
        """Lets ``take`` handle the requests and notices for a slot.

        Raises ValueError if the slot is served already.
        """

    def stop(self, slot: int) -> None:
        """Stops serving a slot. Requests that were taken may still be answered."""

    def link(self, node: str, on_frame: OnFrame, on_lost: OnLost) -> Link:
        """Connects to a node by its name. Frames may be sent at once.

        ``on_lost`` is called once when the connection fails, the other side closes it, or there is no such
        node. No frame arrives afterwards.
        """

    def accept(self, accept: Accept) -> None:
        """Accepts links from other nodes.

        ``accept`` is called with the name of the node and this side of the link.

        It returns the callbacks for frames and for the loss of the link.
        """
