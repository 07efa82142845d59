"""Builds what goes on the wire for a message: the text to encrypt, and the elements beside it.

Texts, replies (XEP-0461), edits (XEP-0308) and deletions (XEP-0424) are as other apps send them. An encrypted
reaction is a text, marked as a reaction for Kith's apps and as a reply for others (docs/web.md); XEP-0444
would show it to the server.
"""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.history import History
from kith.client.message import Kind, Message
from kith.client.message_content import MessageContent
from kith.client.stanzas import leaf


class Content(MessageContent):
    """Builds the content of messages in the outbox.

    ``introduction(peer)`` is our nickname for a peer who may not know it, else empty (XEP-0172).
    """

    __slots__ = ("_introduction",)

    def __init__(self, history: History, own: str, introduction: Callable[[str], str]) -> None:
        super().__init__(history, own)
        self._introduction = introduction

    def elements(self, message: Message, encrypted: Element | None, key: bytes = b"") -> list[Element]:
        """The children of the stanza.

        ``encrypted``: the `plaintext`, if the message is to be encrypted, with the ``key`` of its text.
        """
        children = self._said_of_another(message)
        if message.kind in (Kind.TEXT, Kind.EDIT):
            children += [leaf(stanzas.RECEIPTS, "request"), leaf(stanzas.MARKERS, "markable")]
            children.append(leaf(stanzas.CHAT_STATES, "active"))
        return [
            *self._body(message, encrypted),
            *self._nickname(message.peer),
            leaf(stanzas.SID, "origin-id", id=message.id),
            *children,
            *self._sealed(message, encrypted, key),
            leaf(stanzas.HINTS, "store"),
        ]

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
        return self._reacts(message, about, self._author(message.peer, about))

    def _reply(self, message: Message) -> list[Element]:
        id = message.reply_to
        return [] if id is None else self._replies(message, id, self._author(message.peer, id))

    def _author(self, peer: str, id: str) -> str:
        return peer if self._history.target(peer, True, id) is not None else self._own

    def _answered(self, message: Message, id: str) -> Message | None:
        return self._history.target(message.peer, True, id) or self._history.target(message.peer, False, id)
