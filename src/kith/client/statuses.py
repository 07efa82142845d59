"""The part of `kith.client.Client` about statuses: what contacts show each other for a day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from kith.client import sendable
from kith.client.addresses import bare
from kith.client.answers import answer
from kith.client.errors import NotSendable, ServerLacks
from kith.client.events import StatusDeleted, StatusPosted
from kith.client.media.sharing import Sharing
from kith.client.message import Link, Message
from kith.client.status.content import Content, color_of
from kith.client.status.values import DAY, LONGEST_TEXT, Audience, Status, StatusKind, StatusQuote


class Statuses(Sharing):
    """Statuses are encrypted for contacts whom the audience holds, and gone after a day."""

    def statuses(self, author: str | None = None) -> list[Status]:
        """The fresh statuses, oldest first: of one author, or of all. Reads the local copy."""
        return self._status.records.all(None if author is None else bare(author))

    async def post_status(
        self, text: str, *, color: str = "", seconds: int = DAY, forward: bool = False
    ) -> Status:
        """Posts a text for our audience (`set_status_audience`). Returns when the server has it.

        ``color``: of the ground, ``#rrggbb``; by default, what each app chooses. ``seconds``: for how long, a
        minute to a day. ``forward``: whether others may forward and save it. Raises NotSendable,
        BadCharacters, NotOnline, ServerLacks, Refused (too many in a day), and TimedOut.
        """
        if not text.strip() or len(text) > LONGEST_TEXT:
            raise NotSendable(f"A status has 1 to {LONGEST_TEXT} characters.")
        if color and not color_of(color):
            raise NotSendable("The color of a status is written #rrggbb.")
        if not 60 <= seconds <= DAY:
            raise NotSendable("A status is there for a minute to a day.")
        sendable.check_characters(text)
        self._require_statuses()
        content = Content(StatusKind.TEXT, text, color_of(color), seconds, forward)
        return await self._post(content)

    async def _post(self, content: Content) -> Status:
        audience, _ = self._status.records.audience()
        contacts = [jid for jid in self._status.mutual() if audience.holds(jid)]
        posted = await self._status.posting.post(contacts, content)
        self._status.sync.wake()
        self._publish(StatusPosted(posted))
        return posted

    async def view_status(self, status: Status) -> None:
        """Notes that a status was shown. Its author learns it, unless one of us has read receipts off.

        Without a connection, it is told later.
        """
        if status.own:
            return
        if self._status.records.set_seen(status.author, status.id, told=False):
            self._db.commit()
            if self.link is Link.ONLINE and self._status.sync.supported:
                self._status.sync.tell_seen(status.author, status.id)

    async def reply_to_status(self, status: Status, text: str) -> Message:
        """Answers a status, with an encrypted message to its author that quotes it. Raises as `send`."""
        return await self._answer(status, text, reaction=False)

    async def react_to_status(self, status: Status, emoji: str) -> Message:
        """Reacts to a status with an emoji, in a message to its author. Raises as `send`."""
        if not emoji.strip() or len(emoji) > 32:
            raise NotSendable("A reaction is an emoji.")
        return await self._answer(status, emoji.strip(), reaction=True)

    async def _answer(self, status: Status, text: str, reaction: bool) -> Message:
        if status.own:
            raise NotSendable("This is your own status.")
        thumbnail = b"" if status.media is None else status.media.thumbnail
        quote = StatusQuote(
            *(status.author, status.id, status.kind, status.text[:200], status.color, thumbnail, reaction)
        )
        return await self.send(status.author, text, encrypted=True, status=quote)

    async def delete_status(self, status: Status) -> None:
        """Deletes a status of ours for everyone. Raises NotSendable, NotOnline, Refused, TimedOut."""
        if not status.own:
            raise NotSendable("Only its author deletes a status.")
        self._require_statuses()
        await self._status.posting.delete(status.id, self._status.mutual())
        if self._status.records.delete(status.author, status.id) is not None:
            self._publish(StatusDeleted(status))
        self._db.commit()

    async def mute_statuses(self, person: str, on: bool = True) -> None:
        """Mutes the statuses of a person, on all our devices. Raises NotOnline, Refused, ServerLacks."""
        self._require_statuses()
        await answer(self._status.mute(bare(person), on), "The person could not be muted")

    def status_audience(self) -> Audience:
        """Who gets our statuses."""
        return self._status.records.audience()[0]

    async def set_status_audience(
        self, mode: Literal["contacts", "except", "only"], people: Iterable[str] = ()
    ) -> None:
        """Changes who gets our statuses: all contacts, those ``except`` some people, or ``only`` some.

        For statuses from now on, on all our devices. Raises NotOnline, Refused, ServerLacks, InvalidAddress.
        """
        self._require_statuses()
        audience = Audience(mode, frozenset(bare(one) for one in people))
        await answer(self._status.set_audience(audience), "The audience could not be changed")

    def _require_statuses(self) -> None:
        self._require_server()
        if not self._status.sync.supported:
            raise ServerLacks("The server has no status.")
