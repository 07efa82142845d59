"""Builds what goes on the wire for a message: the text to encrypt, and the elements beside it.

Texts, replies (XEP-0461), edits (XEP-0308) and deletions (XEP-0424) are as other apps send them. An encrypted
reaction is a text, marked as a reaction for Kith's apps and as a reply for others (docs/web.md); XEP-0444
would show it to the server.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element, SubElement

from kith.client import stanzas
from kith.client.history import History
from kith.client.message import Kind, Message
from kith.client.stanzas import leaf

#: Characters of a message that are quoted in a reply.
_MAX_QUOTE_LENGTH = 200


class Content:
    """Builds the content of messages in the outbox. ``own`` is our bare address.

    ``introduction(peer)`` is our nickname for a peer who may not know it, else empty (XEP-0172).
    """

    __slots__ = ("_history", "_introduction", "_own")

    def __init__(self, history: History, own: str, introduction: Callable[[str], str]) -> None:
        self._history = history
        self._own = own
        self._introduction = introduction

    def plaintext(self, message: Message) -> str | None:
        """The text of a message as it is sent; None if the message has none, so that nothing is encrypted."""
        if message.kind is Kind.DELETION or (message.kind is Kind.REACTION and not message.body):
            return None
        return self._quotation(message) + message.body

    def elements(self, message: Message, encrypted: Element | None) -> list[Element]:
        """The children of the stanza. ``encrypted``: the `plaintext`, if the message is to be encrypted."""
        children = self._said_of_another(message)
        if message.kind in (Kind.TEXT, Kind.EDIT):
            children += [leaf(stanzas.RECEIPTS, "request"), leaf(stanzas.MARKERS, "markable")]
            children.append(leaf(stanzas.CHAT_STATES, "active"))
        return [
            *self._body(message, encrypted),
            *self._nickname(message.peer),
            leaf(stanzas.SID, "origin-id", id=message.id),
            *children,
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

    def _nickname(self, peer: str) -> list[Element]:
        name = self._introduction(peer)
        if not name:
            return []
        element = leaf(stanzas.NICK, "nick")
        element.text = name
        return [element]

    def _said_of_another(self, message: Message) -> list[Element]:
        about = message.about or ""
        match message.kind:
            case Kind.TEXT:
                return self._reply(message)
            case Kind.EDIT:
                return [*self._reply(message), leaf(stanzas.CORRECT, "replace", id=about)]
            case Kind.DELETION:
                return [leaf(stanzas.RETRACT, "retract", id=about)]
            case Kind.REACTION:
                return self._reaction(message, about)
            case _:
                return []

    def _reaction(self, message: Message, about: str) -> list[Element]:
        if not message.encrypted or not message.body:
            reactions = leaf(stanzas.REACTIONS, "reactions", id=about)
            for emoji in message.body.split():
                SubElement(reactions, f"{{{stanzas.REACTIONS}}}reaction").text = emoji
            return [reactions]
        replaced = self._history.replaced_id(message)
        return [
            leaf(stanzas.KITH_REACTION, "reaction", id=about),
            leaf(stanzas.REPLY, "reply", id=about, to=self._author(message.peer, about)),
            *([] if replaced is None else [leaf(stanzas.CORRECT, "replace", id=replaced)]),
        ]

    def _reply(self, message: Message) -> list[Element]:
        id = message.reply_to
        if id is None:
            return []
        fallback = leaf(stanzas.FALLBACK_NS, "fallback", {"for": stanzas.REPLY})
        end = str(len(self._quotation(message)))
        SubElement(fallback, f"{{{stanzas.FALLBACK_NS}}}body", start="0", end=end)
        return [leaf(stanzas.REPLY, "reply", id=id, to=self._author(message.peer, id)), fallback]

    def _author(self, peer: str, id: str) -> str:
        return peer if self._history.target(peer, True, id) is not None else self._own

    def _quotation(self, message: Message) -> str:
        """The lines before a reply, for apps that know no replies (XEP-0461 §3)."""
        if message.reply_to is None or message.kind not in (Kind.TEXT, Kind.EDIT):
            return ""
        found = self._history.target(message.peer, True, message.reply_to)
        found = found or self._history.target(message.peer, False, message.reply_to)
        if found is None or not found.body:
            return ""
        return "".join(f"> {line}\n" for line in found.body[:_MAX_QUOTE_LENGTH].split("\n"))
