"""After authentication: a resource is bound (RFC 6120 §7), or a session resumed (XEP-0198 §5)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from kith.core import sm
from kith.core.account import Account
from kith.core.login.step import Step
from kith.core.session import Session
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import prepare_resource
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.stream import Stream

_BIND = ns.tag(ns.BIND, "bind")


class Binding(Step):
    """The last step; whatever else comes now ends the stream."""

    __slots__ = ("_account",)

    def __init__(self, stream: Stream, account: Account) -> None:
        super().__init__(stream)
        self._account = account

    def features(self) -> Sequence[Element]:
        session = Element(ns.tag(ns.SESSION, "session"))
        SubElement(session, ns.tag(ns.SESSION, "optional"))
        return (Element(_BIND), session)

    def take(self, element: Stanza) -> bool:
        if element.tag == sm.RESUME:
            self.stream.work(self._resume(element))
        elif element.tag in (sm.ENABLE, sm.ASK, sm.ACK):
            self.stream.send(serialize(sm.failed("unexpected-request")))
        elif element.kind != "iq" or element.type != "set" or element.children != [_BIND]:
            raise StreamError("not-authorized", "bind a resource first")
        else:
            self._bind(element)
        return True

    def _bind(self, iq: Stanza) -> None:
        try:
            session = open_session(self.stream, self._account, _wanted(iq))
        except StanzaError as error:
            answer = iq.error(error)
            assert answer is not None  # it is of type set
            self.stream.send(answer.to_bytes())
            return
        self.stream.ready(session)
        bind = Element(_BIND)
        SubElement(bind, ns.tag(ns.BIND, "jid")).text = session.full
        reply = iq.reply(bind)
        reply.attrs.pop("from", None)
        reply.attrs.pop("to", None)
        session.send(reply)

    async def _resume(self, element: Stanza) -> None:
        session = await resumable(self.stream, self._account, element.attrs.get("previd", ""))
        if session is None:
            self.stream.send(serialize(sm.failed("item-not-found")))
            return
        assert session.sm is not None
        self.stream.ready(session)
        answer = serialize(sm.resumed(session.sm.token, session.handled))
        session.resume(self.stream.sink, [answer], element.attrs.get("h", ""))


def _wanted(iq: Stanza) -> str:
    """The resource to bind: the client's wish, or one made up. Raises StanzaError."""
    request = iq.child(_BIND)
    wanted = request.findtext(ns.tag(ns.BIND, "resource")) if request is not None else None
    try:
        return prepare_resource(wanted) if wanted else secrets.token_urlsafe(9)
    except ValueError:
        raise StanzaError("bad-request", "not a resource") from None


def open_session(stream: Stream, account: Account, resource: str) -> Session:
    """A new session. Raises StanzaError (RFC 6120 §7.6.2.1) if the account has too many."""
    domain = stream.domain
    if resource not in account.sessions and len(account.sessions) >= domain.config.max_sessions:
        raise StanzaError("resource-constraint", "too many sessions")
    session = Session(domain, account, account.address.with_resource(resource), stream.sink, stream.lang)
    domain.open_session(session)
    return session


async def resumable(stream: Stream, account: Account, token: str) -> Session | None:
    """The account's session of that token, free for this stream; None if there is none, or no stream."""
    session = await stream.domain.resumption.find(account, token)
    if session is not None and stream.ended:
        stream.domain.connection_lost(session)
        return None
    return session
