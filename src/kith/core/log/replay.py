"""Sends undelivered messages when a session becomes ready for messages (XEP-0160, XEP-0203).

There is no separate store of "offline messages": this reads the undelivered entries of the log.
"""

from __future__ import annotations

from collections.abc import Callable

from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.ids import stamp_of
from kith.core.actors.account import Session
from kith.core.log.envelope import stanza_id
from kith.core.log.marks import Marks
from kith.core.log.own import with_own
from kith.ports.store import SHARED, UNARCHIVED, UNDELIVERED, Store
from kith.wire import ns
from kith.wire.serialize import escape_attribute

_PAGE = 200
#: How many bytes are written before waiting for the peer to read.
_PORTION = 256 * 1024
_END = len(b"</message>")


class Replay:
    """Sends undelivered messages.

    ``renewed`` cleans a stored message as it would be cleaned today, since older versions were less strict.
    """

    def __init__(
        self,
        domain: Domain,
        store: Store,
        marks: Marks,
        figures: Figures,
        renewed: Callable[[bytes], bytes],
    ) -> None:
        self._store = store
        self._marks = marks
        self._figures = figures
        self._renewed = renewed
        self._delay = f"<delay xmlns='{ns.DELAY}' from='{escape_attribute(domain.name)}' stamp='"

    async def run(self, session: Session) -> None:
        """Sends the undelivered messages in order. New messages wait in ``session.holding`` in the meantime.

        A session that has read the archive to its end also gets later messages that other devices have
        received since: it was not available then, and will not read the archive again.
        """
        account = session.account
        delivery = account.delivery
        delivery.flush(self._store)
        await self._store.flush()
        mark = delivery.mark
        since = session.caught_up or None
        upto = sent = 0
        try:
            session.counted = True
            while not session.closed:
                entries = await self._store.undelivered(account.id, upto, _PAGE, since, session.shared)
                if not entries or session.closed:
                    break
                for entry in entries:
                    upto = entry.id
                    if entry.flags & SHARED:
                        if upto > session.synced:
                            data = self._delayed(upto, with_own(entry.stanza, entry.own), account.jid)
                            session.transmit(data, -upto)
                            sent += len(data)
                        continue
                    elsewhere = upto <= mark and not entry.flags & UNDELIVERED
                    if not elsewhere:
                        delivery.handed(upto)
                    got = session.seen is not None and upto in session.seen
                    if got or (upto <= session.synced and not entry.flags & UNARCHIVED):
                        delivery.acknowledged(upto)
                        continue
                    data = self._delayed(upto, entry.stanza, account.jid)
                    self._figures.replayed += 1
                    session.transmit(data, 0 if elsewhere else upto, handed=True)
                    sent += len(data)
                    if sent > _PORTION and session.sink is not None:
                        session.flush()
                        await session.sink.drained()
                        sent = 0
                        if session.closed:
                            return
                self._marks.changed(delivery)
            # the store may return a message before its commit was announced: don't send it twice
            await self._store.flush()
            if not session.closed:
                delivery.floor = None
        except BaseException:
            # messages that were not sent stay undelivered
            delivery.floor = upto if delivery.floor is None else min(upto, delivery.floor)
            raise
        finally:
            session.seen = None
            session.caught_up = 0
            session.release(upto)
            self._marks.changed(delivery)

    def _delayed(self, id: int, stored: bytes, owner: str) -> bytes:
        """A stored message with a ``<delay/>`` (XEP-0203), as its owner receives it later."""
        end = f"{self._delay}{stamp_of(id)}'/></message>".encode()
        return self._renewed(stored)[:-_END] + stanza_id(id, owner) + end
