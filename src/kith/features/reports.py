"""XEP-0377: Spam Reporting. Stores reports that are sent with a block, and tells the operators."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import structlog

from kith.base.clock import Clock
from kith.base.rates import RateLimit
from kith.base.text import one_line
from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.features.blocking import Blocking
from kith.features.operator_notices import OperatorNotices
from kith.ports.store import DocumentStore
from kith.records.reports import REASONS, Report, Reports
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID

REPORT = ns.tag(ns.REPORTING, "report")
_TEXT = ns.tag(ns.REPORTING, "text")
_STANZA_ID = ns.tag(ns.STANZA_ID, "stanza-id")
#: How many reports of one account are stored per hour. Blocking itself is not limited.
MAX_AN_HOUR = 60
_HINT = "kith reports shows all."
#: How much of a reporter's words operators are sent. ``kith reports`` shows all.
_SHOWN = 300
logger = structlog.get_logger("kith")


class SpamReports(Feature):
    """Stores the reports of blocked addresses (`kith.features.blocking`). ``kith reports`` shows them.

    The accounts in the setting ``operators`` also get a message.
    """

    server_disco = (ns.REPORTING,)

    def __init__(
        self, clock: Clock, store: DocumentStore, blocking: Blocking, notices: OperatorNotices
    ) -> None:
        self._clock = clock
        self._store = store
        self._notices = notices
        self._rates = RateLimit(MAX_AN_HOUR, 3600.0)
        blocking.listeners.append(self)

    def check_block(self, item: Element) -> None:
        """Checks that a report has a known reason. Raises StanzaError."""
        report = item.find(REPORT)
        if report is not None and report.get("reason") not in REASONS:
            raise StanzaError("bad-request", "a report needs a known reason")

    async def blocked(self, session: Session, jid: JID, item: Element) -> None:
        """Stores the report of an address that was blocked."""
        report = item.find(REPORT)
        if report is None or not self._rates.take(session.account.jid, self._clock.steady()):
            return
        ids = [child.get("id", "") for child in report.findall(_STANZA_ID)]
        made = Report.make(
            self._clock.now(),
            session.account.jid,
            str(jid),
            report.get("reason", ""),
            report.findtext(_TEXT) or "",
            ids,
        )
        if await Reports(self._store).add(made):
            reason = made.reason.rpartition(":")[2]
            logger.warning("reported", who=str(jid), reason=reason)
            words = f": “{_quoted(made.text)}”" if made.text else ""
            self._notices.tell(f"{jid.bare} was reported for {reason} by {made.reporter}{words}.", _HINT)


def _quoted(text: str) -> str:
    """Words of a reporter, so that they can't look like anything else in a message of the server."""
    words = one_line(text).replace("”", '"')
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}…"
