"""A group, or an occupant, as the sender of a stanza to an account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine

from kith.core.actors.intake import COMMITTING, Work
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.core.routing.router import Router
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class _Alone:
    """The link of a sender that sends one stanza (`kith.core.routing.foreign.Link`)."""

    committing = 0

    def __init__(self) -> None:
        self.durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_pipelined = False

    def pipelined(self) -> None:
        self.is_pipelined = True

    def committed(self) -> None:
        if not self.durable.done():
            self.durable.set_result(None)


class GroupSender(Foreign):
    """Sends one stanza in the name of a group or an occupant. ``answered`` gets what comes back."""

    __slots__ = ("_alone", "_answered")

    def __init__(self, jid: JID, post: Post, answered: Callable[[Stanza], None] | None = None) -> None:
        self._alone = _Alone()
        super().__init__(jid, self._alone, post)
        self._answered = answered

    def send(self, stanza: Stanza) -> None:
        if self._answered is not None:
            self._answered(stanza)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        answer = stanza.error(error)
        if answer is not None and self._answered is not None:
            self._answered(answer)
        elif not self._alone.durable.done():
            self._alone.durable.set_exception(error)

    async def until_durable(self, work: Work) -> None:
        """Waits until a message that this has sent is in the log. Raises StanzaError if it is refused."""
        if isinstance(work, Coroutine):
            await work
        if work is COMMITTING or self._alone.is_pipelined:
            await self._alone.durable


async def deliver(router: Router, post: Post, stanza: Stanza, sender: JID, to: JID) -> None:
    """Sends a message in the name of a group. Somebody here who is away finds it later.

    Raises StanzaError if the recipient refuses it, or does not exist.
    """
    if not post.domain.holds(to):
        post.route(stanza, sender, to)
        return
    group = GroupSender(sender, post)
    await group.until_durable(router.admit(group, stanza, to))
