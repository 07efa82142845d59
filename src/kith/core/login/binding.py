"""Gives a stream a session: binds a resource (RFC 6120 §7, XEP-0386), or resumes a session (XEP-0198)."""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from xml.etree.ElementTree import Element, SubElement

from kith.core.actors import sm
from kith.core.actors.account import Account, Session
from kith.core.actors.visitor import Visitor
from kith.core.login.entrance import Entrance
from kith.core.sessions.bans import stream_error
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import prepare_resource
from kith.wire.stanza import Stanza

_BIND = ns.tag(ns.BIND, "bind")
#: QXmpp up to 1.5 (Kaidan 0.8) sends ``<resume/>`` in the namespace of stanzas. It binds a resource when it
#: learns that the session can't be resumed; after a stream error it never comes back.
_RESUME = (sm.RESUME, ns.tag(ns.CLIENT, "resume"))
#: The clients of one app password may have this fraction of the sessions that an account may have.
_APP_SHARE = 4


def negotiate(entrance: Entrance, stream: Visitor, account: Account, element: Stanza) -> None:
    """Handles an element that a client sends after its login and before it has a session.

    Raises StreamError.
    """
    if element.tag in _RESUME:
        stream.work(_resume(entrance, stream, account, element))
    elif element.tag in (sm.ENABLE, sm.ASK, sm.ACK):
        stream.sink.send([sm.failed("unexpected-request")])
    elif element.kind != "iq" or element.type != "set" or element.children != [_BIND]:
        raise StreamError("not-authorized", "bind a resource first")
    else:
        try:
            _bind(entrance, stream, account, element)
        except StanzaError as error:
            answer = element.error(error)
            assert answer is not None  # always, as the request is of type set
            stream.sink.send([answer.to_bytes()])


def _bind(entrance: Entrance, stream: Visitor, account: Account, iq: Stanza) -> None:
    """Handles a request to bind a resource (RFC 6120 §7)."""
    request = iq.child(_BIND)
    wanted = request.findtext(ns.tag(ns.BIND, "resource")) if request is not None else None
    session = stream.session = bind(entrance, stream, account, wanted_resource(entrance, wanted))
    stream.login_over()
    answer = Element(_BIND)
    SubElement(answer, ns.tag(ns.BIND, "jid")).text = session.full
    reply = iq.reply(answer)
    reply.attrs.pop("from", None)
    reply.attrs.pop("to", None)
    session.send(reply)


async def _resume(entrance: Entrance, stream: Visitor, account: Account, element: Stanza) -> None:
    """Handles ``<resume/>`` (XEP-0198 §5)."""
    try:
        answer = await resume(
            entrance, stream, account, element.attrs.get("previd", ""), element.attrs.get("h", "")
        )
    except StanzaError as error:
        answer = sm.failed(error.condition)
    if not stream.ended:
        stream.sink.send([answer])
    if stream.session is not None:
        stream.session.flush()


def wanted_resource(entrance: Entrance, text: str | None) -> str:
    """The resource a client asks for, prepared; a random one if it asks for none. Raises StanzaError."""
    try:
        return prepare_resource(text) if text else entrance.randomness.token(9)
    except ValueError:
        raise StanzaError("bad-request", "not a resource") from None


def lasting_resource(entrance: Entrance, account: int, device: str, tag: str) -> str:
    """A resource that is the same at each login of a device (XEP-0386 §2.2.1), and does not disclose its
    id.
    """
    if not device:
        end = entrance.randomness.token(9)
    else:
        label = b"\0".join((b"resource", str(account).encode(), device.encode(), tag.encode()))
        end = urlsafe_b64encode(hmac.digest(entrance.pepper, label, "sha256")[:9]).decode()
    try:
        return prepare_resource(f"{tag}/{end}") if tag else end
    except ValueError:
        return end


def bind(
    entrance: Entrance,
    stream: Visitor,
    account: Account,
    resource: str,
    device: str = "",
    holding: bool = False,
) -> Session:
    """Opens a session. Raises StanzaError if the account has too many sessions.

    Raises StreamError if this node no longer has the account. ``holding``: stanzas for the session are held
    until the client knows that it is bound.
    """
    if entrance.accounts.get(account.jid) is not account:  # it was dropped since the login
        raise StreamError("reset", "another node has the account now, or log in again")
    if (ban := entrance.ban(stream, account)) is not None:  # since the login
        raise stream_error(ban)
    device = device or stream.device
    own = [other for other in account.sessions.values() if other.credential == stream.credential]
    most = entrance.config.max_sessions
    if stream.credential:  # clients of an app password neither block nor end other sessions
        most = max(1, most // _APP_SHARE)
        there = account.sessions.get(resource)
        if there is not None and there.credential != stream.credential:
            resource = entrance.randomness.token(9)
    if resource not in account.sessions and len(own) >= most:
        raise StanzaError("resource-constraint", "too many sessions")
    if entrance.is_void(stream, account, device):
        raise StanzaError("not-authorized", "the device was revoked, or the password changed")
    session = Session(
        entrance.sessions, account, account.address.with_resource(resource), stream.sink, stream.lang
    )
    session.device = device
    session.address = stream.security.address
    session.credential = stream.credential
    if holding:
        session.hold()
    entrance.sessions.open(session)
    return session


async def resume(
    entrance: Entrance, stream: Visitor, account: Account, previous: str, h: str, device: str = ""
) -> bytes:
    """Resumes a session (XEP-0198 §5). Returns ``<resumed/>``. Raises StanzaError, for ``<failed/>``.

    The stanzas that the client has not acknowledged are in the ``out`` of the session. Raises StreamError if
    the account or the network was banned since the login.
    """
    device = device or stream.device
    if entrance.is_void(stream, account, device):
        raise StanzaError("item-not-found")
    session = await entrance.sessions.resume(account, previous, h)
    ban = entrance.ban(stream, account)
    if stream.ended or ban is not None or entrance.is_void(stream, account, device):
        entrance.sessions.lost(session)
        if ban is not None:
            raise stream_error(ban)
        raise StanzaError("item-not-found")
    manage = session.sm
    assert manage is not None
    session.sink = stream.sink
    session.device = device or session.device
    session.address = stream.security.address
    session.credential = stream.credential
    stream.session = session
    session.acknowledge(h)
    manage.asked = False
    session.out = [data for data, _ in manage.queue]
    entrance.sessions.resumed(session)
    return sm.resumed(manage.token, session.handled)
