"""Tells accounts of this node that a stanza in their outbox was not delivered."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kith.base.ids import Ids
from kith.base.tasks import Tasks
from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.log.envelope import Envelope
from kith.ports.placement import Placement
from kith.ports.store import INCOMING, UNARCHIVED, Append, Store
from kith.records.bounced import SPACE, Bounced, document
from kith.wire import ns
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_ERROR = ns.tag(ns.CLIENT, "error")
_TEXT = ns.tag(ns.STANZA_ERRORS, "text")
_CONDITIONS = ns.tag(ns.STANZA_ERRORS, "")


class Bounces:
    """Delivers the errors for stanzas that were acknowledged to their senders before.

    The error for a message is stored in the sender's log until a device has it, since the sender may be
    offline. It goes to the session that has sent the message or, if that is gone, to all others.
    """

    def __init__(
        self, accounts: Accounts, store: Store, ids: Ids, placement: Placement, tasks: Tasks
    ) -> None:
        self._accounts = accounts
        self._store = store
        self._ids = ids
        self._placement = placement
        self._tasks = tasks

    def tell(
        self,
        error: Stanza,
        account: int,
        stored: Callable[[], None],
        unstored: Callable[[], None] = lambda: None,
    ) -> None:
        """Delivers an error to the account with this id.

        ``stored`` is called once the error is durable, or ``unstored`` if it can't be stored now.
        """
        if error.kind != "message":
            self._show(error)
            stored()
            return
        to, peer = parse_jid(error.attrs["to"]), parse_jid(error.attrs["from"]).bare
        id, data = self._ids.next(self._placement.slot(to.bare)), error.to_bytes()

        def done(existing: int | None, problem: BaseException | None) -> None:
            if problem is not None:
                self._tasks.failed("a bounce could not be stored for its recipient", problem)
                unstored()
                return
            stored()
            self._store.put_soon(account, SPACE, *document(Bounced(id, error.id or "", peer, _reason(error))))
            envelope = Envelope(id, data, error, to, None)
            there = self._accounts.get(to.bare)
            if there is not None and there.id == account:
                self._deliver(there, envelope)

        self._store.append(Append(id, data, [(account, peer, INCOMING | UNARCHIVED)], done))

    def _deliver(self, account: Account, envelope: Envelope) -> None:
        data = envelope.for_owner(account.jid)
        for target in _targets(account, envelope.to):
            target.push(data, envelope.id)

    def _show(self, error: Stanza) -> None:
        """Delivers an error that is not stored: to a subscription request, for example."""
        to = parse_jid(error.attrs["to"])
        account = self._accounts.get(to.bare)
        if account is not None:
            for target in _targets(account, to):
                target.send(error)


def _reason(error: Stanza) -> str:
    """The condition and the text of an error (RFC 6120 §8.3)."""
    element = error.child(_ERROR)
    texts = {child.tag: child for child in (element if element is not None else ())}
    text = texts.pop(_TEXT, None)
    name = next((tag.rpartition("}")[2] for tag in texts if tag.startswith(_CONDITIONS)), "")
    return f"{name}: {text.text}" if text is not None and text.text else name


def _targets(account: Account, to: JID) -> Iterable[Session]:
    """The session that a bounce is for; if it is gone, all available ones."""
    session = account.sessions.get(to.resource)
    return [session] if session is not None else account.available()
