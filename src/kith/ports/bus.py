"""What is asked of a bus: how the nodes of a cluster talk to each other.

A bus carries bytes and does not look into them. Whatever is sent begins with a byte that says the version of
its format. A receiver that does not know the version does not reply, so that a request waits for the node to
be upgraded, as it waits for a node that is down.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

#: The first byte of all that is sent, in the format of today.
VERSION = b"\x01"


class BusError(Exception):
    """Why a request has no answer."""


class NoOwner(BusError):
    """Nobody serves the slot. The request was not taken, and never will be."""


class Lost(BusError):
    """No answer came in time. The request may have been taken, and it may still be taken later."""


class Reply(Protocol):
    """Answers one request, at once or later, on the loop's thread. For a notice it does nothing.

    Only the first call counts. A request that is not answered is `Lost` for who asked.
    """

    def __call__(self, answer: bytes) -> None: ...


Done = Callable[[bytes | None, BusError | None], None]
Take = Callable[[bytes, Reply], None]
OnFrame = Callable[[int, bytes], None]
OnLost = Callable[[], None]


class Link(Protocol):
    """One side of a connection between two nodes, which carries the frames of many streams.

    Frames arrive whole, once, and in the order in which they were sent, until the link is lost or closed; how
    many of the last ones did arrive, nobody knows.
    """

    def send(self, stream: int, frame: bytes) -> None:
        """Sends a frame of a stream; the two sides agree on the numbers. Does nothing on a lost link."""

    def close(self) -> None:
        """Ends the link for both sides. ``on_lost`` is called on the other one only."""


Accept = Callable[[str, Link], tuple[OnFrame, OnLost]]


class Bus(Protocol):
    """Requests and notices to whoever owns a slot, and links between nodes.

    All callbacks are called on the loop's thread, and may be called before the method that leads to them has
    returned. They must not raise.

    What is promised of **requests** is little, so that it holds on any network. A request may get lost, be
    late by any time, and arrive more than once; two requests may overtake each other, even from one node to
    one slot. Each may be taken by a node that has lost the slot and does not know it. So a request carries
    what makes it safe to repeat (a key under which it is known again), and what has to come before it, if
    order matters. ``done`` is called exactly once for each.

    **Notices** may get lost. Those that arrive come once, and those from one node to one slot come in the
    order in which they were sent; with requests, they have no order. One that nobody takes is dropped.
    """

    def ask(self, slot: int, request: bytes, done: Done) -> None:
        """Sends a request to the owner of a slot. ``done`` gets the answer, or `NoOwner`, or `Lost`."""

    def tell(self, slot: int, notice: bytes) -> None:
        """Sends a notice to the owner of a slot: presence, typing."""

    def serve(self, slot: int, take: Take) -> None:
        """Requests and notices for a slot go to ``take`` from now on. Raises ValueError if one is set."""

    def stop(self, slot: int) -> None:
        """Nothing more is taken for a slot. What was taken may still be answered."""

    def link(self, node: str, on_frame: OnFrame, on_lost: OnLost) -> Link:
        """Connects to a node, by its name. Frames may be sent at once.

        ``on_lost`` is called, once, when the connection fails or the other side closes it, and no frame comes
        afterwards. It is also called if there is no such node.
        """

    def accept(self, accept: Accept) -> None:
        """Takes the links of other nodes: ``accept`` gets the other's name and this side of the link.

        It returns what is called for frames, and when the link is lost.
        """
