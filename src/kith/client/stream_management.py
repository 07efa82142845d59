"""Stream management (XEP-0198) with strict bookkeeping, on top of slixmpp's plugin.

slixmpp's own plugin takes any ``<failed/>`` for the end of stream management, and an impossible count for an
acknowledgement of everything. Here, what does not fit the present phase of the negotiation ends the
connection, and so does an impossible count.
"""

from __future__ import annotations

import logging
from enum import Enum
from typing import Any

from slixmpp.plugins.base import register_plugin
from slixmpp.plugins.xep_0198 import XEP_0198
from slixmpp.plugins.xep_0198 import stanza as elements
from slixmpp.stanza import Iq, Message, Presence

_MODULUS = 2**32
_log = logging.getLogger(__name__)


class Phase(Enum):
    """The phase of the negotiation on the present connection."""

    OFF = "off"
    RESUMING = "resuming"
    ENABLING = "enabling"
    ON = "on"


class StreamManagement(XEP_0198):  # type: ignore[misc, unused-ignore]
    """Replaces slixmpp's plugin in a `Stream`.

    ``seq`` counts the stanzas sent in this session, modulo 2^32. ``last_ack`` is the server's last count, and
    ``unacked_queue`` has the stanzas after it. So the server's next count lies between the two.
    """

    name = "kith_stream_management"
    xmpp: Any

    def plugin_init(self) -> None:
        super().plugin_init()  # type: ignore[no-untyped-call, unused-ignore]
        self.phase = Phase.OFF

    @property
    def counting(self) -> bool:
        """Whether stanzas that are sent now are counted, and will be acknowledged or repeated."""
        return bool(self.enabled_out)

    def disconnected(self, _: Any) -> None:
        """The connection was lost. The session may be resumed.

        slixmpp drops stanzas that wait to be written at this moment. Counting continues, so that they are
        among those that a resumed stream repeats.
        """
        self.phase = Phase.OFF
        self.enabled_in = False
        self.enabled_out = self.enabled_out and self.sm_id is not None

    def session_end(self, event: Any) -> None:
        super().session_end(event)  # type: ignore[no-untyped-call, unused-ignore]
        self.phase = Phase.OFF

    def _handle_enabled(self, stanza: Any) -> None:
        if self.phase is not Phase.ENABLING:
            self._end_session("<enabled/> was not asked for")
            return
        self.phase = Phase.ON
        super()._handle_enabled(stanza)  # type: ignore[no-untyped-call, unused-ignore]

    def _handle_resumed(self, stanza: Any) -> None:
        if self.phase is not Phase.RESUMING or stanza.xml.get("previd") != self.sm_id:
            self._end_session("<resumed/> was not asked for")
            return
        if not self._count(stanza.xml.get("h")):
            return
        self.phase = Phase.ON
        self.xmpp.features.add("stream_management")
        self.enabled_in = self.enabled_out = True
        for _, repeated in self.unacked_queue:
            self.xmpp.send(repeated, use_filters=False)
        self.xmpp.event("session_resumed", stanza)
        self.xmpp.end_session_on_disconnect = False

    def _handle_failed(self, stanza: Any) -> None:
        """The answer to ``<resume/>`` or ``<enable/>``; at any other time, an error."""
        phase, self.phase = self.phase, Phase.OFF
        if phase is Phase.RESUMING:
            # The old session is over, but the server may tell how much of it had arrived (XEP-0198 §5).
            if stanza.xml.get("h") is not None:
                self._count(stanza.xml.get("h"))
            self._forget(stanza)
        elif phase is Phase.ENABLING:
            self._forget(stanza)
        else:
            self._end_session("<failed/> was not the answer to a request")

    def _forget(self, stanza: Any) -> None:
        self.enabled_in = self.enabled_out = False
        self.unacked_queue.clear()
        self.xmpp.event("sm_failed", stanza)

    def _handle_ack(self, ack: Any) -> None:
        if self.counting:
            self._count(ack.xml.get("h"))

    def _count(self, handled: object) -> bool:
        """Handles the server's count of received stanzas. Returns False if it is impossible."""
        text = str(handled)
        h = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1
        fresh = (h - self.last_ack) % _MODULUS
        if not 0 <= h < _MODULUS or fresh > len(self.unacked_queue):
            self._end_session(f"it acknowledged {handled}, but {self.seq} were sent")
            return False
        self.last_ack = h
        for _ in range(fresh):
            _, stanza = self.unacked_queue.popleft()
            self.xmpp.event("stanza_acked", stanza)
        return True

    def _end_session(self, why: str) -> None:
        """The two sides count differently, so that the session can be neither trusted nor resumed."""
        _log.warning("stream management with the server is out of step: %s", why)
        self.xmpp.end_session_on_disconnect = True
        self.xmpp.event("session_end")
        self.xmpp.abort()

    def _handle_outgoing(self, stanza: Any) -> Any:
        """Counts a stanza at the moment it is written.

        Returns None to drop a request for a count too early.
        """
        if isinstance(stanza, elements.Enable):
            self.phase = Phase.ENABLING
            self.enabled_out = True
            self.unacked_queue.clear()
            self.seq = self.last_ack = 0
        elif isinstance(stanza, elements.Resume):
            self.phase = Phase.RESUMING
        elif isinstance(stanza, elements.RequestAck):
            return stanza if self.phase in (Phase.ENABLING, Phase.ON) else None
        elif self.counting and isinstance(stanza, (Message, Presence, Iq)):
            self.seq = (self.seq + 1) % _MODULUS
            self.unacked_queue.append((self.seq, stanza))
        return stanza

    def request_ack(self, _: Any = None) -> None:
        """Asks for the server's count, after everything that waits to be written."""
        elements.RequestAck(self.xmpp).send()


register_plugin(StreamManagement)
