"""Block lists: of XEP-0191, or the part of privacy lists (XEP-0016) that blocks addresses."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement

from kith.features.blocking import MAX_BLOCKED, SPACE
from kith.moving.arrival import Arrival, Context
from kith.moving.names import BLOCKLIST_TAG, PRIVACY, PRIVACY_TAG
from kith.moving.reading import Part
from kith.ports.store import DocumentStore
from kith.wire import ns

_LIST, _ITEM, _DEFAULT = (ns.tag(PRIVACY, name) for name in ("list", "item", "default"))
#: What a rule can be limited to. One that blocks messages is taken as blocking everything.
_MESSAGE = ns.tag(PRIVACY, "message")
_NAME = "blocked"


class Blocks:
    """Imports the block list of one account."""

    def __init__(self, context: Context, arrival: Arrival) -> None:
        self._context = context
        self._arrival = arrival
        self._blocked: set[str] | None = None
        self._here: set[str] = set()

    async def take(self, part: Part) -> bool:
        """Takes an address or privacy lists. Returns False if the part is something else."""
        if part.within == BLOCKLIST_TAG:
            if part.element is not None:
                await self._block(part.element.get("jid", ""))
        elif not part.within and part.tag == PRIVACY_TAG:
            if part.element is None:
                self._leave("privacy lists that are too large", "")
            else:
                await self._privacy(part.element)
        else:
            return False
        return True

    async def close(self) -> None:
        """Does nothing: everything was taken."""

    async def _privacy(self, query: Element) -> None:
        """Takes the default list: the others apply to single sessions, which end with the move."""
        default = query.find(_DEFAULT)
        name = default.get("name") if default is not None else None
        for rules in query.findall(_LIST):
            for rule in rules.findall(_ITEM):
                if rules.get("name") != name:
                    self._leave("a rule of a privacy list that is not the default", rules.get("name", ""))
                elif rule.get("type") != "jid" or rule.get("action") != "deny":
                    kind = f"{rule.get('action')} {rule.get('type', 'everybody')} {rule.get('value', '')}"
                    self._leave("a rule that does not block an address", kind.strip())
                elif len(rule) and rule.find(_MESSAGE) is None:
                    self._leave("a rule that does not block messages", rule.get("value", ""))
                else:
                    await self._block(rule.get("value", ""))

    async def _block(self, text: str) -> None:
        try:
            jid = str(self._context.names.jid(text))
        except ValueError:
            self._leave("not an address", text)
            return
        if self._blocked is None:
            account = self._arrival.id
            there = [] if self._arrival.is_new else await self._context.writes.documents(account, SPACE)
            self._blocked = {document.key for document in there}
        if jid in self._here:
            return
        if jid in self._blocked:
            self._context.report.found("blocked addresses")
        elif len(self._blocked) >= MAX_BLOCKED:
            self._leave(f"more than {MAX_BLOCKED} addresses", jid)
        else:
            self._blocked.add(jid)
            self._here.add(jid)
            await self._context.writes.put(self._arrival.id, SPACE, jid, b"")
            self._context.report.take("blocked addresses")

    def _leave(self, reason: str, example: str) -> None:
        self._context.report.leave("blocked addresses", reason, f"{self._arrival.jid}: {example}")


async def write(store: DocumentStore, account: int) -> Element | None:
    """The block list as a privacy list, which XEP-0227 §4.9 has; None if nobody is blocked."""
    documents = await store.documents(account, SPACE)
    if not documents:
        return None
    query = Element(PRIVACY_TAG)
    SubElement(query, _DEFAULT, {"name": _NAME})
    rules = SubElement(query, _LIST, {"name": _NAME})
    for number, document in enumerate(documents, 1):
        attrs = {"type": "jid", "value": document.key, "action": "deny", "order": str(number)}
        SubElement(rules, _ITEM, attrs)
    return query
