"""Calls what features have overridden, and only that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree.ElementTree import Element

from kith.core.actors.account import Account, Session
from kith.core.actors.sender import Sender
from kith.core.actors.visitor import Visitor
from kith.core.feature import Feature
from kith.core.log.envelope import Envelope
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


def overridden(features: Sequence[Feature], name: str) -> list[Any]:
    """The bound methods of the features that override `Feature`'s method of that name."""
    return [
        getattr(feature, name)
        for feature in features
        if getattr(type(feature), name) is not getattr(Feature, name)
    ]


class Hooks:
    """The hooks of `Feature`, each calling the features in the order in which they are listed."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._stream_features = overridden(features, "stream_features")
        self._login_features = overridden(features, "login_features")
        self._before_login = overridden(features, "before_login")
        self._login_over = overridden(features, "login_over")
        self._message_sent = overridden(features, "message_sent")
        self._stanza_out = overridden(features, "stanza_out")
        self._stanza_in = overridden(features, "stanza_in")
        self._message_routed = overridden(features, "message_routed")
        self._iq_result = overridden(features, "iq_result")
        self._session_opened = overridden(features, "session_opened")
        self._bind_features = [var for feature in features for var in feature.bind_features]
        self._session_bound = overridden(features, "session_bound")
        self._session_resumed = overridden(features, "session_resumed")
        self._element = overridden(features, "element")
        self._acquainted = overridden(features, "acquainted")
        self._session_available = overridden(features, "session_available")
        self._presence_changed = overridden(features, "presence_changed")
        self._presence_received = overridden(features, "presence_received")
        self._subscription_wanted = overridden(features, "subscription_wanted")
        self._subscription_approved = overridden(features, "subscription_approved")
        self._access_changed = overridden(features, "access_changed")
        self._keeping = [f for f in features if overridden([f], "session_kept")]
        self._session_closed = overridden(features, "session_closed")
        self._account_loaded = overridden(features, "account_loaded")
        self._device_revoked = overridden(features, "device_revoked")
        self._account_unloaded = overridden(features, "account_unloaded")
        self._account_deleted = overridden(features, "account_deleted")
        self._privacy_changed = overridden(features, "privacy_changed")
        self._account_moved = overridden(features, "account_moved")
        self._address_freed = overridden(features, "address_freed")
        self._accounts_changed = overridden(features, "accounts_changed")

    def stream_features(self) -> list[Element]:
        return [feature for hook in self._stream_features for feature in hook()]

    def login_features(self) -> list[Element]:
        return [feature for hook in self._login_features for feature in hook()]

    async def before_login(self, visitor: Visitor, iq: Stanza) -> Sequence[Element]:
        """Raises StanzaError, also if no feature answers."""
        for hook in self._before_login:
            children: Sequence[Element] | None = await hook(visitor, iq)
            if children is not None:
                return children
        raise StanzaError("service-unavailable")

    def login_over(self, visitor: Visitor) -> None:
        for hook in self._login_over:
            hook(visitor)

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        for hook in self._message_sent:
            hook(session, stanza, to)

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        for hook in self._stanza_out:
            hook(session, stanza, to)

    async def acquainted(self, account: JID, other: str) -> bool:
        for hook in self._acquainted:
            if await hook(account, other):
                return True
        return False

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        for hook in self._stanza_in:  # a loop, for this is in the way of every message
            if not hook(sender, to, stanza):
                return False
        return True

    def allows(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """`stanza_in` where a refusal has no one to be told of."""
        try:
            return self.stanza_in(sender, to, stanza)
        except StanzaError:
            return False

    def message_routed(self, envelope: Envelope) -> None:
        for hook in self._message_routed:
            hook(envelope)

    def iq_result(self, sender: Sender, iq: Stanza) -> bool:
        return any(hook(sender, iq) for hook in self._iq_result)

    def session_opened(self, session: Session) -> None:
        for hook in self._session_opened:
            hook(session)

    def bind_features(self) -> list[str]:
        return self._bind_features

    async def session_bound(self, session: Session, request: Element) -> list[Element]:
        return [child for hook in self._session_bound for child in await hook(session, request)]

    def session_resumed(self, session: Session) -> None:
        for hook in self._session_resumed:
            hook(session)

    def session_kept(self, session: Session) -> dict[str, Any]:
        kept = {type(feature).__name__: feature.session_kept(session) for feature in self._keeping}
        return {name: value for name, value in kept.items() if value is not None}

    def session_taken_up(self, session: Session, kept: dict[str, Any]) -> None:
        for feature in self._keeping:
            if (value := kept.get(type(feature).__name__)) is not None:
                feature.session_taken_up(session, value)

    def element(self, session: Session, element: Stanza) -> bool:
        return any(hook(session, element) for hook in self._element)

    def session_available(self, session: Session) -> None:
        for hook in self._session_available:
            hook(session)

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        for hook in self._presence_changed:
            hook(session, stanza)

    def presence_received(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        for hook in self._presence_received:
            hook(sender, stanza, to)

    async def subscription_wanted(self, account: JID, contact: JID, stanza: Stanza) -> bool:
        for hook in self._subscription_wanted:
            if await hook(account, contact, stanza):
                return True
        return False

    def subscription_approved(self, account: JID, contact: JID) -> None:
        for hook in self._subscription_approved:
            hook(account, contact)

    def access_changed(self, account: JID, contact: JID) -> None:
        for hook in self._access_changed:
            hook(account, contact)

    def session_closed(self, session: Session) -> None:
        for hook in self._session_closed:
            hook(session)

    async def account_loaded(self, account: Account) -> None:
        for hook in self._account_loaded:
            await hook(account.address, account.id)

    async def device_revoked(self, account: JID, id: int, keys: Sequence[int]) -> None:
        for hook in self._device_revoked:
            await hook(account, id, keys)

    def account_unloaded(self, account: Account) -> None:
        for hook in self._account_unloaded:
            hook(account.address)

    async def account_deleted(self, jid: JID) -> None:
        for hook in self._account_deleted:
            await hook(jid)

    async def privacy_changed(self, account: JID, id: int) -> None:
        for hook in self._privacy_changed:
            await hook(account, id)

    async def account_moved(self, old: JID, id: int, new: JID) -> None:
        for hook in self._account_moved:
            await hook(old, id, new)

    async def address_freed(self, address: JID) -> None:
        for hook in self._address_freed:
            await hook(address)

    async def accounts_changed(self) -> None:
        for hook in self._accounts_changed:
            await hook()
