"""Stream management (XEP-0198) that counts only what the server said, on top of slixmpp's plugin.

slixmpp's own bookkeeping takes any ``<failed/>`` for the end of stream management and any count that does
not fit for an acknowledgement of everything. Here a negotiation has steps, what does not fit its step ends
the connection, and a stanza is acknowledged when a count that can be true has reached it.
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
    """How far the negotiation on the present connection is."""

    OFF = "off"
    RESUMING = "resuming"
    ENABLING = "enabling"
    ON = "on"


class StreamManagement(XEP_0198):  # type: ignore[misc, unused-ignore]
    """Takes the place of slixmpp's plugin in a `Stream`.

    ``seq`` counts what was sent in this session, ``last_ack`` how much of it the server has, and
    ``unacked_queue`` holds the rest, so the server's next count lies between the two.
    """

    name = "kith_stream_management"
    xmpp: Any

    def plugin_init(self) -> None:
        super().plugin_init()  # type: ignore[no-untyped-call, unused-ignore]
        self.phase = Phase.OFF

    @property
    def counting(self) -> bool:
        """Whether what is sent now is counted, and will be acknowledged or repeated."""
        return bool(self.enabled_out)

    def disconnected(self, _: Any) -> None:
        """The connection is gone. The session may come back: what waits to be written belongs to it.

        slixmpp forgets a stanza that waits to be written at this moment; counting on puts it among those
        that a resumed stream repeats.
        """
        self.phase = Phase.OFF
        self.enabled_in = False
        self.enabled_out = self.enabled_out and self.sm_id is not None

    def session_end(self, event: Any) -> None:
        super().session_end(event)  # type: ignore[no-untyped-call, unused-ignore]
        self.phase = Phase.OFF

    def _handle_enabled(self, stanza: Any) -> None:
        if self.phase is not Phase.ENABLING:
            self._protest("<enabled/> was not asked for")
            return
        self.phase = Phase.ON
        super()._handle_enabled(stanza)  # type: ignore[no-untyped-call, unused-ignore]

    def _handle_resumed(self, stanza: Any) -> None:
        if self.phase is not Phase.RESUMING or stanza.xml.get("previd") != self.sm_id:
            self._protest("<resumed/> was not asked for")
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
        """The answer to ``<resume/>`` or ``<enable/>``, or the server's word on something else of ours."""
        phase, self.phase = self.phase, Phase.OFF
        if phase is Phase.RESUMING:
            # The old session is over, but the server may say how much of it had arrived (XEP-0198 §5).
            if stanza.xml.get("h") is not None:
                self._count(stanza.xml.get("h"))
            self._forget(stanza)
        elif phase is Phase.ENABLING:
            self._forget(stanza)
        else:
            self._protest("<failed/> answers nothing that was asked")

    def _forget(self, stanza: Any) -> None:
        self.enabled_in = self.enabled_out = False
        self.unacked_queue.clear()
        self.xmpp.event("sm_failed", stanza)

    def _handle_ack(self, ack: Any) -> None:
        if self.counting:
            self._count(ack.xml.get("h"))

    def _count(self, handled: object) -> bool:
        """Takes a count of the server's: true when it can be. Else the session is given up."""
        text = str(handled)
        h = int(text) if text.isascii() and text.isdecimal() and len(text) <= 10 else -1
        fresh = (h - self.last_ack) % _MODULUS
        if not 0 <= h < _MODULUS or fresh > len(self.unacked_queue):
            self._protest(f"it acknowledged {handled}, but {self.seq} were sent")
            return False
        self.last_ack = h
        for _ in range(fresh):
            _, stanza = self.unacked_queue.popleft()
            self.xmpp.event("stanza_acked", stanza)
        return True

    def _protest(self, why: str) -> None:
        """The two sides do not count alike: nothing of this session can be believed or resumed."""
        _log.warning("stream management with the server is out of step: %s", why)
        self.xmpp.end_session_on_disconnect = True
        self.xmpp.event("session_end")
        self.xmpp.abort()

    def _handle_outgoing(self, stanza: Any) -> Any:
        """As it is written, in order. A question for a count goes out only where one can be given."""
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
        """Asks how much has arrived, behind all that waits to be written."""
        elements.RequestAck(self.xmpp).send()


register_plugin(StreamManagement)
