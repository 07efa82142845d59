"""The bus and placement of a single node: it owns every slot, and a request is a function call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from kith.base.slots import slot_of
from kith.ports.bus import Accept, Done, Link, Lost, NoOwner, OnFrame, OnLost, Take


class LocalPlacement:
    """A placement in which this node always owns every slot."""

    def slot(self, key: str) -> int:
        return slot_of(key)

    def owns(self, key: str) -> bool:
        return True

    async def run(self, gained: Callable[[int], Awaitable[None]], lost: Callable[[int], None]) -> None:
        """Waits until it is cancelled, since no slot is ever gained or lost."""
        await asyncio.Event().wait()


class LocalBus:
    """Calls the server of a slot directly, with the same bytes. Nothing is lost, delayed or repeated.

    ``node``: the name by which `link` finds this node.
    """

    def __init__(self, node: str = "local") -> None:
        self._node = node
        self._takes: dict[int, Take] = {}
        self._accept: Accept | None = None

    def ask(self, slot: int, request: bytes, done: Done) -> None:
        take = self._takes.get(slot)
        if take is None:
            done(None, NoOwner())
        else:
            take(request, _Reply(done))

    def tell(self, slot: int, notice: bytes) -> None:
        if (take := self._takes.get(slot)) is not None:
            take(notice, _ignore)

    def serve(self, slot: int, take: Take) -> None:
        if slot in self._takes:
            raise ValueError(f"slot {slot} is served already")
        self._takes[slot] = take

    def stop(self, slot: int) -> None:
        self._takes.pop(slot, None)

    def link(self, node: str, on_frame: OnFrame, on_lost: OnLost) -> Link:
        near, far = _End(), _End()
        near.other, far.other = far, near
        near.on_frame, near.on_lost = on_frame, on_lost
        if node != self._node or self._accept is None:
            far.close()
        else:
            far.on_frame, far.on_lost = self._accept(self._node, far)
        return near

    def accept(self, accept: Accept) -> None:
        self._accept = accept


class _Reply:
    """Passes on the first answer only."""

    __slots__ = ("_done",)

    def __init__(self, done: Done) -> None:
        self._done: Done | None = done

    def __call__(self, answer: bytes) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(answer, None)

    def __del__(self) -> None:
        """Reports `Lost` if the reply is dropped without an answer."""
        if (done := self._done) is not None:
            done(None, Lost())


def _ignore(answer: bytes) -> None:
    """The reply of a notice, which has no answer."""


class _End:
    """One side of a link within the process."""

    __slots__ = ("_open", "on_frame", "on_lost", "other")

    other: _End
    on_frame: OnFrame
    on_lost: OnLost

    def __init__(self) -> None:
        self._open = True

    def send(self, stream: int, frame: bytes) -> None:
        if self._open:
            self.other.on_frame(stream, frame)

    def close(self) -> None:
        if self._open:
            self._open = self.other._open = False
            self.other.on_lost()
