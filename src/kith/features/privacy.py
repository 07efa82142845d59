"""Applies privacy settings to read markers (XEP-0333), which an account may keep from others.

The settings for avatar and vCard are applied where nodes are read (`kith.features.pubsub.access`), that for
the last activity where it is requested (`kith.features.last_activity`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature
from kith.ports.store import Document, DocumentStore
from kith.records import privacy
from kith.records.privacy import PLAIN, Audience
from kith.wire import ns
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_DISPLAYED = ns.tag(ns.MARKERS, "displayed")


class PrivacySettings(Feature):
    """Keeps the privacy settings of accounts and applies them to read markers.

    The state of an account: its settings, unless they are the defaults.
    """

    in_memory = (privacy.SPACE,)

    def __init__(self, store: DocumentStore, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    def of(self, account: Account) -> privacy.Privacy:
        """The settings of an account."""
        settings: privacy.Privacy = account.state.get(PrivacySettings, PLAIN)
        return settings

    async def may_see(self, audience: Audience, owner: JID, asker: str) -> bool:
        """Whether a local account shows something with this audience to ``asker``, a bare address."""
        if asker == owner.bare or audience == "everyone":
            return True
        if audience == "nobody":
            return False
        return (await self._accounts.roster(owner.bare)).subscription_from(asker)

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        self._set(account, privacy.read(kept[privacy.SPACE]))

    async def privacy_changed(self, account: Account) -> None:
        self._set(account, await privacy.load(self._store, account.id))

    def _set(self, account: Account, settings: privacy.Privacy) -> None:
        if settings == PLAIN:
            account.state.pop(PrivacySettings, None)
        else:
            account.state[PrivacySettings] = settings

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Keeps read markers from others if the account wants that. Its own devices get them."""
        if _DISPLAYED not in stanza.children or to.bare == session.bare:
            return
        if not self.of(session.account).read_receipts:
            tree = stanza.element
            for marker in tree.findall(_DISPLAYED):
                tree.remove(marker)
            stanza.replace_children(tree)
