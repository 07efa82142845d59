"""What an incoming message says about another one: a reply, an edit, a deletion, or a reaction."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import timedelta
from xml.etree.ElementTree import Element

from kith.client import stanzas
from kith.client.events import Event, MessageDeleted, MessageEdited, ReactionsChanged
from kith.client.history import History
from kith.client.message import Draft, Kind, Message, Reactions

#: Edits that arrive later than this after the message are messages of their own.
EDITABLE = timedelta(days=2)
_MAX_REACTIONS, _MAX_EMOJI_LENGTH, _MAX_ID_LENGTH = 20, 16, 1024


@dataclass(frozen=True, slots=True)
class Reference:
    """``about``: the id of the other message. ``emojis``: of an unencrypted reaction (XEP-0444).

    An encrypted reaction has its emoji in the text, and None here.
    """

    kind: Kind
    about: str
    emojis: str | None = None


def reference(message: Element) -> Reference | None:
    """What the message does to another one; None if it is a text of its own."""
    retract = stanzas.named(message, stanzas.RETRACT, ("retract",))
    if retract is not None:
        return Reference(Kind.DELETION, retract[1])
    sealed = stanzas.named(message, stanzas.KITH_REACTION, ("reaction",))
    if sealed is not None:
        return Reference(Kind.REACTION, sealed[1])
    plain = message.find(f"{{{stanzas.REACTIONS}}}reactions")
    if plain is not None:
        found = [child.text or "" for child in plain.iterfind(f"{{{stanzas.REACTIONS}}}reaction")]
        return Reference(Kind.REACTION, plain.get("id", ""), " ".join(found))
    corrected = stanzas.named(message, stanzas.CORRECT, ("replace",))
    return None if corrected is None else Reference(Kind.EDIT, corrected[1])


def without_quotation(message: Element, draft: Draft) -> Draft:
    """The draft as a reply, if it is one: with the id it answers, and without the quotation (XEP-0461)."""
    reply = stanzas.named(message, stanzas.REPLY, ("reply",))
    if reply is None or not 0 < len(reply[1]) <= _MAX_ID_LENGTH:
        return draft
    body = draft.body
    for fallback in message.iterfind(f"{{{stanzas.FALLBACK_NS}}}fallback"):
        part = fallback.find(f"{{{stanzas.FALLBACK_NS}}}body")
        if fallback.get("for") == stanzas.REPLY and part is not None and part.get("start") == "0":
            end = part.get("end", "")
            if end.isascii() and end.isdecimal() and len(end) < 8:
                body = body[int(end) :] or body
            break
    return replace(draft, body=body, reply_to=reply[1])


def emojis(text: str) -> tuple[str, ...]:
    """The emoji of a reaction, at most twenty. What is not an emoji is left out."""
    return tuple(dict.fromkeys(one for one in text.split() if is_emoji(one)))[:_MAX_REACTIONS]


def is_emoji(text: str) -> bool:
    """Whether a text may be one emoji: symbols, with what joins and modifies them, and no letters."""
    if not 0 < len(text) <= _MAX_EMOJI_LENGTH:
        return False
    kinds = {unicodedata.category(character) for character in text}
    symbol = "So" in kinds or "\u20e3" in text or text[0] in "\u203c\u2049"
    return symbol and not any(kind[0] in "LZC" and kind not in ("Cf", "Cn") for kind in kinds)


def with_reaction(reactions: Reactions, author: str, emojis: tuple[str, ...], incoming: bool) -> Reactions:
    """The reactions to a message of a group when one member has reacted in another way."""
    if not incoming:
        return replace(reactions, ours=emojis)
    people = {jid: chosen for jid, chosen in reactions.people if jid != author}
    if emojis:
        people[author] = emojis
    others = dict.fromkeys(emoji for chosen in people.values() for emoji in chosen)
    return replace(reactions, theirs=tuple(others), people=tuple(people.items()))


class References:
    """Applies edits, deletions and reactions to the history. Callers commit, and publish what is returned."""

    __slots__ = ("_history",)

    def __init__(self, history: History) -> None:
        self._history = history

    def may_edit(self, draft: Draft, about: str) -> bool:
        """Whether an edit may change the message with that id; otherwise it is a message of its own.

        An edit that is less protected than the message, or comes days later, may be somebody else's.
        """
        target = self._by(draft, about)
        return (
            target is not None
            and not target.error
            and (draft.encrypted or not target.encrypted)
            and (draft.trust.sound or not target.trust.sound)
            and draft.time - target.time <= EDITABLE
        )

    def is_caption(self, draft: Draft, about: str) -> bool:
        """Whether the text repeats the caption of a file, by its id, of the same author."""
        target = self._by(draft, about)
        return target is not None and target.media is not None and target.body == draft.body

    def _by(self, said: Draft | Message, about: str) -> Message | None:
        """The text with an id, which has to be of the author of what is said about it."""
        in_group = said.group if isinstance(said, Message) else said.author is not None
        if not in_group:
            return self._history.target(said.peer, said.incoming, about)
        return self._history.group_target(said.peer, about, said.author)

    def apply(self, change: Message) -> Event | None:
        """Changes the message that a stored change is about. Returns the event to publish."""
        about = change.about or ""
        if change.kind is Kind.CAPTION:
            return None
        if change.kind is Kind.REACTION:
            return self._react(change, about)
        target = self._by(change, about)
        if target is None or target.deleted:
            return None
        if change.kind is Kind.DELETION:
            return MessageDeleted(self._history.set_deleted(target), target)
        return MessageEdited(self._history.set_text(target, change.body), target)

    def _react_in_group(self, change: Message, about: str) -> Event | None:
        target = self._history.group_target(change.peer, about)
        if target is None or target.deleted:
            return None
        reactions = with_reaction(target.reactions, change.author, emojis(change.body), change.incoming)
        if reactions == target.reactions:
            return None
        return ReactionsChanged(self._history.set_reactions(target, reactions), change.incoming)

    def _react(self, change: Message, about: str) -> Event | None:
        if change.group:
            return self._react_in_group(change, about)
        target = self._history.target(change.peer, not change.incoming, about) or self._history.target(
            change.peer, change.incoming, about
        )
        if target is None or target.deleted:
            return None
        found = emojis(change.body)
        if change.incoming:
            reactions = replace(target.reactions, theirs=found)
        else:
            reactions = replace(target.reactions, ours=found)
        if reactions == target.reactions:
            return None
        return ReactionsChanged(self._history.set_reactions(target, reactions), change.incoming)


__all__ = ["EDITABLE", "Reactions", "Reference", "References", "emojis", "is_emoji", "reference"]
