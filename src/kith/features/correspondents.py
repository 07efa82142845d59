"""Who may write to an account that hears from its contacts alone (`kith.records.privacy`, ``messages``).

Whoever is in its roster may, whoever it has written to (an answer always comes through), and whomever it
shows its presence now, as it does to a room that it is in. Others get the error that a blocked or absent
account gives; nothing of theirs is kept. Servers and their services, which have no name before the @, are
heard; so is an account's own other device. Requests for presence come as ever: that is how a stranger asks to
become a contact.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.core.hooks.feature import Feature
from kith.features.privacy import PrivacySettings
from kith.ports.store import INCOMING, Document, LogQuery, Store
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

SPACE = "correspondents"
#: People outside of the roster who were written to and may answer; beyond, the first are forgotten.
MAX_ANSWERS = 1000
#: The last messages with somebody in which one looks for one of the account's own.
_LAST = 50
#: What says something: receipts and typing notices go to strangers without anybody's doing.
_WORDS = frozenset(
    (ns.tag(ns.CLIENT, "body"), ns.tag(ns.OMEMO, "encrypted"), ns.tag(ns.OMEMO_2, "encrypted"))
)


def _says_something(children: Collection[str]) -> bool:
    return not _WORDS.isdisjoint(children)


class Correspondents(Feature):
    """The state of an account that hears from its contacts alone is the people who may answer it besides.

    They are outside of its roster, which is in memory then as well, in the order of first writing. It comes
    after `PrivacySettings`, which reads what accounts have set.
    """

    in_memory = (SPACE,)

    def __init__(self, settings: PrivacySettings, store: Store, accounts: Accounts) -> None:
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._used = False  # whether any account that was in memory had such a state

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        if self._settings.of(account).messages == "contacts":
            await self._load(account, kept[SPACE])

    async def _load(self, account: Account, documents: Sequence[Document]) -> None:
        answers = [document.key for document in documents]
        for oldest in answers[:-MAX_ANSWERS]:
            await self._store.remove(account.id, SPACE, oldest)
        if account.roster is None:
            roster = await Roster.load(self._store, account.id)
            account.roster = account.roster or roster
        account.state[Correspondents] = dict.fromkeys(answers[-MAX_ANSWERS:])
        self._used = True

    async def privacy_changed(self, account: Account) -> None:
        """Whom the account has written to before is looked up once; from then on it is noted."""
        if self._settings.of(account).messages == "everyone":
            account.state.pop(Correspondents, None)
            return
        if Correspondents not in account.state:
            await self._load(account, await self._store.documents(account.id, SPACE))
        for peer in await self._store.peers(account.id):
            if not self._may_write(account, peer) and await self._was_written_to(account.id, peer):
                self._expect(account, peer)
        await self._store.settled()

    async def _was_written_to(self, id: int, peer: str) -> bool:
        """Before it was noted."""
        page = await self._store.page(LogQuery(id, peer, limit=_LAST, backwards=True))
        return any(
            not entry.flags & INCOMING and _says_something(Stanza.from_bytes(entry.stanza).children)
            for entry in page.entries
        )

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        if not self._used or stanza.kind != "message":
            return True
        account = self._accounts.get(to.bare)
        if account is None or Correspondents not in account.state:
            return True
        if stanza.type == "error" or not sender.local:
            return True
        if self._may_write(account, sender.bare) or self._shows_presence(account, sender):
            return True
        raise StanzaError("service-unavailable")

    def _may_write(self, account: Account, bare: str) -> bool:
        if bare == account.jid or bare in account.state[Correspondents]:
            return True
        assert account.roster is not None
        item = account.roster[bare]
        return item.listed or item.from_ or item.to

    def _shows_presence(self, account: Account, sender: JID) -> bool:
        """Whether a device has sent its presence there, and not taken it back (RFC 6121 §4.6)."""
        bare = sender.to_bare()
        return any(
            jid.to_bare() == bare for session in account.sessions.values() for jid in session.directed or ()
        )

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Whom the account writes to may answer."""
        account = session.account
        if Correspondents not in account.state:
            return
        if not to.local or stanza.type == "error" or not _says_something(stanza.children):
            return
        if not self._may_write(account, to.bare):
            self._expect(account, to.bare)

    def _expect(self, account: Account, bare: str) -> None:
        """Queued before the message to them: if that is durable, so is this."""
        answers: dict[str, None] = account.state[Correspondents]
        answers[bare] = None
        if len(answers) > MAX_ANSWERS:
            del answers[next(iter(answers))]
        self._store.put_soon(account.id, SPACE, bare, b"")
