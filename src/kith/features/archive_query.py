"""Queries of archives (XEP-0313): what a client asks for, and the form of the answer.

Used for the archives of accounts (`kith.features.archive`) and of groups (`kith.groups.archive`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement

from kith.base.ids import first_after, first_at, from_text, parse_stamp, stamp_of, to_text
from kith.core.log.own import with_own
from kith.core.routing.asserted import Assertions
from kith.features.forms import Field, build_form, find_form, to_boolean
from kith.features.paging import PageRequest, page_element, read_page
from kith.ports.store import SHARED, Entry, LogQuery, LogStore, Page
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.serialize import escape_attribute
from kith.wire.stanza import Stanza

QUERY = ns.tag(ns.MAM, "query")
_FIN = ns.tag(ns.MAM, "fin")
_DEFAULT_PAGE = 50
_MAX_PAGE = 250
_MAX_IDS = 250
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
_INCLUDE = "include-groupchat"


class Asked(NamedTuple):
    """A query that was parsed. ``address``: only entries from or to this full address are wanted."""

    query: LogQuery
    address: str
    count_only: bool


def form_of_fields(more: Sequence[tuple[str, str]] = ()) -> Element:
    """The answer with the form of all supported fields (XEP-0313 §4.1.5). ``more``: names and types."""
    fields = [Field(name, (), type, open=type == "list-multi") for name, type in (*_FIELDS.items(), *more)]
    result = Element(QUERY)
    result.append(build_form("form", ns.MAM, fields))
    return result


async def parse(
    store: LogStore, element: Element, scope: LogQuery, own: bool, expiring: bool = False
) -> Asked:
    """Parses a query. Raises StanzaError.

    ``scope``: the archive that is queried, with bounds. ``own``: it is the asker's own, so entries can be
    selected by peer, and those of groups be included. ``expiring``: entries go by themselves, so a query that
    continues after one which has gone is none for an unknown id.
    """
    request = read_page(element, _DEFAULT_PAGE, _MAX_PAGE)
    submitted = find_form(element)
    values = submitted.values if submitted is not None else {}
    unknown = set(values) - set(_FIELDS) - {"FORM_TYPE", *([_INCLUDE] if own else [])}
    if unknown:
        raise StanzaError("feature-not-implemented", f"no field {min(unknown)}")
    afters = [scope.after] if scope.after is not None else []
    befores: list[int] = []
    try:
        peer = parse_jid(values["with"][0]) if values.get("with") else None
        shared = to_boolean(values[_INCLUDE][0]) if values.get(_INCLUDE) else False
        named = _bounds(request, values, afters, befores)
        ids = list(dict.fromkeys(map(_id, values["ids"]))) if "ids" in values else None
    except ValueError as error:
        raise StanzaError("bad-request", str(error)) from None
    if ids is not None and len(ids) > _MAX_IDS:
        raise StanzaError("policy-violation", "too many ids")
    if named and not expiring:  # XEP-0059 §2.2: an unknown id is an error, not an empty page
        there = await store.page(LogQuery(scope.account, ids=named, limit=len(named), shared=True))
        if len(there.entries) < len(set(named)):
            raise StanzaError("item-not-found")
    query = dataclasses.replace(
        scope,
        after=max(afters, default=None),
        before=min(befores, default=None),
        ids=ids,
        limit=len(ids) if ids is not None else request.limit,
        backwards=request.backwards,
        shared=shared or scope.shared,
    )
    if own and peer is not None:
        query = dataclasses.replace(query, peer=peer.bare)
    address = str(peer) if peer is not None and (peer.resource or not own) else ""
    return Asked(query, address, request.count_only)


def _bounds(
    request: PageRequest, values: dict[str, list[str]], afters: list[int], befores: list[int]
) -> list[int]:
    """Adds the bounds of a query to those given, and returns the ids that it names. Raises ValueError."""
    named_after = [_id(text) for text in values.get("after-id", [])]
    named_before = [_id(text) for text in values.get("before-id", [])]
    if request.after:
        named_after.append(_id(request.after))
    if request.before:
        named_before.append(_id(request.before))
    afters += named_after
    befores += named_before
    if values.get("start"):
        afters.append(first_at(parse_stamp(values["start"][0])) - 1)
    if values.get("end"):
        befores.append(first_after(parse_stamp(values["end"][0])))
    return [*named_after, *named_before]


async def read(store: LogStore, asked: Asked) -> Page:
    """Reads the page that was asked for. Raises StanzaError if ids were, and some do not exist."""
    query = asked.query
    page = await _page(store, query, asked.address)
    if query.ids is not None and len(page.entries) < len(query.ids):
        if not page.complete:
            raise StanzaError("policy-violation", "too large for one answer: ask for fewer ids")
        raise StanzaError("item-not-found")
    return page


async def _page(store: LogStore, query: LogQuery, address: str) -> Page:
    """Reads a page. With an address, only entries from or to it are included (XEP-0313 §4.1.1)."""
    if not address:
        return await store.page(query)
    found: list[Entry] = []
    rest = dataclasses.replace(query, limit=_MAX_PAGE)
    for _ in range(_MAX_SCAN // _MAX_PAGE):
        page = await store.page(rest)
        entries = [entry for entry in page.entries if _is_with(entry.stanza, address)]
        found = entries + found if query.backwards else found + entries
        if page.complete or len(found) > query.limit:
            break
        if query.backwards:
            rest = dataclasses.replace(rest, before=page.entries[0].id)
        else:
            rest = dataclasses.replace(rest, after=page.entries[-1].id)
    complete = page.complete and len(found) <= query.limit
    return Page(found[-query.limit :] if query.backwards else found[: query.limit], complete)


def results(
    element: Element, entries: Sequence[Entry], archive: str, to: str, assertions: Assertions
) -> Iterator[bytes]:
    """The messages with the entries of a page, in the order that was asked for.

    ``archive``: the address of the archive. Stored messages are cleaned as they would be today.
    """
    if any(element.find(ns.tag(space, "flip-page")) is not None for space in (ns.MAM_EXTENDED, ns.MAM)):
        entries = entries[::-1]
    query_id = element.get("queryid")
    named = f" queryid='{escape_attribute(query_id)}'" if query_id else ""
    head = (
        f"<message from='{escape_attribute(archive)}' to='{escape_attribute(to)}'>"
        f"<result xmlns='{ns.MAM}'{named} id='"
    )
    forward = f"'><forwarded xmlns='{ns.FORWARD}'><delay xmlns='{ns.DELAY}' stamp='"
    inner = f"'/><message xmlns='{ns.CLIENT}'".encode()
    for entry in entries:
        text = f"{head}{to_text(entry.id)}{forward}{stamp_of(entry.id)}"
        if entry.own or entry.flags & SHARED:
            stanza = with_own(entry.stanza, entry.own)
        else:
            stanza = assertions.renewed(entry.stanza)
        yield text.encode() + inner + stanza[len(b"<message") :] + b"</forwarded></result></message>"


def end_of(page: Page) -> Element:
    """``<fin/>`` after a page (XEP-0313 §4.2)."""
    fin = Element(_FIN)
    if page.complete:
        fin.set("complete", "true")
    ends = (to_text(page.entries[0].id), to_text(page.entries[-1].id)) if page.entries else (None, None)
    fin.append(page_element(*ends))
    return fin


def count_of(number: int) -> Element:
    """``<fin/>`` for a query that only asks for the number of entries (XEP-0059 §2.7)."""
    fin = Element(_FIN)
    fin.append(page_element(None, None, number))
    return fin


def metadata_of(bounds: tuple[int, int] | None) -> Element:
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
