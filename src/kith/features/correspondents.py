"""Decides who may write to an account, or call it, that only accepts that from contacts (``messages`` and
``calls`` in `kith.records.privacy`).

These may: everybody in its roster, everybody it has written to (so answers always arrive), everybody it
sends directed presence to (such as a room it is in), servers and their services (addresses without a local
part), and its own devices. Others get the same error as from an account that has blocked them or does not
exist, and their messages are not kept. Subscription requests still arrive: with one, a stranger asks to
become a contact. Calls of others (XEP-0353) are dropped without an error, as if nobody answered.
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
from kith.wire.jingle import PROCEED, PROPOSE, is_call_message, is_call_request
from kith.wire.stanza import Stanza

SPACE = "correspondents"
#: How many people outside the roster may answer; beyond that, the first are forgotten.
MAX_ANSWERS = 1000
#: How many of the last messages with somebody are searched for one sent by the account.
_LAST = 50
#: Elements of messages written by a person, or of a call that a person has begun or answered. Receipts and
#: typing notifications are sent automatically.
_WORDS = frozenset(
    (
        *(ns.tag(ns.CLIENT, "body"), ns.tag(ns.OMEMO, "encrypted"), ns.tag(ns.OMEMO_2, "encrypted")),
        *(PROPOSE, PROCEED),
    )
)


def _says_something(children: Collection[str]) -> bool:
    return not _WORDS.isdisjoint(children)


class Correspondents(Feature):
    """Refuses messages from strangers to accounts with this setting.

    The state of such an account: the people outside its roster who may write to it, in the order of the first
    message to them. Its roster is in memory too. Hooks of this feature have to be called after those of
    `PrivacySettings`, which reads the settings.
    """

    in_memory = (SPACE,)

    def __init__(self, settings: PrivacySettings, store: Store, accounts: Accounts) -> None:
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._used = False  # whether any account that was in memory had such a state

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        if self._applies(account):
            await self._load(account, kept[SPACE])

    def _applies(self, account: Account) -> bool:
        settings = self._settings.of(account)
        return "contacts" in (settings.messages, settings.calls)

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
        """When the setting is turned on, finds the people the account has written to; later ones are
        noted.
        """
        if not self._applies(account):
            account.state.pop(Correspondents, None)
            return
        if Correspondents not in account.state:
            await self._load(account, await self._store.documents(account.id, SPACE))
        for peer in await self._store.peers(account.id):
            if not self._may_write(account, peer) and await self._was_written_to(account.id, peer):
                self._expect(account, peer)
        await self._store.flush()

    async def _was_written_to(self, id: int, peer: str) -> bool:
        """Searches the archive for messages sent before such people were noted."""
        page = await self._store.page(LogQuery(id, peer, limit=_LAST, backwards=True))
        return any(
            not entry.flags & INCOMING and _says_something(Stanza.from_bytes(entry.stanza).children)
            for entry in page.entries
        )

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        if not self._used or stanza.kind == "presence":
            return True
        account = self._accounts.get(to.bare)
        if account is None or Correspondents not in account.state:
            return True
        if stanza.type == "error" or not sender.local:
            return True
        call = is_call_message(stanza) if stanza.kind == "message" else is_call_request(stanza)
        if not call and (stanza.kind == "iq" or self._settings.of(account).messages == "everyone"):
            return True
        if self._may_write(account, sender.bare) or self._shows_presence(account, sender):
            return True
        if call and stanza.kind == "message":
            return False
        raise StanzaError("service-unavailable")

    def _may_write(self, account: Account, bare: str) -> bool:
        if bare == account.jid or bare in account.state[Correspondents]:
            return True
        assert account.roster is not None
        item = account.roster[bare]
        return item.listed or item.from_ or item.to

    def _shows_presence(self, account: Account, sender: JID) -> bool:
        """Whether a session has sent directed presence to the sender (RFC 6121 §4.6)."""
        bare = sender.to_bare()
        return any(
            jid.to_bare() == bare for session in account.sessions.values() for jid in session.directed or ()
        )

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Notes that the recipient may answer."""
        account = session.account
        if Correspondents not in account.state:
            return
        if not to.local or stanza.type == "error" or not _says_something(stanza.children):
            return
        if not self._may_write(account, to.bare):
            self._expect(account, to.bare)

    def _expect(self, account: Account, bare: str) -> None:
        """Stores that somebody may answer.

        It is queued before the message to them, so it is durable first.
        """
        answers: dict[str, None] = account.state[Correspondents]
        answers[bare] = None
        if len(answers) > MAX_ANSWERS:
            del answers[next(iter(answers))]
        self._store.put_soon(account.id, SPACE, bare, b"")
