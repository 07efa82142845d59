"""Builds what goes on the wire for a message to a group: the text to encrypt, and the elements beside it.

As in `kith.client.content`, but messages are named by the ids that the group gave them (XEP-0359 §5).
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.client import stanzas
from kith.client.groups import sealed
from kith.client.groups.records import GroupRecords
from kith.client.groups.wire import GROUPS
from kith.client.history import History
from kith.client.message import Kind, Message
from kith.client.stanzas import leaf

#: Characters of a message that are quoted in a reply.
_LONGEST_QUOTE = 200


class GroupContent:
    """Builds the content of messages to groups. ``own`` is our bare address."""

    __slots__ = ("_history", "_own", "_records")

    def __init__(self, history: History, records: GroupRecords, own: str) -> None:
        self._history = history
        self._records = records
        self._own = own

    def plaintext(self, message: Message) -> str | None:
        """The text as it is sent; None if there is none, so that nothing is encrypted."""
        if message.kind is Kind.DELETION or (message.kind is Kind.REACTION and not message.body):
            return None
        return self._quotation(message) + message.body

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
        extra = self._history.extra(message)
        if encrypted is not None:
            children.append(leaf(GROUPS, "for", number=str(number)))
            if extra.sealed():
                children.append(sealed.seal(extra, key))
        return [
            *self._body(message, encrypted),
            leaf(stanzas.SID, "origin-id", id=message.id),
            *children,
            leaf(stanzas.HINTS, "store"),
        ]

    def resent(self, message: Message, encrypted: Element, key: bytes, new: str, id: str) -> list[Element]:
        """The children of the stanza that brings a single device a message that it could not read."""
        extra = self._history.extra(message)
        return [
            *self._body(message, encrypted),
            leaf(stanzas.SID, "origin-id", id=new),
            *self._said_of_another(message),
            *([sealed.seal(extra, key)] if extra.sealed() else []),
            leaf(stanzas.RESEND, "resent", {"group": message.peer}, id=id),
            leaf(stanzas.HINTS, "store"),
        ]

    def _body(self, message: Message, encrypted: Element | None) -> list[Element]:
        text = self.plaintext(message)
        body = Element(f"{{{stanzas.CLIENT}}}body")
        if encrypted is not None:
            body.text = stanzas.FALLBACK
            hint = leaf(stanzas.EME, "encryption", namespace=stanzas.OMEMO, name="OMEMO")
            return [body, encrypted, hint]
        if text is None or message.kind is Kind.REACTION:
            return []
        body.text = text
        return [body]

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
        id = self._id(target, message.about)
        if not message.encrypted or not message.body:
            reactions = leaf(stanzas.REACTIONS, "reactions", id=id)
            for emoji in message.body.split():
                SubElement(reactions, f"{{{stanzas.REACTIONS}}}reaction").text = emoji
            return [reactions]
        replaced = self._history.replaced_id(message)
        to = self._occupant(message.peer, target.author) if target is not None else message.peer
        return [
            leaf(stanzas.KITH_REACTION, "reaction", id=id),
            leaf(stanzas.REPLY, "reply", id=id, to=to),
            *([] if replaced is None else [leaf(stanzas.CORRECT, "replace", id=replaced)]),
        ]

    def _reply(self, message: Message) -> list[Element]:
        if message.reply_to is None:
            return []
        target = self._history.group_target(message.peer, message.reply_to)
        to = self._occupant(message.peer, target.author) if target is not None else message.peer
        fallback = leaf(stanzas.FALLBACK_NS, "fallback", {"for": stanzas.REPLY})
        end = str(len(self._quotation(message)))
        SubElement(fallback, f"{{{stanzas.FALLBACK_NS}}}body", start="0", end=end)
        return [leaf(stanzas.REPLY, "reply", id=self._id(target, message.reply_to), to=to), fallback]

    def _occupant(self, group: str, author: str) -> str:
        return f"{group}/{self._records.name_of(group, author)}"

    def _quotation(self, message: Message) -> str:
        """The lines before a reply, for apps that know no replies (XEP-0461 §3)."""
        if message.reply_to is None or message.kind not in (Kind.TEXT, Kind.EDIT):
            return ""
        found = self._history.group_target(message.peer, message.reply_to)
        if found is None or not found.body:
            return ""
        return "".join(f"> {line}\n" for line in found.body[:_LONGEST_QUOTE].split("\n"))
