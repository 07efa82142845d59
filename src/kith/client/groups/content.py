"""Builds what goes on the wire for a message to a group: the text to encrypt, and the elements beside it.

As in `kith.client.content`, but messages are named by the ids that the group gave them (XEP-0359 §5).
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.groups.records import GroupRecords
from kith.client.groups.wire import GROUPS
from kith.client.history import History
from kith.client.message import Kind, Message
from kith.client.message_content import MessageContent
from kith.client.stanzas import leaf


class GroupContent(MessageContent):
    """Builds the content of messages to groups."""

    __slots__ = ("_records",)

    def __init__(self, history: History, records: GroupRecords, own: str) -> None:
        super().__init__(history, own)
        self._records = records

    def note_number(self, message: Message, number: int) -> None:
        """Stores for which members the message is encrypted."""
        self._history.note_number(message, number)

    def elements(
        self, message: Message, encrypted: Element | None, key: bytes = b"", number: int = 0
    ) -> list[Element]:
        """The children of the stanza.

        ``encrypted``: the `plaintext`, if it is to be encrypted, with the ``key`` of its text, for the
        members of the group at a ``number``.
        """
        children = self._said_of_another(message)
        if encrypted is not None:
            children.append(leaf(GROUPS, "for", number=str(number)))
            children += self._sealed(message, encrypted, key)
        return [
            *self._body(message, encrypted),
            leaf(stanzas.SID, "origin-id", id=message.id),
            *children,
            leaf(stanzas.HINTS, "store"),
        ]

    def resent(self, message: Message, encrypted: Element, key: bytes, new: str, id: str) -> list[Element]:
        """The children of the stanza that brings a single device a message that it could not read."""
        return [
            *self._body(message, encrypted),
            leaf(stanzas.SID, "origin-id", id=new),
            *self._said_of_another(message),
            *self._sealed(message, encrypted, key),
            leaf(stanzas.RESEND, "resent", {"group": message.peer}, id=id),
            leaf(stanzas.HINTS, "store"),
        ]

    def given(self, message: Message, encrypted: Element, key: bytes, about: Element) -> list[Element]:
        """The children of the stanza that gives a newcomer a message; ``about`` says whom, and which."""
        return [
            about,
            *self._body(message, encrypted),
            *self._reply(message),
            *self._sealed(message, encrypted, key),
        ]

    def _said_of_another(self, message: Message) -> list[Element]:
        target = None if message.about is None else self._history.group_target(message.peer, message.about)
        match message.kind:
            case Kind.TEXT:
                return self._reply(message)
            case Kind.EDIT:
                id = message.about or "" if target is None else target.id
                return [*self._reply(message), leaf(stanzas.CORRECT, "replace", id=id)]
            case Kind.DELETION:
                return [leaf(stanzas.RETRACT, "retract", id=self._id(target, message.about))]
            case Kind.REACTION:
                return self._reaction(message, target)
            case _:
                return []

    def _id(self, target: Message | None, otherwise: str | None) -> str:
        found = None if target is None else self._history.group_id(target)
        return found or otherwise or ""

    def _reaction(self, message: Message, target: Message | None) -> list[Element]:
        return self._reacts(message, self._id(target, message.about), self._author(message, target))

    def _reply(self, message: Message) -> list[Element]:
        if message.reply_to is None:
            return []
        target = self._answered(message, message.reply_to)
        return self._replies(message, self._id(target, message.reply_to), self._author(message, target))

    def _author(self, message: Message, target: Message | None) -> str:
        """The author of a message as the group names them (XEP-0045 §3); the group if it is not here."""
        if target is None:
            return message.peer
        return f"{message.peer}/{self._records.name_of(message.peer, target.author)}"

    def _answered(self, message: Message, id: str) -> Message | None:
        return self._history.group_target(message.peer, id)
