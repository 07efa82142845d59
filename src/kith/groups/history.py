"""What a client gets when it enters: the last messages, then the subject (XEP-0045 §7.2.13 to §7.2.15)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kith.base.clock import Clock
from kith.base.ids import first_at, parse_stamp, stamp, stamp_of
from kith.core.log.own import with_own
from kith.core.routing.post import Post
from kith.groups.group import Group
from kith.groups.names import JOIN, MUC
from kith.groups.posting import addressed
from kith.ports.store import LogQuery, LogStore
from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

_HISTORY = ns.tag(MUC, "history")
_SUBJECT = ns.tag(ns.CLIENT, "subject")
_END = len(b"</message>")
#: How many messages of the archive a client gets when it enters, unless it asks for fewer or more.
_DEFAULT, _MOST = 20, 250


class History:
    """Reads what was said before somebody entered, as far as they may see it."""

    def __init__(self, store: LogStore, clock: Clock, post: Post) -> None:
        self._store = store
        self._clock = clock
        self._post = post

    def visible(self, group: Group, bare: str) -> LogQuery | None:
        """A query for what somebody may read of a group's archive; None: nothing.

        What was said in another group that had the same address before is for its members alone.
        """
        account = group.members.recipients.get(bare)
        if group.config.is_open_archive:
            return LogQuery(group.id, after=since(group.state.created), reader=account)
        if account is not None:
            return LogQuery(account, group.jid, shared=True)
        member = group.members.get(bare)
        if member is not None and member.belongs:
            return LogQuery(group.id, after=since(member.since))
        return None

    async def read(self, group: Group, bare: str, stanza: Stanza) -> list[bytes]:
        """The last messages, as somebody asks for who enters, with the time of each. Raises StanzaError."""
        element = stanza.element.find(f"{JOIN}/{_HISTORY}")
        wanted = element.attrib if element is not None else {}
        try:
            limit = natural(wanted["maxstanzas"]) if "maxstanzas" in wanted else _DEFAULT
            characters = natural(wanted["maxchars"]) if "maxchars" in wanted else None
            after = self._start(wanted)
        except (ValueError, OverflowError):
            raise StanzaError("bad-request", "the history that is asked for") from None
        if not limit or characters == 0:
            return []
        await self._store.flush()
        query = self.visible(group, bare)
        if query is None:
            return []
        after = max(after, query.after or 0)
        asked = dataclasses.replace(query, after=after, limit=min(limit, _MOST), backwards=True)
        found = []
        for entry in (await self._store.page(asked)).entries:
            data = with_own(entry.stanza, entry.own)
            if b"<body" in data or b"<encrypted" in data:
                found.append(data[:-_END] + _delay(group, stamp_of(entry.id)) + b"</message>")
        while characters is not None and found and sum(map(len, found)) > characters:
            del found[0]
        return found

    def _start(self, wanted: Mapping[str, str]) -> int:
        """The id that the history begins after. Raises ValueError, OverflowError."""
        after = first_at(parse_stamp(wanted["since"])) - 1 if "since" in wanted else 0
        if "seconds" in wanted:
            since = self._clock.now() - min(natural(wanted["seconds"]), int(self._clock.now()))
            after = max(after, first_at(datetime.fromtimestamp(since, UTC)) - 1)
        return after

    def send(self, group: Group, client: JID, history: Sequence[bytes]) -> None:
        """Sends a client the history, and then the subject, which ends what comes on entering."""
        for stored in history:
            self._post.route(Stanza.from_bytes(addressed(stored, str(client))), group.address, client)
        state = group.state
        subject = Element(_SUBJECT)
        subject.text = state.subject
        children = [subject]
        if state.subject_at:
            at = datetime.fromtimestamp(state.subject_at / 1000, UTC)
            children.append(Element(ns.tag(ns.DELAY, "delay"), {"from": group.jid, "stamp": stamp(at)}))
        sender = group.at(state.subject_by) if state.subject_by else group.address
        attrs = {"type": "groupchat", "from": str(sender), "to": str(client)}
        self._post.route(Stanza.build("message", attrs, *children), group.address, client)


def since(milliseconds: int) -> int:
    """The id after which there is what was said from a time on."""
    return first_at(datetime.fromtimestamp(milliseconds / 1000, UTC)) - 1


def _delay(group: Group, stamp: str) -> bytes:
    return f"<delay xmlns='{ns.DELAY}' from='{escape_attribute(group.jid)}' stamp='{stamp}'/>".encode()
