"""XEP-0334: Message Processing Hints, by which a sender says whether a message is kept."""

from __future__ import annotations

from kith.core.hooks.feature import Feature
from kith.core.log.log import Keep
from kith.wire import ns


class Hints(Feature):
    """Applies the hints about storing. `kith.features.carbons` handles ``no-copy``."""

    keeps = {  # noqa: RUF012  # declared as ClassVar in Feature
        ns.tag(ns.HINTS, "store"): Keep.ARCHIVE,
        ns.tag(ns.HINTS, "no-permanent-store"): Keep.QUEUE_ONLY,
        ns.tag(ns.HINTS, "no-store"): Keep.FORBIDDEN,
        ns.tag(ns.HINTS, "no-copy"): Keep.NOTHING,
    }
    disco = (ns.HINTS,)
