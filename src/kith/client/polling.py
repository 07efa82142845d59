"""The part of `kith.client.Client` about polls in groups."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from kith.client import sendable
from kith.client.errors import NotChangeable, NotSendable
from kith.client.events import MessageChanged, MessageReceived
from kith.client.extra import MOST_OPTIONS, Extra, Vote
from kith.client.groups.values import Option, Poll, PollResult
from kith.client.message import Draft, Kind, Message, State, Trust
from kith.client.writing import Writing


class Polling(Writing):
    """Polls are encrypted as texts are. Apps that know none show them as text."""

    async def send_poll(
        self, group: str, question: str, options: Sequence[str], *, several: bool = False
    ) -> Message:
        """Asks a group a question with two to 32 options. ``several``: people may choose more than one.

        Raises what `send` raises.
        """
        if not 2 <= len(options) <= MOST_OPTIONS or not question.strip() or not all(map(str.strip, options)):
            raise NotSendable(f"A poll has a question, and 2 to {MOST_OPTIONS} options.")
        poll = Poll(question, tuple(Option(secrets.token_hex(4), text) for text in options), several)
        text = "\n".join([question, *(f"{number}. {text}" for number, text in enumerate(options, 1))])
        draft = self._group_draft(group, text, Kind.TEXT)
        message = self._queue(replace(draft, extra=Extra(poll=poll).stored()))
        self._history.mark_read(message.peer, message)
        self._db.commit()
        self._publish(MessageReceived(message))
        await self._outbox.wait_until_sent(message)
        return self._history.get(message.row)

    async def vote(self, message: Message, *options: Option | str) -> PollResult:
        """Votes in a poll, for options or their ids; without any, takes the vote back. The last vote counts.

        Raises NotChangeable if it is no poll, is closed, or has no such options, and what `send` raises.
        """
        target, result = self._poll_of(message)
        chosen = tuple(dict.fromkeys(one if isinstance(one, str) else one.id for one in options))
        texts = {option.id: option.text for option in result.poll.options}
        if result.closed:
            raise NotChangeable("The poll is closed.")
        if not texts.keys() >= set(chosen) or (len(chosen) > 1 and not result.poll.several):
            raise NotChangeable("The poll has no such options.")
        of = target.origin or target.id
        text = "Vote: " + (", ".join(texts[id] for id in chosen) or "none")
        await self._send_about(target, text, Kind.VOTE, Extra(vote=Vote(of, chosen)))
        return self.poll_result(target)

    async def close_poll(self, message: Message) -> PollResult:
        """Closes a poll of ours. Raises NotChangeable, and what `send` raises."""
        target, result = self._poll_of(message)
        if target.incoming:
            raise NotChangeable("Only its author closes a poll.")
        if not result.closed:
            text = f"Poll closed: {result.poll.question}"
            await self._send_about(target, text, Kind.CLOSE, Extra(close=target.origin or target.id))
        return self.poll_result(target)

    def poll_result(self, message: Message) -> PollResult:
        """The votes of a poll that are here. Raises NotChangeable if it is none."""
        return self._poll_of(message)[1]

    def _poll_of(self, message: Message) -> tuple[Message, PollResult]:
        target = self._history.get(message.row)
        if target.poll is None or target.deleted:
            raise NotChangeable("This is no poll.")
        of = target.origin or target.id
        votes = dict(self._history.votes(target.peer, of))  # the last vote of a person counts
        most = len(target.poll.options) if target.poll.several else 1
        counted = {
            option.id: tuple(jid for jid, chosen in votes.items() if option.id in chosen[:most])
            for option in target.poll.options
        }
        closed = self._history.is_closed(target.peer, of, target.author)
        return target, PollResult(target.poll, counted, closed)

    async def _send_about(self, target: Message, text: str, kind: Kind, extra: Extra) -> None:
        draft = self._group_draft(target.peer, text, kind, target.encrypted)
        about = target.origin or target.id
        message = self._queue(replace(draft, about=about, extra=extra.stored()))
        self._db.commit()
        self._publish(MessageChanged(self._history.get(target.row)))
        await self._outbox.wait_until_sent(message)

    def _group_draft(self, group: str, text: str, kind: Kind, encrypted: bool = True) -> Draft:
        """A message to a group. Raises NotSendable."""
        group = self._writable_group(group).jid
        if not encrypted:
            raise NotSendable("There are no polls without encryption.")
        sendable.check_text(text, True, self._stream.max_bytes)
        now, trust = datetime.now(UTC), Trust.VERIFIED
        return Draft(group, "", text, False, True, trust, now, State.QUEUED, kind=kind, author=self.jid)
