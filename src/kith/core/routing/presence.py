"""Presence: broadcast, probes and directed presence (RFC 6121 §4)."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from typing import Any

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.actors.roster import Roster
from kith.core.actors.sender import Sender
from kith.core.hooks.table import Hooks
from kith.core.log.replay import Replay
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.ports.store import Unavailable
from kith.wire import ns
from kith.wire.digits import integer
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

PRIORITY = ns.tag(ns.CLIENT, "priority")
#: How many addresses a session may have sent directed presence to.
MAX_DIRECTED = 1000
#: The maximum size of presence, which is kept with the session and sent to every contact.
MAX_BYTES = 32 * 1024


def _priority(stanza: Stanza) -> int:
    element = stanza.child(PRIORITY)
    if element is None:
        return 0
    try:
        value = integer(element.text or "")
    except ValueError:
        value = 999
    if not -128 <= value <= 127:
        raise StanzaError("bad-request", "priority is a number from -128 to 127")
    return value


class Presence:
    """Handles presence from sessions and other domains, and sends it to those who may see it."""

    def __init__(self, accounts: Accounts, post: Post, hooks: Hooks, replay: Replay) -> None:
        self._accounts = accounts
        self._post = post
        self._hooks = hooks
        self._replay = replay

    def handle(self, session: Session, stanza: Stanza, to: JID | None) -> Coroutine[Any, Any, None] | None:
        """Handles presence from a session. Returns work to be awaited, or None. Raises StanzaError."""
        type = stanza.type
        if type == "error":
            if to is not None:
                self._post.route(stanza, session.jid, to)
            return None
        if type == "probe":
            return self._probe(session, stanza, to) if to is not None else None
        if type not in ("", "unavailable"):
            raise StanzaError("bad-request", "no such type of presence")
        if to is not None:
            self._directed(session, stanza, to)
            return None
        if len(stanza.inner) > MAX_BYTES:
            raise StanzaError("policy-violation", f"presence has at most {MAX_BYTES} bytes")
        if type == "unavailable":
            self.unavailable(session, stanza)
            return None
        return self._available(session, stanza)

    def admit(self, sender: Foreign, stanza: Stanza, to: JID) -> Coroutine[Any, Any, None] | None:
        """As `handle`, for presence from another domain."""
        type = stanza.type
        if not to.local:
            return None
        if type == "probe":
            return self._probe(sender, stanza, to)
        if type not in ("", "unavailable", "error"):
            raise StanzaError("bad-request", "no such type of presence")
        self._post.route(stanza, sender.jid, to)
        if type != "error" and self._accounts.get(to.bare) is not None:
            self._hooks.presence_received(sender, stanza, to)
        return None

    # -- broadcast ----------------------------------------------------------------------------

    def _available(self, session: Session, stanza: Stanza) -> Coroutine[Any, Any, None] | None:
        """Handles initial and later presence (RFC 6121 §4.2 and §4.4)."""
        priority = _priority(stanza)
        initial = session.presence is None
        opted_in = priority >= 0 and (initial or session.priority < 0)
        session.presence = stanza
        session.priority = priority
        if initial or opted_in:
            if opted_in:
                session.hold()  # messages that arrive from now on are sent after the older ones
            return self._initial(session, stanza, initial, opted_in)
        self._update(session, stanza)
        return None

    def _update(self, session: Session, stanza: Stanza) -> None:
        roster = session.account.roster
        assert roster is not None
        if session.priority < 0:
            session.counted = False  # set by `Replay`
        self._broadcast(session, stanza, roster)
        self._hooks.presence_changed(session, stanza)

    def rebroadcast(self, session: Session) -> None:
        """Broadcasts the presence of a session again, because the server has changed it."""
        roster = session.account.roster
        if session.presence is not None and roster is not None:
            self._broadcast(session, session.presence, roster)

    async def _initial(self, session: Session, stanza: Stanza, initial: bool, opted_in: bool) -> None:
        try:
            roster = await self._accounts.roster(session.account.jid)
        except BaseException:
            session.release()
            raise
        if session.closed or session.presence is not stanza:
            session.release()
            return
        self._broadcast(session, stanza, roster)
        if initial:
            for other in session.account.present():
                if other is not session and other.presence is not None:
                    session.transmit(self._addressed(other.presence, session.full))
            for contact in roster.contacts_to():
                if self._post.is_owned(contact):
                    self._show(contact, session.account.jid, session)
                else:
                    self._ask(contact, session)
            for request in roster.requests():
                session.transmit(request)
            self._hooks.session_available(session)
        if opted_in:
            with contextlib.suppress(Unavailable):  # new messages are delivered; older ones stay in the log
                await self._replay.run(session)
        self._hooks.presence_changed(session, stanza)

    def _addressed(self, stanza: Stanza, to: str) -> bytes:
        attrs = dict(stanza.attrs)
        attrs["to"] = to
        return Stanza(stanza.tag, attrs, stanza.inner, stanza.children).to_bytes()

    def _broadcast(self, session: Session, stanza: Stanza, roster: Roster) -> None:
        """Sends presence to the contacts with a subscription and to the account's other sessions."""
        bare = session.account.jid
        for contact in roster.contacts_from():
            if self._post.is_owned(contact):
                self._to_available(contact, stanza, session)
            else:
                self._deliver_directed(session, stanza, parse_jid(contact))
        data: bytes | None = None
        for other in session.account.available():
            if other is not session or stanza.type == "":
                data = data or self._addressed(stanza, bare)
                other.push(data)

    def _to_available(self, contact: str, stanza: Stanza, session: Session) -> None:
        account = self._accounts.get(contact)
        if account is None or not account.sessions:
            return
        if not self._post.allows(session.jid, account.address, stanza):
            return
        data: bytes | None = None
        for other in account.sessions.values():
            if other.presence is not None:
                data = data or self._addressed(stanza, contact)
                other.push(data)

    def _show(self, contact: str, viewer: str, session: Session) -> None:
        """Answers a probe with the contact's presence, if the viewer may see it (RFC 6121 §4.3.2)."""
        account = self._accounts.get(contact)
        if account is None or account.roster is None or not account.roster.subscription_from(viewer):
            return
        for other in account.present():
            presence = other.presence
            if presence is not None and self._post.allows(other.jid, session.account.address, presence):
                session.transmit(self._addressed(presence, session.full))

    def _ask(self, contact: str, session: Session) -> None:
        """Probes a contact of another server or node (RFC 6121 §4.3.1)."""
        probe = Stanza.build("presence", {"type": "probe", "from": session.full, "to": contact})
        self._post.route(probe, session.jid, parse_jid(contact))

    async def _probe(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """Handles a probe from a client or another server (RFC 6121 §4.3.2)."""
        if not self._post.is_local(to):
            self._post.route(stanza, sender.jid, to)
            return
        viewer = sender.bare
        account = await self._accounts.load(to.bare) if to.local else None
        roster = await self._accounts.roster(to.bare) if account is not None else None
        if account is None or roster is None or not (to.bare == viewer or roster.subscription_from(viewer)):
            sender.send(Stanza.build("presence", {"type": "unsubscribed", "from": to.bare, "to": viewer}))
        elif not self._post.allows(sender.jid, to, stanza):
            return  # XEP-0191 §3: blocked, by a contact
        elif account.present():
            for other in account.present():
                if other.presence is not None and (to.is_bare or other.jid == to):
                    sender.send(
                        Stanza(
                            other.presence.tag,
                            {**other.presence.attrs, "to": sender.full},
                            other.presence.inner,
                            other.presence.children,
                        )
                    )
        else:
            sender.send(Stanza.build("presence", {"type": "unavailable", "from": to.bare, "to": sender.full}))

    def unavailable(self, session: Session, stanza: Stanza | None = None) -> None:
        """Sends unavailable presence to contacts and to all who got directed presence (RFC 6121 §4.5)."""
        if stanza is None:
            stanza = Stanza.build("presence", {"type": "unavailable", "from": session.full})
        was = session.presence
        session.presence = None
        session.priority = 0
        session.counted = False
        directed, session.directed = session.directed, None
        roster = session.account.roster
        if was is not None and roster is not None:
            if not session.appears_offline:
                self._broadcast(session, stanza, roster)
            if "to" not in stanza.attrs and not session.closed:  # §4.5.2: also to the session itself
                session.push(self._addressed(stanza, session.full))
            self._hooks.presence_changed(session, stanza)
        for to in directed or ():
            if was is None or roster is None or not roster.subscription_from(to.bare):
                self._deliver_directed(session, stanza, to)

    def show_offline(self, session: Session) -> None:
        """Shows a session without a connection as unavailable.

        The session keeps its presence, and messages for it wait until it is resumed (XEP-0198 §5).
        """
        roster = session.account.roster
        if session.presence is None or session.appears_offline or roster is None:
            return
        session.appears_offline = True
        self._broadcast(
            session, Stanza.build("presence", {"type": "unavailable", "from": session.full}), roster
        )

    def show_online(self, session: Session) -> None:
        """Shows the presence of a session that has a connection again."""
        if session.appears_offline:
            session.appears_offline = False
            self.rebroadcast(session)

    # -- directed ------------------------------------------------------------------------------

    def _directed(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Handles directed presence (RFC 6121 §4.6)."""
        if stanza.type == "unavailable":
            if session.directed is not None:
                session.directed.discard(to)
        else:
            if session.directed is None:
                session.directed = set()
            if to not in session.directed and len(session.directed) >= MAX_DIRECTED:
                raise StanzaError("resource-constraint", "too many directed presences")
            session.directed.add(to)
        self._deliver_directed(session, stanza, to)

    def _deliver_directed(self, session: Session, stanza: Stanza, to: JID) -> None:
        addressed = Stanza(stanza.tag, {**stanza.attrs, "to": str(to)}, stanza.inner, stanza.children)
        self._post.route(addressed, session.jid, to)

    # -- for features --------------------------------------------------------------------------

    def hide(self, account: Account, viewer: JID) -> None:
        """Sends the viewer unavailable presence of the account's sessions (XEP-0191 §4)."""
        for session in account.present():
            gone = Stanza.build("presence", {"type": "unavailable", "from": session.full, "to": str(viewer)})
            self._post.route(gone, session.jid, viewer)

    def show(self, account: Account, viewer: JID) -> None:
        """Sends the viewer the presence of the account's sessions."""
        for session in account.present():
            if session.presence is not None:
                self._deliver_directed(session, session.presence, viewer)
