"""Who may write to an account that hears from its contacts alone (`kith.records.privacy`, ``messages``).

Whoever is in its roster may, whoever it has written to (an answer always comes through), and whomever it
shows its presence now, as it does to a room that it is in. Others get the error that a blocked or absent
account gives; nothing of theirs is kept. Servers and their services, which have no name before the @, are
heard; so is an account's own other device. Requests for presence come as ever: that is how a stranger asks to
become a contact.
"""

from __future__ import annotations

from collections.abc import Collection

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.core.hooks.feature import Feature
from kith.features.privacy import PrivacySettings
from kith.ports.store import INCOMING, LogQuery, Store
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


class _Circle:
    """Who may write to one account. ``answers``: those outside of the roster, in the order of first writing.

    ``roster`` is as it was loaded, and true until the account's own is in memory: changes go through that.
    """

    __slots__ = ("account", "answers", "roster")

    def __init__(self, account: int, roster: Roster, answers: list[str]) -> None:
        self.account = account
        self.roster = roster
        self.answers = dict.fromkeys(answers)


class Correspondents(Feature):
    """The circles of the accounts in memory that have one. Others cost one look at an empty table.

    It comes after `PrivacySettings`, which reads what accounts have set.
    """

    def __init__(self, settings: PrivacySettings, store: Store, accounts: Accounts) -> None:
        self._settings = settings
        self._store = store
        self._accounts = accounts
        self._circles: dict[str, _Circle] = {}

    async def account_loaded(self, account: Account) -> None:
        await self._load(account.address, account.id)

    async def _load(self, account: JID, id: int) -> None:
        if self._settings.of(account.bare).messages == "contacts":
            store = self._store
            documents = sorted(await store.documents(id, SPACE), key=lambda document: document.seq)
            answers = [document.key for document in documents]
            for oldest in answers[:-MAX_ANSWERS]:
                await store.remove(id, SPACE, oldest)
            del answers[:-MAX_ANSWERS]
            self._circles[account.bare] = _Circle(id, await Roster.load(store, id), answers)

    async def privacy_changed(self, account: JID, id: int) -> None:
        """Whom the account has written to before is looked up once; from then on it is noted."""
        if self._settings.of(account.bare).messages == "everyone":
            self._circles.pop(account.bare, None)
            return
        if account.bare not in self._circles:
            await self._load(account, id)
        circle = self._circles[account.bare]
        for peer in await self._store.peers(id):
            if not self._may_write(account.bare, circle, peer) and await self._was_written_to(id, peer):
                self._expect(circle, peer)
        await self._store.settled()

    async def _was_written_to(self, id: int, peer: str) -> bool:
        """Before it was noted."""
        page = await self._store.page(LogQuery(id, peer, limit=_LAST, backwards=True))
        return any(
            not entry.flags & INCOMING and _says_something(Stanza.from_bytes(entry.stanza).children)
            for entry in page.entries
        )

    def account_unloaded(self, account: Account) -> None:
        self._circles.pop(account.jid, None)

    async def account_deleted(self, account: JID) -> None:
        self._circles.pop(account.bare, None)

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        if not self._circles or stanza.kind != "message":
            return True
        circle = self._circles.get(to.bare)
        if circle is None or stanza.type == "error" or not sender.local:
            return True
        if self._may_write(to.bare, circle, sender.bare) or self._shows_presence(to.bare, sender):
            return True
        raise StanzaError("service-unavailable")

    def _may_write(self, owner: str, circle: _Circle, bare: str) -> bool:
        if bare == owner or bare in circle.answers:
            return True
        account = self._accounts.get(owner)
        roster = account.roster if account is not None and account.roster is not None else circle.roster
        item = roster[bare]
        return item.listed or item.from_ or item.to

    def _shows_presence(self, owner: str, sender: JID) -> bool:
        """Whether a device has sent its presence there, and not taken it back (RFC 6121 §4.6)."""
        bare = sender.to_bare()
        return any(
            jid.to_bare() == bare
            for session in self._accounts.sessions(owner)
            for jid in session.directed or ()
        )

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Whom the account writes to may answer."""
        if not self._circles:
            return
        circle = self._circles.get(session.bare)
        if circle is None or not to.local or stanza.type == "error" or not _says_something(stanza.children):
            return
        if not self._may_write(session.bare, circle, to.bare):
            self._expect(circle, to.bare)

    def _expect(self, circle: _Circle, bare: str) -> None:
        """Queued before the message to them: if that is durable, so is this."""
        circle.answers[bare] = None
        if len(circle.answers) > MAX_ANSWERS:
            del circle.answers[next(iter(circle.answers))]
        self._store.put_soon(circle.account, SPACE, bare, b"")
