"""Brings presence up to date when a server is reached again after a stream to it was lost.

While it was lost, changes did not arrive, in both directions; and the other server may have been restarted,
and know nobody's presence any more.
"""

from __future__ import annotations

import asyncio

from kith.base.tasks import Tasks
from kith.core.actors.account import Account
from kith.core.actors.accounts import Accounts
from kith.core.routing.presence import Presence
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

#: After so many accounts, others get their turn.
_PORTION = 100


class Contacts:
    """The contacts of accounts here that are on other servers."""

    def __init__(self, accounts: Accounts, presence: Presence, tasks: Tasks) -> None:
        self._accounts = accounts
        self._presence = presence
        self._tasks = tasks

    def wants(self, domain: str) -> bool:
        """Whether anybody who is online has a contact at a domain."""
        end = f"@{domain}"
        for account in self._accounts.all():
            if account.roster is not None and account.available():
                for contact in account.roster.contacts_to():
                    if contact.endswith(end):
                        return True
        return False

    async def refresh(self, domain: str) -> None:
        """Probes the contacts at a domain, and sends them the presence of accounts here."""
        end = f"@{domain}"
        for count, account in enumerate(list(self._accounts.all())):
            if count % _PORTION == 0:
                await asyncio.sleep(0)
            roster = account.roster
            if roster is None or not account.available():
                continue
            for contact in list(roster.contacts_to()):
                if contact.endswith(end):
                    self._probe(account, parse_jid(contact))
            for contact in list(roster.contacts_from()):
                if contact.endswith(end):
                    self._presence.show(account, parse_jid(contact))

    def _probe(self, account: Account, contact: JID) -> None:
        """Shows the contact as unavailable until its server says otherwise.

        Sessions that have ended meanwhile are in no answer.
        """
        for session in account.available():
            gone = {"type": "unavailable", "from": contact.bare, "to": session.full}
            session.send(Stanza.build("presence", gone))
            probe = {"type": "probe", "from": session.full, "to": contact.bare}
            work = self._presence.handle(session, Stanza.build("presence", probe), contact)
            if work is not None:
                self._tasks.spawn(work)
