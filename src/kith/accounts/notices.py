"""What the server itself tells an account: a message of its own, kept and delivered as others are."""

from __future__ import annotations

import secrets
from xml.etree.ElementTree import Element

import structlog

from kith.core.actors.account import Account
from kith.core.log.envelope import Envelope
from kith.core.node import Node
from kith.ports.store import INCOMING, Append
from kith.wire import ns
from kith.wire.stanza import Stanza

logger = structlog.get_logger("kith")


def tell(domain: Node, account: Account, text: str) -> None:
    """From the domain's own address to all devices."""
    body = Element(ns.tag(ns.CLIENT, "body"))
    body.text = text
    attrs = {"from": domain.name, "to": account.jid, "id": secrets.token_hex(8)}
    stanza = Stanza.build("message", attrs, body)
    id, data = domain.ids.next(account.slot), stanza.to_bytes()
    envelope = Envelope(id, data, stanza, account.address, None)

    def done(existing: int | None, error: BaseException | None) -> None:
        if error is not None:
            logger.error("notice not stored", error=f"{type(error).__name__}: {error}")
        elif (there := domain.accounts.get(account.jid)) is not None:  # it may have been read anew since
            domain.post.hand_over(there, envelope)

    domain.store.append(Append(id, data, [(account.id, domain.name, INCOMING)], done))
