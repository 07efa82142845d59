"""Messages that are taken back: by their authors (XEP-0424), or by moderators (XEP-0425).

A tombstone replaces the message in the archive of the group and in the logs of all members, so nobody reads
it there any more. That it was taken back is a message of its own, which devices that have it already act on.
Both are one commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from kith.base.clock import Clock
from kith.base.ids import from_text, stamp
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.log.envelope import stanza_id
from kith.groups.group import Group
from kith.groups.history import since
from kith.groups.messages import Rewrites
from kith.groups.names import OCCUPANT, USER
from kith.groups.newcomers import HISTORY, Newcomers
from kith.groups.occupants import Role
from kith.groups.service import GroupService
from kith.ports.store import Entry, LogQuery, LogStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import attributes, serialize
from kith.wire.stanza import LANG, Stanza

MODERATION = "urn:xmpp:message-moderate:1"
_MODERATE, _MODERATED, _REASON = (ns.tag(MODERATION, name) for name in ("moderate", "moderated", "reason"))
_RETRACT, _RETRACTED, _RETRACT_REASON = (
    ns.tag(ns.RETRACT, name) for name in ("retract", "retracted", "reason")
)
#: The form of XEP-0425 (0.2), with a fastening (XEP-0422).
_OLD_MODERATION, _FASTEN = "urn:xmpp:message-moderate:0", "urn:xmpp:fasten:0"
_APPLY_TO = ns.tag(_FASTEN, "apply-to")
_OLD_MODERATE = ns.tag(_OLD_MODERATION, "moderate")
_OLD_RETRACT = ns.tag("urn:xmpp:message-retract:0", "retract")
_MAX_REASON = 1000
#: What a tombstone keeps of a message: who has written it, and its id.
_KEPT = frozenset((USER, OCCUPANT, HISTORY, ns.tag(ns.STANZA_ID, "stanza-id")))
_HEAD = ("from", "type", "id", LANG)


class Moderation(Feature):
    """Replaces messages by tombstones."""

    service = "groups"

    def __init__(self, store: LogStore, clock: Clock, groups: GroupService, newcomers: Newcomers) -> None:
        self._store = store
        self._newcomers = newcomers
        self._clock = clock
        self._groups = groups
        groups.retracted = self._retracted

    # -- by moderators ------------------------------------------------------------------------------

    @handles_iq("set", MODERATION, "moderate", to="place")
    async def moderate(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """Takes back a message of somebody else. The same request again is harmless."""
        request = iq.child(_MODERATE)
        assert request is not None
        if request.find(_RETRACT) is None:
            raise StanzaError("bad-request", "only retraction is possible")
        id = request.get("id", "")
        reason = request.findtext(_REASON) or request.findtext(_RETRACT_REASON) or ""
        await self._groups.in_turn(to, lambda group: self._moderate(group, sender, id, reason), sender)
        return ()

    @handles_iq("set", _FASTEN, "apply-to", to="place")
    async def moderate_old(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        """As `moderate`, in the form of XEP-0425 (0.2), which Gajim 1.7 speaks."""
        applied = iq.child(_APPLY_TO)
        request = applied.find(_OLD_MODERATE) if applied is not None else None
        if applied is None or request is None or request.find(_OLD_RETRACT) is None:
            raise StanzaError("bad-request", "only retraction is possible")
        id, reason = applied.get("id", ""), request.findtext(ns.tag(_OLD_MODERATION, "reason")) or ""
        await self._groups.in_turn(to, lambda group: self._moderate(group, sender, id, reason), sender)
        return ()

    async def _moderate(self, group: Group, sender: Sender, id: str, reason: str) -> None:
        author = self._groups.messages.author_of(group, sender)
        if author is None or author.role is not Role.MODERATOR:
            raise StanzaError("forbidden", "only moderators take back what others have said")
        entry = await self._find(group, id, None)
        if entry is None:
            raise StanzaError("item-not-found", "there is no such message")
        at = group.at(author.nick)
        moderated = Element(_MODERATED, {"by": str(at)})
        SubElement(moderated, OCCUPANT, {"id": self._groups.messages.occupant_id(group, author.bare)})
        said = [moderated]
        if reason:
            said.append(Element(_RETRACT_REASON))
            said[1].text = reason[:_MAX_REASON]
        rewrites = await self._tombstones(group, entry, said)
        retract = Element(_RETRACT, {"id": id})
        retract.extend(said)
        head = attributes({"from": group.jid, "type": "groupchat"}).encode()
        inner = serialize(retract) + serialize(_old_form(id, str(at), reason[:_MAX_REASON]))

        def make(place: int) -> bytes:
            return b"<message" + head + b">" + inner + stanza_id(place, group.jid) + b"</message>"

        await self._groups.poster.notice(group, make, author.bare, (), rewrites=rewrites)

    # -- by authors ---------------------------------------------------------------------------------

    async def _retracted(self, group: Group, author: str, stanza: Stanza) -> Rewrites:
        """What a retraction replaces that somebody sends."""
        retract = stanza.child(_RETRACT)
        entry = await self._find(group, retract.get("id", "") if retract is not None else "", author)
        return await self._tombstones(group, entry, ()) if entry is not None else ()

    # -- both ---------------------------------------------------------------------------------------

    async def _find(self, group: Group, id: str, author: str | None) -> Entry | None:
        """A message by its stanza id; ``author``: only if it is of this bare address."""
        try:
            wanted = from_text(id)
        except ValueError:
            return None
        await self._store.flush()
        after = since(group.state.created)  # not those of another group with the same address
        page = await self._store.page(LogQuery(group.id, author, after=after, ids=(wanted,), limit=1))
        entry = page.entries[0] if page.entries else None
        if entry is None:
            return None
        stanza = Stanza.from_bytes(entry.stanza)
        # notices of the group itself stay
        return entry if parse_jid(stanza.attrs.get("from", group.jid)).resource else None

    async def _tombstones(self, group: Group, entry: Entry, said: Sequence[Element]) -> Rewrites:
        """Tombstones for a message, and for the copies of it that newcomers have."""
        copies = await self._newcomers.copies(group, entry.id)
        found = [(one.id, self._tombstone(one, said)) for one in (entry, *copies)]
        return [(id, tombstone) for id, tombstone in found if tombstone is not None]

    def _tombstone(self, entry: Entry, said: Sequence[Element]) -> bytes | None:
        """What is left of a message, without any of its content; None if it is one already."""
        stanza = Stanza.from_bytes(entry.stanza)
        if _RETRACTED in stanza.children:
            return None
        retracted = Element(_RETRACTED, {"stamp": stamp(datetime.fromtimestamp(self._clock.now(), UTC))})
        retracted.extend(said)
        children = [child for child in stanza.element if child.tag in _KEPT]
        head = {name: stanza.attrs[name] for name in _HEAD if name in stanza.attrs}
        return Stanza.build("message", head, retracted, *children).to_bytes()


def _old_form(id: str, by: str, reason: str) -> Element:
    """What older clients understand, such as Gajim 1.7: a moderator has taken a message back."""
    applied = Element(_APPLY_TO, {"id": id})
    moderated = SubElement(applied, ns.tag(_OLD_MODERATION, "moderated"), {"by": by})
    SubElement(moderated, _OLD_RETRACT)
    if reason:
        SubElement(moderated, ns.tag(_OLD_MODERATION, "reason")).text = reason
    return applied
