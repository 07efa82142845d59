"""XEP-0402: PEP Native Bookmarks, and the older ones in private storage (XEP-0048, XEP-0049): the same list.

The items of the node are what lasts; the older form is made from them when it is asked for, and taken
apart when it is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from kith.core.feature import Feature
from kith.core.session import Session
from kith.features.pep import Pep
from kith.features.private_storage import PrivateStorage
from kith.features.pubsub_config import MAX_ITEMS, NodeConfig
from kith.features.pubsub_nodes import Item
from kith.wire.errors import StanzaError
from kith.wire.jid import parse_jid
from kith.wire.serialize import serialize

NODE = "urn:xmpp:bookmarks:1"
_OLD = "storage:bookmarks"
STORAGE = f"{{{_OLD}}}storage"
_NEW_CONFERENCE, _NEW_NICK, _NEW_PASSWORD = (
    f"{{{NODE}}}{name}" for name in ("conference", "nick", "password")
)
_CONFERENCE, _NICK, _PASSWORD = (f"{{{_OLD}}}{name}" for name in ("conference", "nick", "password"))
_URL = f"{{{_OLD}}}url"
_TRUE = ("true", "1")
_CONFIG = NodeConfig(access_model="whitelist", max_items=MAX_ITEMS, send_last_published_item="never")


class Bookmarks(Feature):
    """Stands in for ``storage:bookmarks``. Bookmarks of web pages stay in private storage."""

    account_disco = (f"{NODE}#compat",)

    async def start(self) -> None:
        self._inside = self.domain.feature(Pep).inside
        self._private = self.domain.feature(PrivateStorage)
        self._private.stand_ins[STORAGE] = self

    async def read(self, session: Session, stored: Element | None) -> Element:
        """The older form of the list."""
        storage = Element(STORAGE)
        for url in stored.findall(_URL) if stored is not None else ():
            storage.append(url)
        for jid, item in (await self._inside.items(session.account.id, NODE)).items():
            storage.append(_to_old(jid, item))
        return storage

    async def write(self, session: Session, element: Element) -> Element:
        """Changes the items to what the older form says; returns what is to be stored besides."""
        account, owner = session.account.id, session.account.address
        items = await self._inside.items(account, NODE)
        wanted: dict[str, bytes] = {}
        for conference in element.findall(_CONFERENCE):
            try:
                jid = parse_jid(conference.get("jid", "")).bare
            except ValueError:
                raise StanzaError("bad-request", "a bookmark needs the address of a room") from None
            wanted[jid] = serialize(_to_new(conference, _extensions(items, jid)), " ")
        if len(wanted) > MAX_ITEMS:
            raise StanzaError("resource-constraint", "too many bookmarks")
        changed = [(j, p) for j, p in wanted.items() if j not in items or items[j].payload != p]
        await self._inside.publish(owner, account, NODE, changed, _CONFIG)
        await self._inside.retract(owner, account, NODE, [jid for jid in items if jid not in wanted])
        rest = Element(STORAGE)
        rest.extend(element.findall(_URL))
        return rest


def _to_old(jid: str, item: Item) -> Element:
    new = ElementTree.fromstring(item.payload)
    old = Element(_CONFERENCE, {"jid": jid, "autojoin": "true" if new.get("autojoin") in _TRUE else "false"})
    if new.get("name"):
        old.set("name", new.get("name", ""))
    for source, target in ((_NEW_NICK, _NICK), (_NEW_PASSWORD, _PASSWORD)):
        if (text := new.findtext(source)) is not None:
            SubElement(old, target).text = text
    return old


def _to_new(old: Element, extensions: Element | None) -> Element:
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
    """What newer clients keep with a bookmark stays when an older one writes (XEP-0402 §3.2)."""
    item = items.get(jid)
    return ElementTree.fromstring(item.payload).find(f"{{{NODE}}}extensions") if item is not None else None
