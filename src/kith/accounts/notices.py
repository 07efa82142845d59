"""Messages from the server itself to an account, which are stored and delivered like others."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import structlog

from kith.base.domain import Domain
from kith.base.ids import Ids
from kith.base.randomness import Randomness
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.log.envelope import Envelope
from kith.core.routing.post import Post
from kith.ports.store import INCOMING, Append, LogStore
from kith.wire import ns
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")


class Notices:
    """Sends messages from the server to accounts."""

    def __init__(
        self,
        domain: Domain,
        ids: Ids,
        randomness: Randomness,
        store: LogStore,
        accounts: Accounts,
        post: Post,
    ) -> None:
        self._domain = domain
        self._ids = ids
        self._randomness = randomness
        self._store = store
        self._accounts = accounts
        self._post = post

    def tell(self, account: Account, text: str) -> None:
        """Sends a text from the domain's address to all devices of an account."""
        body = Element(ns.tag(ns.CLIENT, "body"))
        body.text = text
        attrs = {"from": self._domain.name, "to": account.jid, "id": self._randomness.hex(8)}
        stanza = Stanza.build("message", attrs, body)
        id, data = self._ids.next(account.slot), stanza.to_bytes()
        envelope = Envelope(id, data, stanza, account.address, None)

        def done(existing: int | None, error: BaseException | None) -> None:
            if error is not None:
                logger.error("notice not stored", error=f"{type(error).__name__}: {error}")
            elif (
                there := self._accounts.get(account.jid)
            ) is not None:  # it may have been loaded again in the meantime
                self._post.hand_over(there, envelope)

        self._store.append(Append(id, data, [(account.id, self._domain.name, INCOMING)], done))
