"""Where a client's stanza goes (RFC 6120 §8 and §10, RFC 6121 §8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kith.core.log import Envelope, Keep
from kith.core.session import COMMITTING, LATER, Session, Work
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import LANG, Stanza

if TYPE_CHECKING:
    from kith.core.account import Account
    from kith.core.domain import Domain

_LOGGED = frozenset(("", "chat", "normal"))


class Router:
    """Takes what sessions send. `handle` is the hot path: no await between the socket and the log."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    def handle(self, session: Session, stanza: Stanza) -> Work:
        """Handles a stanza, or says what has to happen first. Raises StanzaError, StreamError."""
        kind = stanza.kind
        if not kind:
            self._domain.element(session, stanza)
            return None
        attrs = stanza.attrs
        sender = attrs.get("from")
        if sender is not None and sender != session.full:
            self._check_from(session, sender)
        attrs["from"] = session.full
        to_text = attrs.get("to")
        to: JID | None = None
        if to_text is not None:
            try:
                to = parse_jid(to_text)
            except ValueError:
                raise StanzaError("jid-malformed") from None
        if session.lang and kind != "iq" and LANG not in attrs:
            attrs[LANG] = session.lang
        if kind == "message":
            return self._message(session, stanza, to or session.account.address)
        self._domain.hooks.stanza_out(session, stanza, to)
        if kind == "iq":
            return self._iq(session, stanza, to)
        work = self._domain.presence.handle(session, stanza, to)
        return work  # type: ignore[return-value]

    def _check_from(self, session: Session, sender: str) -> None:
        """RFC 6120 §8.1.2.1."""
        try:
            jid = parse_jid(sender)
        except ValueError:
            jid = None
        if jid not in (session.jid, session.account.address):
            raise StreamError("invalid-from")

    # -- messages ---------------------------------------------------------------------------------

    def _message(self, session: Session, stanza: Stanza, to: JID) -> Work:
        domain = self._domain
        if to.domain != domain.name:
            raise StanzaError("remote-server-not-found")
        if not to.local:
            if stanza.type == "error":
                return None
            raise StanzaError("service-unavailable")
        jid = to.bare
        recipient = domain.directory.get(jid)
        if recipient is None:
            if not domain.directory.is_absent(jid):
                return LATER if session.committing else self._message_later(session, stanza, to)
            if stanza.type == "error":
                return None
            raise StanzaError("service-unavailable")
        return self._message_to(session, stanza, to, recipient)

    async def _message_later(self, session: Session, stanza: Stanza, to: JID) -> None:
        """The recipient has to be looked up first."""
        recipient = await self._domain.directory.load(to.bare)
        if recipient is None:
            if stanza.type != "error":
                raise StanzaError("service-unavailable")
        elif self._message_to(session, stanza, to, recipient) is COMMITTING:
            session.pipelined()

    def _message_to(self, session: Session, stanza: Stanza, to: JID, recipient: Account) -> Work:
        domain = self._domain
        type = stanza.type
        logged = type in _LOGGED or type not in ("headline", "groupchat", "error")
        keep = domain.log.verdict(stanza) if logged else Keep.NOTHING
        if session.committing and keep is Keep.NOTHING:
            return LATER
        if type == "groupchat" and (not to.resource or to.resource not in recipient.sessions):
            raise StanzaError("service-unavailable")
        domain.hooks.message_sent(session, stanza, to)
        if not domain.hooks.stanza_in(session.jid, to, stanza):
            return None
        if keep is Keep.NOTHING:
            domain.deliver(Envelope(0, stanza.to_bytes(), stanza, to, session))
            return None
        domain.log.append(session, stanza, to, recipient, keep)
        return COMMITTING

    # -- iq -----------------------------------------------------------------------------------

    def _iq(self, session: Session, stanza: Stanza, to: JID | None) -> Work:
        domain = self._domain
        type = stanza.type
        if type not in ("get", "set", "result", "error") or not stanza.id:
            raise StanzaError("bad-request", "an iq has a type and an id")
        request = type in ("get", "set")
        if request and len(stanza.children) != 1:
            raise StanzaError("bad-request", "a request has one child")
        if to is not None and to.domain != domain.name:
            if request:
                raise StanzaError("remote-server-not-found")
            return None
        if to is not None and to.resource and to.local:
            self._iq_to_session(session, stanza, to)
            return None
        if not request:
            domain.hooks.iq_result(session, stanza)
            return None
        kind = "server" if to is not None and not to.local else "account"
        handler = domain.handlers.get((type, stanza.children[0], kind))
        if handler is None:
            raise StanzaError("service-unavailable")
        return domain.answer(session, stanza, to or session.account.address, handler)

    def _iq_to_session(self, session: Session, stanza: Stanza, to: JID) -> None:
        """RFC 6121 §8.5.3.2.3."""
        account = self._domain.directory.get(to.bare)
        target = account.sessions.get(to.resource) if account is not None else None
        try:
            if target is None:
                raise StanzaError("service-unavailable")
            if self._domain.hooks.stanza_in(session.jid, to, stanza):
                target.send(stanza)
        except StanzaError:
            if stanza.type in ("get", "set"):
                raise
