"""Says which of receipts (XEP-0184), markers (XEP-0333), encryption (XEP-0380) and typing (XEP-0085) are
kept.

The server only transports them. Receipts and markers are kept in the log, so that every device learns about
them; typing notifications are not.
"""

from __future__ import annotations

from kith.core.hooks.feature import Feature
from kith.core.log.log import Keep
from kith.wire import ns

_TYPING = ("active", "composing", "paused", "inactive", "gone")
_ASKING = (ns.tag(ns.RECEIPTS, "request"), ns.tag(ns.MARKERS, "markable"))


class Markers(Feature):
    """Says which messages are kept. It handles no requests."""

    keeps = {  # noqa: RUF012  # declared as ClassVar in Feature
        ns.tag(ns.RECEIPTS, "received"): Keep.ARCHIVE,
        ns.tag(ns.MARKERS, "received"): Keep.ARCHIVE,
        ns.tag(ns.MARKERS, "displayed"): Keep.ARCHIVE,
        ns.tag(ns.MARKERS, "acknowledged"): Keep.ARCHIVE,
        ns.tag(ns.OMEMO, "encrypted"): Keep.ARCHIVE,
        ns.tag(ns.OMEMO_2, "encrypted"): Keep.ARCHIVE,
        ns.tag(ns.ENCRYPTION, "encryption"): Keep.NOTHING,
        **{ns.tag(ns.CHAT_STATES, state): Keep.NOTHING for state in _TYPING},
        **dict.fromkeys(_ASKING, Keep.NOTHING),
    }
