"""What messages to people and to groups have in common on the wire: text, quotation, reply, reaction."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.client import stanzas
from kith.client.history import History
from kith.client.message import Kind, Message
from kith.client.stanzas import leaf

#: Characters of a message that are quoted in a reply.
_MAX_QUOTE_LENGTH = 200


class MessageContent:
    """`Content` and `GroupContent` are built on it. They differ in the ids and addresses that name messages.

    ``own`` is our bare address.
    """

    __slots__ = ("_history", "_own")

    def __init__(self, history: History, own: str) -> None:
        self._history = history
        self._own = own

    def plaintext(self, message: Message) -> str | None:
        """The text of a message as it is sent; None if the message has none, so that nothing is encrypted."""
        if message.kind is Kind.DELETION or (message.kind is Kind.REACTION and not message.body):
            return None
        return self._quotation(message) + message.body

    def _answered(self, message: Message, id: str) -> Message | None:
        """The message with the id that another one answers."""
        raise NotImplementedError

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

    def _reacts(self, message: Message, id: str, to: str) -> list[Element]:
        """A reaction to the message with an id, by an author."""
        if not message.encrypted or not message.body:
            reactions = leaf(stanzas.REACTIONS, "reactions", id=id)
            for emoji in message.body.split():
                SubElement(reactions, f"{{{stanzas.REACTIONS}}}reaction").text = emoji
            return [reactions]
        replaced = self._history.replaced_id(message)
        return [
            leaf(stanzas.KITH_REACTION, "reaction", id=id),
            leaf(stanzas.REPLY, "reply", id=id, to=to),
            *([] if replaced is None else [leaf(stanzas.CORRECT, "replace", id=replaced)]),
        ]

    def _replies(self, message: Message, id: str, to: str) -> list[Element]:
        """A reply to the message with an id, by an author."""
        fallback = leaf(stanzas.FALLBACK_NS, "fallback", {"for": stanzas.REPLY})
        end = str(len(self._quotation(message)))
        SubElement(fallback, f"{{{stanzas.FALLBACK_NS}}}body", start="0", end=end)
        return [leaf(stanzas.REPLY, "reply", id=id, to=to), fallback]

    def _quotation(self, message: Message) -> str:
        """The lines before a reply, for apps that know no replies (XEP-0461 §3)."""
        if message.reply_to is None or message.kind not in (Kind.TEXT, Kind.EDIT):
            return ""
        found = self._answered(message, message.reply_to)
        if found is None or not found.body:
            return ""
        return "".join(f"> {line}\n" for line in found.body[:_MAX_QUOTE_LENGTH].split("\n"))
