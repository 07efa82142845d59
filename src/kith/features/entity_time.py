"""XEP-0202: Entity Time. The server tells its time, in UTC."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from kith.base.clock import Clock
from kith.core.actors.sender import Sender
from kith.core.hooks.feature import Feature, handles_iq
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class EntityTime(Feature):
    """Answers time requests. ``tzo`` is the time zone of the server's machine."""

    server_disco = (ns.TIME,)

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @handles_iq("get", ns.TIME, "time", to="server")
    async def time(self, sender: Sender, iq: Stanza, to: JID) -> Sequence[Element]:
        answer = Element(ns.tag(ns.TIME, "time"))
        now = self._clock.now()
        moment = datetime.fromtimestamp(now, UTC)
        SubElement(answer, ns.tag(ns.TIME, "tzo")).text = offset(time.localtime(now).tm_gmtoff)
        SubElement(answer, ns.tag(ns.TIME, "utc")).text = moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        return (answer,)


def offset(seconds: int) -> str:
    """Formats a time zone as ``+01:00`` (XEP-0082 §3.2)."""
    sign = "-" if seconds < 0 else "+"
    hours, minutes = divmod(abs(seconds) // 60, 60)
    return f"{sign}{hours:02d}:{minutes:02d}"
