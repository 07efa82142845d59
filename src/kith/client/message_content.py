"""What messages to people and to groups have in common on the wire: text, quotation, reply, reaction."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.client import stanzas
from kith.client.history import History
from kith.client.media import plain
from kith.client.media.texts import title, wire_text
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
        if message.kind in (Kind.DELETION, Kind.HEARD) or (
            message.kind is Kind.REACTION and not message.body
        ):
            return None
        if message.media is not None:
            return wire_text(message.media)  # and nothing else: some apps show a file only then
        return self._quotation(message) + message.body

    def _answered(self, message: Message, id: str) -> Message | None:
        """The message with the id that another one answers."""
        raise NotImplementedError

    def _body(self, message: Message, encrypted: Element | None) -> list[Element]:
        text = self.plaintext(message)
        body = Element(f"{{{stanzas.CLIENT}}}body")
        if message.kind is Kind.HEARD:
            return [] if encrypted is None else [encrypted]  # other apps ignore keys without a text
        if encrypted is not None:
            body.text = stanzas.FALLBACK
            hint = leaf(stanzas.EME, "encryption", namespace=stanzas.OMEMO, name="OMEMO")
            return [body, encrypted, hint]
        if text is None or message.kind is Kind.REACTION:
            return []
        body.text = text
        media = message.media
        return [body] if media is None or media.encrypted else [body, *plain.elements(media)]

    def _sealed(self, message: Message, encrypted: Element | None, key: bytes) -> list[Element]:
        """What is encrypted besides the text, with the key of the text."""
        extra = self._history.extra(message)
        if encrypted is None or not extra.sealed():
            return []
        from kith.client.sealed import seal  # of a library that takes long to import

        return [seal(extra, key)]

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
        reply = leaf(stanzas.REPLY, "reply", id=id, to=to)
        if message.media is not None:
            return [reply]
        fallback = leaf(stanzas.FALLBACK_NS, "fallback", {"for": stanzas.REPLY})
        end = str(len(self._quotation(message)))
        SubElement(fallback, f"{{{stanzas.FALLBACK_NS}}}body", start="0", end=end)
        return [reply, fallback]

    def _quotation(self, message: Message) -> str:
        """The lines before a reply, for apps that know no replies (XEP-0461 §3)."""
        if message.reply_to is None or message.kind not in (Kind.TEXT, Kind.EDIT):
            return ""
        found = self._answered(message, message.reply_to)
        text = "" if found is None else found.body or ("" if found.media is None else title(found.media))
        return "".join(f"> {line}\n" for line in text[:_MAX_QUOTE_LENGTH].split("\n")) if text else ""
