"""The part of `kith.client.Client` that writes messages."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from kith.client import sendable
from kith.client.addresses import bare
from kith.client.errors import NotSendable
from kith.client.events import ContactChanged, MessageChanged, MessageReceived
from kith.client.extra import Extra
from kith.client.groups.mentions import find_mentions
from kith.client.groups.values import Group, Mention
from kith.client.message import Draft, Link, Message, State, Trust
from kith.client.stanzas import chat_state
from kith.client.status.values import StatusQuote
from kith.client.waiting import Waiting


class Writing(Waiting):
    """Sends texts, typing notifications and read markers."""

    async def send(
        self,
        peer: str,
        body: str,
        *,
        encrypted: bool | None = None,
        reply_to: Message | None = None,
        mentions: Sequence[Mention] | None = None,
        status: StatusQuote | None = None,
        wait: State | None = None,
        timeout: float | None = 30.0,
    ) -> Message:
        """Sends a text. Returns once it is on the wire or, without a connection, stored in the outbox.

        If the call is cancelled while it waits, the message stays in the outbox and is sent all the same.
        ``encrypted``: by default as the chat is set, which is True unless the user changed it
        (`set_plain`). ``reply_to``: a message of this chat, which apps quote above the text. ``wait``: waits
        further until the message has reached that state, at most ``timeout`` seconds.

        ``peer`` may be a group that we are in. ``mentions``: who is meant by parts of the text; by default,
        ``@name`` means the member with that name, and ``@all`` everybody. Groups that anybody may enter are
        not encrypted by default. ``status``: what the text answers or reacts to, if it is encrypted.

        Raises PeerHasNoDevices and NoTrustedDevices (the message is then stored as failed), TooLarge (see
        `largest_text`), BadCharacters and NotSendable (nothing is stored), and InvalidAddress; with ``wait``
        also NotSent if the message fails, and TimedOut.
        """
        if not body.strip():
            raise NotSendable("There is nothing to send.")
        peer, encrypted, group = await self._destination(peer, encrypted, reply_to)
        sendable.check_text(body, encrypted, self._stream.max_bytes)
        if group is not None and mentions is None:
            mentions = find_mentions(body, group)
        if not encrypted:
            extra = Extra()
        elif group is not None:
            extra = Extra(mentions=tuple(mentions or ()))
        else:
            extra = Extra(status=status)
        message = self._queue(
            Draft(
                peer=peer,
                id="",
                body=body,
                incoming=False,
                encrypted=encrypted,
                trust=Trust.VERIFIED if encrypted else Trust.PLAIN,
                time=datetime.now(UTC),
                state=State.QUEUED,
                reply_to=None if reply_to is None else self._reply_id(reply_to),
                author=None if group is None else self.jid,
                extra=extra.stored(),
            )
        )
        self._history.mark_read(peer, message)
        self._history.note_written(peer)
        self._db.commit()
        self._publish(MessageReceived(message))
        if self.link is Link.ONLINE and group is None and not self._contacts.known(peer):
            self._contacts.add(peer, self._nickname)
        await self._outbox.wait_until_sent(message)
        if wait is not None:
            return await self.wait_for(message, wait, timeout)
        return self._history.get(message.row)

    async def _destination(
        self, peer: str, encrypted: bool | None, reply_to: Message | None
    ) -> tuple[str, bool, Group | None]:
        """Where a message goes: the address, whether to encrypt, and the group if it is one.

        Raises NotSendable, InvalidAddress.
        """
        peer = bare(peer)
        if peer == self.jid:
            raise NotSendable("This is your own address.")
        if reply_to is not None and (reply_to.peer != peer or reply_to.change is not None):
            raise NotSendable("A reply can only go to the chat of the message that it answers.")
        group = self._writable_group(peer) if self._groups.knows(peer) else None
        if encrypted is None:
            if self._history.is_keyless(peer) and self.link is Link.ONLINE:
                await self._outbox.look_for_keys(peer)
            public = group is not None and group.is_public
            encrypted = not public and not self._history.is_plain(peer)
        return peer, encrypted, group

    def _reply_id(self, message: Message) -> str:
        """The id by which a message is answered: in groups the group's, if there is one (XEP-0461 §3)."""
        id = self._history.group_id(message) if message.group else None
        return id or message.origin or message.id

    def _writable_group(self, group: str) -> Group:
        """A group that we may write to. Raises NotSendable."""
        found = self._groups.find(bare(group))
        if found is None or not found.belongs:
            raise NotSendable("You are not in this group.")
        if not found.writable:
            raise NotSendable("Only admins write in this group.")
        return found

    def _queue(self, draft: Draft) -> Message:
        """Adds a message to the outbox, under an id of its own. The caller commits."""
        id = str(uuid.uuid4())
        message = self._history.add(draft.with_id(id))
        assert message is not None, "a new origin id is unique"
        if message.group:
            self._history.put_pending(message)
        return message

    async def resend(self, message: Message, *, encrypted: bool | None = None) -> Message:
        """Sends a failed message once more, under a new id. Raises what `send` raises.

        Does nothing if the message has not failed, or was deleted. ``encrypted``: by default as it was.
        """
        current = self._history.get(message.row)
        if current.state is not State.FAILED or current.deleted:
            return current
        if encrypted is None:
            encrypted = current.encrypted
        sendable.check_text(current.body, encrypted, self._stream.max_bytes)
        if current.media is not None and encrypted != current.encrypted:
            raise NotSendable("Send the file again: it was prepared for another kind of chat.")
        again = self._history.requeue(current, str(uuid.uuid4()), encrypted)
        if current.group:
            self._history.put_pending(again)
        self._requeued(again)
        self._db.commit()
        self._outbox.requeued(again)
        self._publish(MessageChanged(again))
        await self._outbox.wait_until_sent(again)
        return self._history.get(message.row)

    def _requeued(self, message: Message) -> None:
        """A failed message waits once more, under a new id. The caller commits."""

    def largest_text(self, encrypted: bool = True) -> int:
        """How many bytes of UTF-8 a message to this server may have."""
        return sendable.largest_text(encrypted, self._stream.max_bytes)

    async def typing(self, peer: str, active: bool = True) -> None:
        """Tells the peer that we are typing, or have stopped (XEP-0085).

        Does nothing while offline, or if the peer is a stranger who was not accepted.
        """
        peer = bare(peer)
        if self.link is Link.ONLINE and self.accepted(peer):
            group = self._groups.is_ours(peer)
            stanza = self._stream.make_message(peer, mtype="groupchat" if group else "chat")
            for child in chat_state(active):
                stanza.append(child)
            stanza.send()

    async def mark_read(self, peer: str, upto: Message | None = None) -> None:
        """Marks a chat as read, up to a message or as a whole, and tells the peer (XEP-0333).

        A stranger is told once they are accepted.
        """
        peer = bare(peer)
        marker = self._history.mark_read(peer, upto)
        if self._groups.is_ours(peer):
            self._group_parts.receipts.owe(peer)
        if marker is not None:
            self._history.owe(peer, "displayed", marker)
            self._outbox.wake()
        self._db.commit()
        self._publish(ContactChanged(peer))
