"""XEP-0313: Message Archive Management. The archive of an account is its log."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from kith.base.ids import first_after, first_at, from_text, parse_stamp, stamp_of, to_text
from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature, handles_iq
from kith.core.routing.asserted import Assertions
from kith.features.forms import Field, build_form, find_form
from kith.features.paging import PageRequest, page_element, read_page
from kith.ports.store import Entry, LogQuery, LogStore, Page
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

_QUERY = ns.tag(ns.MAM, "query")
_DEFAULT_PAGE = 50
_MAX_PAGE = 250
_MAX_IDS = 250
#: An id that is lower than all others.
_NOTHING = 1
#: How many entries are searched for one page if the query is for a full address.
_MAX_SCAN = 5000
_FIELDS = {
    "with": "jid-single",
    "start": "text-single",
    "end": "text-single",
    "before-id": "text-single",
    "after-id": "text-single",
    "ids": "list-multi",
}


class Archive(Feature):
    """Answers queries, with all fields of the extended namespace, and requests for the archive's metadata."""

    account_disco = (ns.MAM_EXTENDED, ns.STANZA_ID)
    # the archive is at the account's address (XEP-0313 §3), but Profanity only asks the server
    disco = (ns.MAM,)

    def __init__(self, store: LogStore, assertions: Assertions) -> None:
        self._store = store
        self._assertions = assertions

    @handles_iq("get", ns.MAM, "query", to="own")
    async def fields(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        """Answers with the form of all supported fields (XEP-0313 §4.1.5)."""
        result = Element(_QUERY)
        fields = [Field(name, (), type, open=type == "list-multi") for name, type in _FIELDS.items()]
        result.append(build_form("form", ns.MAM, fields))
        return (result,)

    @handles_iq("set", ns.MAM, "query", to="own")
    async def query(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        element = iq.child(_QUERY)
        assert element is not None
        request = read_page(element, _DEFAULT_PAGE, _MAX_PAGE)
        query, resource = await self._read(session, element, request)
        fin = Element(ns.tag(ns.MAM, "fin"))
        if request.count_only:
            fin.append(page_element(None, None, await self._store.count(query)))
            return (fin,)
        page = await self._page(query, resource)
        if query.ids is not None and len(page.entries) < len(query.ids):
            if not page.complete:
                raise StanzaError("policy-violation", "too large for one answer: ask for fewer ids")
            raise StanzaError("item-not-found")
        self._send(session, element, page.entries)
        if session.sink is not None:
            await session.sink.drained()
        if query.peer is None and query.ids is None and not session.counted:
            _note(session, query, page)
        if page.complete:
            fin.set("complete", "true")
        ends = (to_text(page.entries[0].id), to_text(page.entries[-1].id)) if page.entries else (None, None)
        fin.append(page_element(*ends))
        return (fin,)

    async def _read(self, session: Session, element: Element, request: PageRequest) -> tuple[LogQuery, str]:
        """Parses a request. Returns the query, and the resource to filter by. Raises StanzaError."""
        submitted = find_form(element)
        values = submitted.values if submitted is not None else {}
        unknown = set(values) - set(_FIELDS) - {"FORM_TYPE"}
        if unknown:
            raise StanzaError("feature-not-implemented", f"no field {min(unknown)}")
        try:
            peer = parse_jid(values["with"][0]) if values.get("with") else None
            afters = [_id(text) for text in values.get("after-id", [])]
            befores = [_id(text) for text in values.get("before-id", [])]
            if request.after:
                afters.append(_id(request.after))
            if request.before:
                befores.append(_id(request.before))
            ids = list(dict.fromkeys(map(_id, values["ids"]))) if "ids" in values else None
            named = [*afters, *befores]
            if values.get("start"):
                afters.append(first_at(parse_stamp(values["start"][0])) - 1)
            if values.get("end"):
                befores.append(first_after(parse_stamp(values["end"][0])))
        except ValueError as error:
            raise StanzaError("bad-request", str(error)) from None
        if ids is not None and len(ids) > _MAX_IDS:
            raise StanzaError("policy-violation", "too many ids")
        account = session.account.id
        if named:  # XEP-0059 §2.2: an unknown id is an error, not an empty page
            there = await self._store.page(LogQuery(account, ids=named, limit=len(named)))
            if len(there.entries) < len(set(named)):
                raise StanzaError("item-not-found")
        query = LogQuery(
            account,
            peer.bare if peer is not None else None,
            max(afters, default=None),
            min(befores, default=None),
            ids,
            len(ids) if ids is not None else request.limit,
            request.backwards,
        )
        return query, peer.resource if peer is not None else ""

    async def _page(self, query: LogQuery, resource: str) -> Page:
        """Reads a page. With a resource, only entries from or to it are included (XEP-0313 §4.1.1)."""
        if not resource:
            return await self._store.page(query)
        found: list[Entry] = []
        peer = f"{query.peer}/{resource}"
        rest = dataclasses.replace(query, limit=_MAX_PAGE)
        for _ in range(_MAX_SCAN // _MAX_PAGE):
            page = await self._store.page(rest)
            entries = [entry for entry in page.entries if _is_with(entry.stanza, peer)]
            found = entries + found if query.backwards else found + entries
            if page.complete or len(found) > query.limit:
                break
            if query.backwards:
                rest = dataclasses.replace(rest, before=page.entries[0].id)
            else:
                rest = dataclasses.replace(rest, after=page.entries[-1].id)
        complete = page.complete and len(found) <= query.limit
        return Page(found[-query.limit :] if query.backwards else found[: query.limit], complete)

    def _send(self, session: Session, element: Element, entries: Sequence[Entry]) -> None:
        if element.find(ns.tag(ns.MAM_EXTENDED, "flip-page")) is not None or (
            element.find(ns.tag(ns.MAM, "flip-page")) is not None
        ):
            entries = entries[::-1]
        query_id = element.get("queryid")
        named = f" queryid='{escape_attribute(query_id)}'" if query_id else ""
        bare = escape_attribute(session.account.jid)
        to = escape_attribute(session.full)
        head = f"<message from='{bare}' to='{to}'><result xmlns='{ns.MAM}'{named} id='"
        forward = f"'><forwarded xmlns='{ns.FORWARD}'><delay xmlns='{ns.DELAY}' stamp='"
        inner = f"'/><message xmlns='{ns.CLIENT}'".encode()
        renewed = self._assertions.renewed
        for entry in entries:
            text = f"{head}{to_text(entry.id)}{forward}{stamp_of(entry.id)}"
            session.transmit(
                text.encode()
                + inner
                + renewed(entry.stanza)[len(b"<message") :]
                + b"</forwarded></result></message>"
            )

    @handles_iq("get", ns.MAM, "metadata", to="own")
    async def metadata(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        return (_metadata(await self._store.bounds(session.account.id)),)

    async def session_bound(self, session: Session, request: Element) -> Sequence[Element]:
        """Notes that the client reads existing messages from the archive (XEP-0386 §2.2)."""
        await self._store.flush()
        bounds = await self._store.bounds(session.account.id)
        if bounds is not None:
            session.synced = bounds[1]
        session.caught_up = session.synced or _NOTHING
        return (_metadata(bounds),)


def _note(session: Session, query: LogQuery, page: Page) -> None:
    """Notes the last message that a client without presence has read, where `kith.core.log.replay`
    continues.
    """
    read = page.entries[-1].id if page.entries else (query.after or _NOTHING)
    if page.complete or not query.backwards:  # a client that reads on from an id has the messages before it
        session.synced = max(session.synced, read)
    if query.before is None and (page.complete or query.backwards):
        session.caught_up = max(session.caught_up, read)


def _metadata(bounds: tuple[int, int] | None) -> Element:
    """``<metadata/>`` with the first and the last entry (XEP-0313 §5)."""
    result = Element(ns.tag(ns.MAM, "metadata"))
    for name, id in zip(("start", "end"), bounds or (), strict=False):
        end = SubElement(result, ns.tag(ns.MAM, name))
        end.attrib.update({"id": to_text(id), "timestamp": stamp_of(id)})
    return result


def _id(text: str) -> int:
    try:
        return from_text(text)
    except ValueError:
        raise StanzaError("item-not-found") from None


def _is_with(stanza: bytes, peer: str) -> bool:
    attrs = Stanza.from_bytes(stanza).attrs
    return peer in (attrs.get("from"), attrs.get("to"))
