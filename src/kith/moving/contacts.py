"""Rosters, and requests that wait for an answer (XEP-0227 §4.4 and §4.10)."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

from kith.core.actors.roster import ITEM, MAX_ITEMS, MAX_REQUESTS, QUERY, Item, Roster
from kith.core.routing.subscriptions import MAX_REQUEST
from kith.features.roster import MAX_GROUPS, MAX_NAME
from kith.moving.arrival import Arrival, Context
from kith.moving.names import PRESENCE_TAG, ROSTER_TAG
from kith.moving.reading import Part
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_GROUP = ns.tag(ns.ROSTER, "group")
_STATES = {"none": (False, False), "to": (True, False), "from": (False, True), "both": (True, True)}


class Contacts:
    """Imports the contacts of one account."""

    def __init__(self, context: Context, arrival: Arrival) -> None:
        self._context = context
        self._arrival = arrival
        self._roster: Roster | None = None
        self._here: set[str] = set()  # taken in this run
        self._requests: list[Element] = []

    async def _load(self) -> Roster:
        if self._roster is None:
            account = self._arrival.id
            if self._arrival.is_new:
                self._roster = Roster(account)
            else:
                self._roster = await Roster.load(self._context.writes, account)
        return self._roster

    async def take(self, part: Part) -> bool:
        """Takes a contact or a request. Returns False if the part is something else."""
        if part.within == ROSTER_TAG:
            if part.element is None or part.tag != ITEM:
                self._leave("contacts", "too large, or not a contact", part.tag)
            else:
                await self._contact(part.element)
        elif not part.within and part.tag.rpartition("}")[2] == "presence":
            if part.element is None or part.element.get("type") != "subscribe":
                self._leave("requests", "too large, or not a request", part.tag)
            elif len(self._requests) < MAX_ITEMS:
                self._requests.append(part.element)  # after the contacts, whose states they depend on
        else:
            return False
        return True

    async def close(self) -> None:
        """Takes the requests."""
        for element in self._requests:
            await self._request(element)

    async def _contact(self, element: Element) -> None:
        text = element.get("jid", "")
        state = _STATES.get(element.get("subscription") or "none")
        if element.get("subscription") == "remove":
            return
        jid = self._address(text, "contacts")
        if jid is None:
            return
        if state is None:
            self._leave("contacts", f"a state {element.get('subscription')!r}", text)
            return
        roster = await self._load()
        item = roster[jid.bare]
        if jid.bare in self._here:
            self._leave("contacts", "twice in the roster", jid.bare)
        elif item.listed or item.seq:  # or it was removed here since
            self._context.report.found("contacts")
        elif len(roster) >= MAX_ITEMS:
            self._leave("contacts", f"more than {MAX_ITEMS} contacts", jid.bare)
        else:
            self._describe(item, element, jid)
            item.to, item.from_ = state
            item.ask = element.get("ask") == "subscribe" and not item.to
            item.approved = element.get("approved") in ("true", "1") and not item.from_
            item.listed = True
            if self._arrival.renamed and jid.domain != self._context.names.own:
                self._part(item, jid)
            self._here.add(jid.bare)
            await roster.save(self._context.writes, item)
            self._context.report.take("contacts")

    def _describe(self, item: Item, element: Element, jid: JID) -> None:
        name = element.get("name", "")
        groups = list(dict.fromkeys(group.text or "" for group in element.findall(_GROUP)))
        kept = [group for group in groups if group and len(group) <= MAX_NAME][:MAX_GROUPS]
        item.name, item.groups = name[:MAX_NAME], kept
        if item.name != name or len(kept) < len([group for group in groups if group]):
            self._context.report.note("a name was shortened, or a group left out", jid.bare)

    def _part(self, item: Item, jid: JID) -> None:
        """Ends what another server does not know of the new address."""
        if item.to or item.from_ or item.ask:
            item.to = item.from_ = item.ask = False
            self._context.report.note(
                "contacts on other servers do not know the new address, and have to be asked again",
                f"{self._arrival.jid}: {jid.bare}",
            )

    async def _request(self, element: Element) -> None:
        jid = self._address(element.get("from", ""), "requests")
        if jid is None:
            return
        roster = await self._load()
        item = roster[jid.bare]
        attrs = {"type": "subscribe", "from": jid.bare, "to": self._arrival.jid}
        stanza = Stanza.build("presence", attrs, *element).to_bytes()
        if item.request is not None or item.from_:
            self._context.report.found("requests")
        elif len(roster.requests()) >= MAX_REQUESTS or len(stanza) > MAX_REQUEST:
            self._leave("requests", f"more than {MAX_REQUESTS}, or larger than {MAX_REQUEST} bytes", jid.bare)
        else:
            item.request = stanza
            await roster.save(self._context.writes, item)
            self._context.report.take("requests")

    def _address(self, text: str, kind: str) -> JID | None:
        try:
            jid = self._context.names.jid(text)
        except ValueError:
            self._leave(kind, "not an address", text)
            return None
        if jid.bare == self._arrival.jid:
            self._leave(kind, "the account itself", text)
            return None
        return jid

    def _leave(self, kind: str, reason: str, example: str) -> None:
        self._context.report.leave(kind, reason, f"{self._arrival.jid}: {example}")


async def write(store: DocumentStore, account: int) -> Iterator[Element]:
    """The roster, and a presence for each request that waits."""
    roster = await Roster.load(store, account)
    query = Element(QUERY)
    query.extend(item.element() for item in roster)
    requests = [Stanza.from_bytes(stanza).element for stanza in roster.requests()]
    assert all(request.tag == PRESENCE_TAG for request in requests)
    return iter([query, *requests])
