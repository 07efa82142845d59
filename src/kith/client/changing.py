"""The part of `kith.client.Client` that changes messages: edits, deletions and reactions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element, SubElement

from kith.client import sendable, stanzas
from kith.client.answers import answer
from kith.client.errors import NotChangeable
from kith.client.events import Event, MessageDeleted, MessageEdited, ReactionsChanged
from kith.client.groups.wire import MODERATE
from kith.client.media.sharing import Sharing
from kith.client.message import Draft, Kind, Message, State, Trust
from kith.client.references import is_emoji

#: For so long after it was sent a message can be edited. Recipients accept later edits as new messages.
EDITABLE = timedelta(days=1)


class Changing(Sharing):
    """What is said about a message goes through the outbox as a message does, also while offline."""

    async def edit(self, message: Message, body: str) -> Message:
        """Replaces the text of one of our messages, for everyone (XEP-0308).

        Returns the message as it is now. Raises NotChangeable (it is the peer's, deleted, has failed, or is
        older than a day), and what `send` raises; the text is then as before.
        """
        target = self._changeable(message)
        if target.media is not None:
            raise NotChangeable("A file can't be edited. Delete it, and send it again.")
        if not body.strip():
            raise NotChangeable("A message can't be edited to be empty. Delete it instead.")
        if datetime.now(UTC) - target.time > EDITABLE:
            raise NotChangeable("A message can be edited for a day after it was sent.")
        sendable.check_text(body, target.encrypted, self._stream.max_bytes)
        change = self._queue(self._change(target, Kind.EDIT, body))
        edited = self._history.set_text(target, body)
        await self._send_change(change, target, MessageEdited(edited, target))
        return self._history.get(target.row)

    async def delete(self, message: Message) -> Message:
        """Deletes one of our messages for everyone (XEP-0424). That there was one stays visible.

        Admins of a group delete those of others as well (XEP-0425), while they are online. Returns the
        message as it is now, without a text. Raises NotChangeable; for those of others also NotOnline and
        Refused.
        """
        target = self._history.get(message.row)
        if target.change is not None:
            raise NotChangeable("A notice can't be deleted.")
        if target.group and target.author != self.jid:
            return await self._moderate(target)
        target = self._changeable(message)
        if target.media is not None and self._media.records.of_message(target.row) is not None:
            self.cancel(target)
            return replace(target, body="", media=None, deleted=True)
        for caption in self._history.captions(target):
            self._queue(replace(self._change(caption, Kind.DELETION, ""), encrypted=False))
        change = self._queue(replace(self._change(target, Kind.DELETION, ""), encrypted=False))
        deleted = self._history.set_deleted(target)
        await self._send_change(change, target, MessageDeleted(deleted, target))
        return self._history.get(target.row)

    async def react(self, message: Message, *emojis: str) -> Message:
        """Reacts to a message with emoji, which replace earlier ones. Without any, takes the reaction back.

        Returns the message as it is now. Raises NotChangeable (it is deleted, or a text is not an emoji), and
        what `send` raises.
        """
        target = self._history.get(message.row)
        if target.deleted or target.error or target.change is not None:
            raise NotChangeable("There is no message to react to.")
        for one in emojis:
            if not is_emoji(one):
                raise NotChangeable(f"{one!r} is not an emoji.")
        chosen = tuple(dict.fromkeys(emojis))
        if chosen == target.reactions.ours:
            return target
        draft = self._change(target, Kind.REACTION, " ".join(chosen))
        first = self._history.first_reaction(target.peer, draft.about or "")
        change = self._queue(replace(draft, replaces=first))
        reacted = self._history.set_reactions(target, replace(target.reactions, ours=chosen))
        await self._send_change(change, target, ReactionsChanged(reacted, by_peer=False))
        return self._history.get(target.row)

    async def _moderate(self, target: Message) -> Message:
        group, id = self._groups.find(target.peer), self._history.group_id(target)
        if group is None or not group.belongs or not group.affiliation.manages or id is None:
            raise NotChangeable("Only admins delete messages of others.")
        request = Element(f"{{{MODERATE}}}moderate", id=id)
        SubElement(request, f"{{{stanzas.RETRACT}}}retract")
        self._require_server()
        asked = self._group_sync.request("set", target.peer, request)
        await answer(asked, "The message could not be deleted")
        deleted = self._history.set_deleted(target)
        self._db.commit()
        self._publish(MessageDeleted(deleted, target))
        return deleted

    def _changeable(self, message: Message) -> Message:
        """The message as it is now. Raises NotChangeable."""
        target = self._history.get(message.row)
        if target.incoming or target.change is not None:
            raise NotChangeable("Only your own messages can be changed.")
        if target.deleted:
            raise NotChangeable("The message was deleted.")
        if target.state is State.FAILED:
            raise NotChangeable("The message was never sent.")
        return target

    def _change(self, target: Message, kind: Kind, body: str) -> Draft:
        return Draft(
            peer=target.peer,
            id="",
            body=body,
            incoming=False,
            encrypted=target.encrypted,
            trust=Trust.VERIFIED if target.encrypted else Trust.PLAIN,
            time=datetime.now(UTC),
            state=State.QUEUED,
            kind=kind,
            about=target.origin or target.id,
            author=self.jid if target.group else None,
            reply_to=target.reply_to if kind is Kind.EDIT else None,
        )

    async def _send_change(self, change: Message, before: Message, event: Event) -> None:
        """Sends a change that is in the history already. If it can't be sent, it is taken back (`Undo`)."""
        self._undo.keep(change, before)
        self._db.commit()
        self._publish(event)
        await self._outbox.wait_until_sent(change)
