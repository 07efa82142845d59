"""What was not delivered is sent when a session becomes ready for messages (XEP-0160, XEP-0203).

There is no second store of "offline messages": this reads the log's undelivered part (promise 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kith.base.ids import stamp_of
from kith.core.log.envelope import stanza_id
from kith.ports.store import UNARCHIVED, UNDELIVERED
from kith.wire import ns
from kith.wire.serialize import escape_attribute

if TYPE_CHECKING:
    from kith.core.actors.session import Session
    from kith.core.node import Node

_PAGE = 200
#: So much goes to the connection before the peer has to have read some of it, in bytes.
_PORTION = 256 * 1024
_END = len(b"</message>")


async def replay(domain: Node, session: Session) -> None:
    """Sends the undelivered messages in order; what came in meanwhile waited in ``session.holding``.

    A session that has read the archive to its end also gets what came after that, although another device
    may have it by now: it was not available then, and will not look there again.
    """
    account = session.account
    delivery = account.delivery
    delivery.flush(domain.store)
    await domain.store.settled()
    delay = f"<delay xmlns='{ns.DELAY}' from='{escape_attribute(domain.name)}' stamp='"  # XEP-0203
    mark = delivery.mark
    since = session.caught_up or None
    upto = sent = 0
    try:
        session.counted = True
        while not session.closed:
            entries = await domain.store.undelivered(account.id, upto, _PAGE, since)
            if not entries or session.closed:
                break
            for entry in entries:
                upto = entry.id
                elsewhere = upto <= mark and not entry.flags & UNDELIVERED
                if not elsewhere:
                    delivery.handed(upto)
                got = session.seen is not None and upto in session.seen
                if got or (upto <= session.synced and not entry.flags & UNARCHIVED):
                    delivery.acknowledged(upto)
                    continue
                stored = f"{delay}{stamp_of(upto)}'/></message>".encode()
                data = domain.assertions.renewed(entry.stanza)[:-_END] + stanza_id(upto, account.jid) + stored
                domain.figures.replayed += 1
                _transmit(session, data, 0 if elsewhere else upto)
                sent += len(data)
                if sent > _PORTION and session.sink is not None:
                    session.flush()
                    await session.sink.drained()
                    sent = 0
                    if session.closed:
                        return
            domain.marks.changed(account.delivery)
        # the store may show a message before its commit is announced: what was sent is not sent again
        await domain.store.settled()
        if not session.closed:
            delivery.floor = None
    except BaseException:
        # what was not sent stays undelivered
        delivery.floor = upto if delivery.floor is None else min(upto, delivery.floor)
        raise
    finally:
        session.seen = None
        session.caught_up = 0
        session.release(upto)
        domain.marks.changed(account.delivery)


def _transmit(session: Session, data: bytes, id: int) -> None:
    """As `Session.transmit`, for an entry that is counted as under way already."""
    delivery = session.account.delivery
    if id and session.sm is None and session.sink is not None:
        delivery.acknowledged(id)
    if session.sm is not None:
        session.sm.sent(data, id)
        if session.sink is None and session.sm.forgotten:
            session.domain.sessions.close_later(session)
    if session.sink is not None:
        if not session.out:
            session.domain.sessions.flush_later(session)
        session.out.append(data)
