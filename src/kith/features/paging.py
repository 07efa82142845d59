"""XEP-0059: Result Set Management. Parses requests for pages, and describes pages in results."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from kith.wire import ns
from kith.wire.digits import natural
from kith.wire.errors import StanzaError

SET = ns.tag(ns.RSM, "set")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """A request for ``limit`` items after ``after``; or, if ``backwards``, before ``before`` (None: the
    last).
    """

    limit: int
    after: str | None = None
    before: str | None = None
    backwards: bool = False
    count_only: bool = False


def read_page(query: Element, default: int, most: int) -> PageRequest:
    """Parses ``<set/>``. Raises StanzaError if it is malformed or has an index (XEP-0059 §2.6)."""
    element = query.find(SET)
    if element is None:
        return PageRequest(default)
    if element.find(ns.tag(ns.RSM, "index")) is not None:
        raise StanzaError("feature-not-implemented", "pages by index")
    text = element.findtext(ns.tag(ns.RSM, "max"))
    limit = default
    if text is not None:
        try:
            limit = natural(text)
        except ValueError:
            raise StanzaError("bad-request", "max is no number") from None
    after = element.findtext(ns.tag(ns.RSM, "after")) or None
    before = element.find(ns.tag(ns.RSM, "before"))
    return PageRequest(
        min(limit, most),
        after,
        (before.text or None) if before is not None else None,
        before is not None,
        count_only=text is not None and limit == 0,
    )


def page_element(first: str | None, last: str | None, count: int | None = None) -> Element:
    """``<set/>`` of a result."""
    element = Element(SET)
    if first is not None and last is not None:
        SubElement(element, ns.tag(ns.RSM, "first")).text = first
        SubElement(element, ns.tag(ns.RSM, "last")).text = last
    if count is not None:
        SubElement(element, ns.tag(ns.RSM, "count")).text = str(count)
    return element
