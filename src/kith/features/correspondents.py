"""Who may write to an account that hears from its contacts alone (`kith.core.privacy`, ``messages``).

Whoever is in its roster may, and whoever it has written to: an answer always comes through. Others get the
error that a blocked or absent account gives; nothing of theirs is kept. Servers and their services, which
have no name before the @, are heard; so is an account's own other device. Requests for presence come as
ever: that is how a stranger asks to become a contact.
"""

from __future__ import annotations

from kith.core.domain import Domain
from kith.core.feature import Feature
from kith.core.roster import Roster
from kith.core.session import Session
from kith.features.privacy import PrivacySettings
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

SPACE = "correspondents"
#: People outside of the roster who were written to and may answer; beyond, the first are forgotten.
MAX_ANSWERS = 1000


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

    def __init__(self, domain: Domain) -> None:
        super().__init__(domain)
        self._circles: dict[str, _Circle] = {}

    async def start(self) -> None:
        self._settings = self.domain.feature(PrivacySettings)

    async def account_loaded(self, account: JID, id: int) -> None:
        await self.privacy_changed(account, id)

    async def privacy_changed(self, account: JID, id: int) -> None:
        if self._settings.of(account.bare).messages == "everyone":
            self._circles.pop(account.bare, None)
            return
        store = self.domain.store
        documents = sorted(await store.documents(id, SPACE), key=lambda document: document.seq)
        answers = [document.key for document in documents]
        self._circles[account.bare] = _Circle(id, await Roster.load(store, id), answers)

    def account_unloaded(self, account: JID) -> None:
        self._circles.pop(account.bare, None)

    async def account_deleted(self, account: JID) -> None:
        self._circles.pop(account.bare, None)

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        if not self._circles or stanza.kind != "message":
            return True
        circle = self._circles.get(to.bare)
        if circle is None or stanza.type == "error" or not sender.local:
            return True
        bare = sender.bare
        if bare == to.bare or bare in circle.answers or self._knows(to.bare, circle, bare):
            return True
        raise StanzaError("service-unavailable")

    def _knows(self, owner: str, circle: _Circle, bare: str) -> bool:
        account = self.domain.live(owner)
        roster = account.roster if account is not None and account.roster is not None else circle.roster
        item = roster[bare]
        return item.listed or item.from_ or item.to

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Whom the account writes to may answer."""
        if not self._circles:
            return
        circle = self._circles.get(session.bare)
        bare = to.bare
        if circle is None or not to.local or bare == session.bare or bare in circle.answers:
            return
        if stanza.type != "error" and not self._knows(session.bare, circle, bare):
            circle.answers[bare] = None
            self.domain.spawn(self._keep(circle, bare))

    async def _keep(self, circle: _Circle, bare: str) -> None:
        store = self.domain.store
        await store.put(circle.account, SPACE, bare, b"")
        while len(circle.answers) > MAX_ANSWERS:
            oldest = next(iter(circle.answers))
            del circle.answers[oldest]
            await store.remove(circle.account, SPACE, oldest)
