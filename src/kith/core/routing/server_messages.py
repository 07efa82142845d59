"""Messages from the server itself to an account, which are stored and delivered like others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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


class ServerMessages:
    """Sends messages from the domain's address to all devices of an account."""

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
        """Sends a text."""
        self.send(account, self._randomness.hex(8), [body(text)])

    def send(
        self,
        account: Account,
        id: str,
        children: Sequence[Element],
        once: bool = False,
        done: Callable[[int], None] = lambda entry: None,
    ) -> None:
        """Sends a message with an id and children.

        ``once``: if the account has got a message with this id before, it does not get another. ``done`` is
        called after the commit, with the id of the message in the log: the earlier one's, if there was one,
        or 0 if the message could not be stored, which is logged.
        """
        attrs = {"from": self._domain.name, "to": account.jid, "id": id}
        stanza = Stanza.build("message", attrs, *children)
        entry, data = self._ids.next(account.slot), stanza.to_bytes()
        envelope = Envelope(entry, data, stanza, account.address, None)

        def committed(existing: int | None, error: BaseException | None) -> None:
            if error is not None:
                logger.error("notice not stored", error=f"{type(error).__name__}: {error}")
                done(0)
                return
            there = self._accounts.get(account.jid)  # it may have been loaded again in the meantime
            if existing is None:
                if there is not None:
                    self._post.hand_over(there, envelope)
                self._post.wake(there, envelope)
            done(existing or entry)

        owners = [(account.id, self._domain.name, INCOMING)]
        origin = id.encode() if once else None
        self._store.append(Append(entry, data, owners, committed, self._domain.name, account.jid, origin))


def body(text: str) -> Element:
    """The ``<body/>`` of a message."""
    element = Element(ns.tag(ns.CLIENT, "body"))
    element.text = text
    return element
