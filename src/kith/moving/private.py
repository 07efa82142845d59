"""Private XML storage (XEP-0049; XEP-0227 §4.6)."""

from __future__ import annotations

from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from kith.features.bookmarks import STORAGE, URL
from kith.features.private_storage import MAX_BYTES, MAX_ELEMENTS, SPACE
from kith.moving.arrival import Arrival, Context
from kith.moving.names import PRIVATE_TAG
from kith.moving.nodes import Nodes
from kith.moving.reading import Part
from kith.ports.store import DocumentStore
from kith.wire import ns
from kith.wire.serialize import serialize

_FOREIGN = ("", ns.CLIENT, ns.PRIVATE)


class Private:
    """Imports the private storage of one account. Bookmarks become items of their node (XEP-0402)."""

    def __init__(self, context: Context, arrival: Arrival, nodes: Nodes) -> None:
        self._context = context
        self._arrival = arrival
        self._nodes = nodes
        self._sizes: dict[str, int] | None = None
        self._here: set[str] = set()

    async def take(self, part: Part) -> bool:
        """Takes an element. Returns False if the part is something else."""
        if part.within != PRIVATE_TAG:
            return False
        element = part.element
        namespace = part.tag[1:].partition("}")[0] if part.tag[0] == "{" else ""
        if element is None or namespace in _FOREIGN:
            self._leave("too large, or without a namespace of its own", part.tag)
            return True
        if element.tag == STORAGE:
            self._nodes.older_bookmarks(element)
            rest = Element(STORAGE)
            rest.extend(element.findall(URL))
            element = rest
        await self._put(element)
        return True

    async def close(self) -> None:
        """Does nothing: everything was taken."""

    async def _put(self, element: Element) -> None:
        if self._sizes is None:
            documents = (
                [] if self._arrival.is_new else await self._context.writes.documents(self._arrival.id, SPACE)
            )
            self._sizes = {document.key: len(document.value) for document in documents}
        element.tail = None
        value = serialize(element, "")
        if element.tag in self._here:
            self._leave("twice in the storage", element.tag)
        elif element.tag in self._sizes:
            self._context.report.found("private elements")
        elif len(self._sizes) >= MAX_ELEMENTS or len(value) + sum(self._sizes.values()) > MAX_BYTES:
            self._leave(f"more than {MAX_ELEMENTS} elements, or {MAX_BYTES} bytes", element.tag)
        else:
            self._sizes[element.tag] = len(value)
            self._here.add(element.tag)
            await self._context.writes.put(self._arrival.id, SPACE, element.tag, value)
            self._context.report.take("private elements")

    def _leave(self, reason: str, example: str) -> None:
        self._context.report.leave("private elements", reason, f"{self._arrival.jid}: {example}")


async def write(store: DocumentStore, account: int, bookmarks: Element | None) -> Element:
    """The private storage. ``bookmarks``: those of the node in their older form, for older servers."""
    query = Element(PRIVATE_TAG)
    for document in await store.documents(account, SPACE):
        element = ElementTree.fromstring(document.value)
        if element.tag == STORAGE and bookmarks is not None:
            bookmarks.extend(element.findall(URL))
        else:
            query.append(element)
    if bookmarks is not None:
        query.append(bookmarks)
    return query
