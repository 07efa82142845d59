"""What was not delivered is sent when a session becomes ready for messages (XEP-0160, XEP-0203).

There is no second store of "offline messages": this reads the log's undelivered part (promise 3).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kith.core.ids import stamp, when
from kith.core.log import stanza_id, with_delay
from kith.core.ports import UNARCHIVED

if TYPE_CHECKING:
    from kith.core.domain import Domain
    from kith.core.session import Session

_PAGE = 200
_END = len(b"</message>")


async def replay(domain: Domain, session: Session) -> None:
    """Sends the undelivered messages in order; what came in meanwhile waited in ``session.holding``."""
    account = session.account
    delivery = account.delivery
    delivery.flush(domain.store)
    await domain.store.settled()
    upto = sent = 0
    try:
        session.counted = True
        while not session.closed:
            entries = await domain.store.undelivered(account.id, upto, _PAGE)
            if not entries:
                break
            for entry in entries:
                upto = entry.id
                delivery.handed(upto)
                got = session.seen is not None and upto in session.seen
                if got or (upto <= session.synced and not entry.flags & UNARCHIVED):
                    delivery.acknowledged(upto)
                    continue
                data = entry.stanza[:-_END] + stanza_id(upto, account.jid) + b"</message>"
                sent += 1
                _transmit(session, with_delay(data, stamp(when(upto)), domain.name), upto)
            domain.changed_delivery(account)
            if session.sink is not None:
                await session.sink.drained()
    finally:
        held, session.holding = session.holding or [], None
        session.seen = None
        domain.figures.replayed += sent
        for data, id in held:
            if not id or id > upto:
                session.transmit(data, id)
        domain.changed_delivery(account)


def _transmit(session: Session, data: bytes, id: int) -> None:
    """As `Session.transmit`, for an entry that is counted as under way already."""
    delivery = session.account.delivery
    if session.sm is None and session.sink is not None:
        delivery.acknowledged(id)
    if session.sm is not None:
        session.sm.sent(data, id)
    if session.sink is not None:
        if not session.out:
            session.domain.flush_later(session)
        session.out.append(data)
