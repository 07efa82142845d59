"""XEP-0402: PEP Native Bookmarks, kept in sync with both older forms (XEP-0048).

The items of the XEP-0402 node are the stored list. The form in private storage (XEP-0049) is made from them
on request, and the form in a single PEP item is rewritten when they change. If an older client writes one
of these forms, the items are changed accordingly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.etree.ElementTree import Element, SubElement

from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.features.private_storage import PrivateStorage
from kith.features.pubsub import MAX_ITEMS, Item, NodeConfig, Pep
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.serialize import serialize

NODE = "urn:xmpp:bookmarks:1"
OLD_NODE = "storage:bookmarks"
STORAGE = f"{{{OLD_NODE}}}storage"
_NEW_CONFERENCE, _NEW_NICK, _NEW_PASSWORD = (
    f"{{{NODE}}}{name}" for name in ("conference", "nick", "password")
)
CONFERENCE, _NICK, _PASSWORD = (f"{{{OLD_NODE}}}{name}" for name in ("conference", "nick", "password"))
URL = f"{{{OLD_NODE}}}url"
CURRENT = "current"
_TRUE = ("true", "1")
CONFIG = NodeConfig(access_model="whitelist", max_items=MAX_ITEMS, send_last_published_item="never")
OLD_CONFIG = NodeConfig(access_model="whitelist")


class Bookmarks(Feature):
    """Handles ``storage:bookmarks`` of private storage. Bookmarks of web pages stay there."""

    account_disco = (f"{NODE}#compat", f"{NODE}#compat-pep")

    def __init__(self, pep: Pep, private: PrivateStorage) -> None:
        self._inside = pep.inside
        pep.listeners.append(self._nodes_changed)
        private.stand_ins[STORAGE] = self

    # -- in private storage ------------------------------------------------------------------------

    async def read(self, session: Session, stored: Element | None) -> Element:
        """Returns the older form of the list."""
        urls = stored.findall(URL) if stored is not None else ()
        return await self._storage(session.account.id, urls)

    async def write(self, session: Session, element: Element) -> Element:
        """Changes the items as the older form says. Returns what is to be kept in private storage."""
        conferences: dict[str, Element] = {}
        for conference in element.findall(CONFERENCE):
            jid = room_of(conference)
            if jid is None:
                raise StanzaError("bad-request", "a bookmark needs the address of a room")
            conferences[jid] = conference
        owner, account = session.account.address, session.account.id
        await self._take(owner, account, conferences)
        await self._mirror(owner, account)
        rest = Element(STORAGE)
        rest.extend(element.findall(URL))
        return rest

    # -- in a node of its own ----------------------------------------------------------------------

    async def _nodes_changed(self, owner: JID, account: int, node: str) -> None:
        """Updates the other form after a client has changed either."""
        if node == NODE:
            await self._mirror(owner, account)
        elif node == OLD_NODE:
            items = list((await self._inside.items(account, OLD_NODE)).values())
            element = items[-1].element if items else None
            if element is not None and element.tag == STORAGE:  # deleting the older node deletes no bookmarks
                found = {room_of(conference): conference for conference in element.findall(CONFERENCE)}
                await self._take(owner, account, {jid: c for jid, c in found.items() if jid is not None})

    async def _mirror(self, owner: JID, account: int) -> None:
        old = (await self._inside.items(account, OLD_NODE)).get(CURRENT)
        before = old.element if old is not None else None
        urls = before.findall(URL) if before is not None else ()
        payload = serialize(await self._storage(account, urls), " ")
        if old is None or old.payload != payload:
            await self._inside.publish(owner, account, OLD_NODE, [(CURRENT, payload)], OLD_CONFIG)

    # -- for other features ------------------------------------------------------------------------

    async def add(self, owner: JID, account: int, jid: str, payload: bytes) -> None:
        """Adds the bookmark of a room, unless there is one. Raises StanzaError if there are too many."""
        if jid not in await self._inside.items(account, NODE):
            await self._inside.publish(owner, account, NODE, [(jid, payload)], CONFIG)
            await self._mirror(owner, account)

    async def remove(self, owner: JID, account: int, jid: str) -> None:
        """Removes the bookmark of a room, if there is one."""
        if jid in await self._inside.items(account, NODE):
            await self._inside.retract(owner, account, NODE, [jid])
            await self._mirror(owner, account)

    # -- both --------------------------------------------------------------------------------------

    async def _storage(self, account: int, urls: Iterable[Element]) -> Element:
        return storage_of(await self._inside.items(account, NODE), urls)

    async def _take(self, owner: JID, account: int, conferences: Mapping[str, Element]) -> None:
        """Changes the items as the older form says. Raises StanzaError."""
        items = dict(await self._inside.items(account, NODE))
        wanted = {jid: serialize(to_new(c, _extensions(items, jid)), " ") for jid, c in conferences.items()}
        if len(wanted) > MAX_ITEMS:
            raise StanzaError("resource-constraint", "too many bookmarks")
        changed = [(j, p) for j, p in wanted.items() if j not in items or items[j].payload != p]
        await self._inside.publish(owner, account, NODE, changed, CONFIG)
        await self._inside.retract(owner, account, NODE, [jid for jid in items if jid not in wanted])


def storage_of(items: Mapping[str, Item], urls: Iterable[Element] = ()) -> Element:
    """The older form of the list, given the items of the node, and bookmarks of web pages."""
    storage = Element(STORAGE)
    storage.extend(urls)
    for jid, item in items.items():
        storage.append(_to_old(jid, item))
    return storage


def room_of(conference: Element) -> str | None:
    """The address of the room of a bookmark; None if it is invalid."""
    try:
        return parse_jid(conference.get("jid", "")).bare
    except ValueError:
        return None


def _to_old(jid: str, item: Item) -> Element:
    new = item.element
    if new is None:
        new = Element(_NEW_CONFERENCE)
    old = Element(CONFERENCE, {"jid": jid, "autojoin": "true" if new.get("autojoin") in _TRUE else "false"})
    if new.get("name"):
        old.set("name", new.get("name", ""))
    for source, target in ((_NEW_NICK, _NICK), (_NEW_PASSWORD, _PASSWORD)):
        if (text := new.findtext(source)) is not None:
            SubElement(old, target).text = text
    return old


def to_new(old: Element, extensions: Element | None = None) -> Element:
    """A bookmark of the older form as the payload of an item."""
    new = Element(_NEW_CONFERENCE)
    if old.get("name"):
        new.set("name", old.get("name", ""))
    if old.get("autojoin") in _TRUE:
        new.set("autojoin", "true")
    for source, target in ((_NICK, _NEW_NICK), (_PASSWORD, _NEW_PASSWORD)):
        if (text := old.findtext(source)) is not None:
            SubElement(new, target).text = text
    if extensions is not None:
        new.append(extensions)
    return new


def _extensions(items: Mapping[str, Item], jid: str) -> Element | None:
    """The extensions of a bookmark, which are kept when an older client writes it (XEP-0402 §3.2)."""
    item = items.get(jid)
    conference = item.element if item is not None else None
    return conference.find(f"{{{NODE}}}extensions") if conference is not None else None
