"""A stream until its resource is bound: header, STARTTLS, SASL, binding or resumption (RFC 6120 §4 to §7).

Afterwards it hands everything to its session.
"""

from __future__ import annotations

import binascii
import secrets
from base64 import b64decode, b64encode
from collections import deque
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, SubElement

from kith.core import sm
from kith.core.account import Account
from kith.core.ports import AccountRecord, Sink
from kith.core.sasl import MAX_STEP, Authentication, SASLError, Security, mechanisms
from kith.core.session import Session
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid, prepare_local, prepare_resource
from kith.wire.parser import StreamOpened
from kith.wire.serialize import escape_attribute, serialize
from kith.wire.stanza import LANG, Stanza

if TYPE_CHECKING:
    from kith.core.domain import Domain

_STREAM = ns.tag(ns.STREAMS, "stream")
_STARTTLS = ns.tag(ns.TLS, "starttls")
_AUTH = ns.tag(ns.SASL, "auth")
_RESPONSE = ns.tag(ns.SASL, "response")
_ABORT = ns.tag(ns.SASL, "abort")
_BIND = ns.tag(ns.BIND, "bind")
#: Attempts on one stream (RFC 6120 §6.4.5 asks for at least two).
MAX_ATTEMPTS = 4
#: Elements that may wait while one is answered.
_MAX_WAITING = 32


def stream_error(error: StreamError) -> bytes:
    """``<stream:error/>`` (RFC 6120 §4.9), for a context that binds the prefix."""
    text = ""
    if error.text:
        text = f"<text xmlns='{ns.STREAM_ERRORS}' xml:lang='en'>{escape_attribute(error.text)}</text>"
    return f"<stream:error><{error.condition} xmlns='{ns.STREAM_ERRORS}'/>{text}</stream:error>".encode()


class Stream:
    """One connection's conversation. The edge calls `opened`, `receive`, `closed` and `lost`.

    ``security`` says what the connection offers; the edge updates it after a TLS handshake.
    """

    __slots__ = (
        "_attempts",
        "_authentication",
        "_busy",
        "_domain",
        "_ended",
        "_header_sent",
        "_lang",
        "_waiting",
        "account",
        "security",
        "session",
        "sink",
        "starttls",
    )

    def __init__(self, domain: Domain, sink: Sink, security: Security, starttls: bool) -> None:
        self._domain = domain
        self.sink = sink
        self.security = security
        self.starttls = starttls
        self.account: Account | None = None
        self.session: Session | None = None
        self._authentication: Authentication | None = None
        self._attempts = 0
        self._busy = False
        self._waiting: deque[Stanza] | None = None
        self._header_sent = False
        self._lang = ""
        self._ended = False

    # -- from the edge -------------------------------------------------------------------------

    def opened(self, header: StreamOpened) -> None:
        """The peer's stream header. Raises StreamError."""
        if header.tag != _STREAM:
            raise StreamError("invalid-namespace" if header.tag.endswith("stream") else "bad-format")
        if header.default_namespace != ns.CLIENT:
            raise StreamError("invalid-namespace")
        self.begin(header.attrs)

    def begin(self, attrs: dict[str, str]) -> None:
        """Checks the header's attributes, answers with ours and the features. Raises StreamError."""
        self._send_header(attrs.get("from"))
        self._lang = attrs.get(LANG, "")
        to = attrs.get("to")
        if to is None:
            raise StreamError("improper-addressing")
        try:
            known = parse_jid(to) == self._domain.jid
        except ValueError:
            known = False
        if not known:
            raise StreamError("host-unknown")
        version = attrs.get("version", "0.9").partition(".")[0]
        if not (version.isascii() and version.isdecimal()) or version.strip("0") == "":
            raise StreamError("unsupported-version")
        self.sink.send([self._features_bytes()])

    def receive(self, stanza: Stanza) -> None:
        """A complete element. Raises StreamError."""
        session = self.session
        if session is not None:
            if not session.closed and session.sink is self.sink:
                session.receive(stanza)
            return
        if self._ended:
            return
        if self._busy:
            if self._waiting is None:
                self._waiting = deque()
            if len(self._waiting) >= _MAX_WAITING:
                raise StreamError("policy-violation", "too much before the stream was ready")
            self._waiting.append(stanza)
            return
        if self.account is None:
            self._negotiate(stanza)
        else:
            self._bind_or_resume(stanza)

    def closed(self) -> None:
        """The peer has closed its stream (RFC 6120 §4.4)."""
        session = self.session
        if session is not None and session.sink is self.sink:
            if session.idle:
                self._domain.end_stream(session)
            else:
                session.ending = True
        else:
            self.end()

    def lost(self) -> None:
        """The connection is gone."""
        self._ended = True
        session = self.session
        if session is not None and session.sink is self.sink:
            self._domain.connection_lost(session)

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error, after the header if none was sent yet (RFC 6120 §4.9.1.2)."""
        session = self.session
        if session is not None and session.sink is self.sink:
            self._domain.end_stream(session, error)
            return
        if not self._header_sent:
            self._send_header(None)
        self.end(stream_error(error))

    def end(self, error: bytes = b"") -> None:
        """Closes the connection of a stream without a session."""
        if not self._ended:
            self._ended = True
            self.sink.close(error)

    @property
    def authenticated(self) -> bool:
        return self.account is not None

    # -- header and features ---------------------------------------------------------------------

    def _send_header(self, peer: str | None) -> None:
        attrs = {"from": self._domain.name, "id": secrets.token_hex(10), "version": "1.0", "xml:lang": "en"}
        if peer is not None:
            attrs["to"] = peer
        self._header_sent = True
        self.sink.open(attrs)

    def _features_bytes(self) -> bytes:
        return b"<stream:features>%b</stream:features>" % b"".join(
            serialize(feature) for feature in self._features()
        )

    def _features(self) -> list[Element]:
        if self.account is not None:
            features = [Element(_BIND)]
            features.append(Element(ns.tag(ns.STREAM_MANAGEMENT, "sm")))
            session = Element(ns.tag(ns.SESSION, "session"))
            SubElement(session, ns.tag(ns.SESSION, "optional"))
            features.append(session)
            features.append(Element(ns.tag(ns.ROSTER_VERSIONING, "ver")))
            features.append(Element(ns.tag(ns.PRE_APPROVAL, "sub")))
            features += self._domain.hooks.stream_features()
            return features
        features = []
        names = mechanisms(self.security)
        if self.starttls and not self.security.encrypted:
            starttls = Element(_STARTTLS)
            if not names:
                SubElement(starttls, ns.tag(ns.TLS, "required"))
            features.append(starttls)
        if names:
            offer = Element(ns.tag(ns.SASL, "mechanisms"))
            for name in names:
                SubElement(offer, ns.tag(ns.SASL, "mechanism")).text = name
            features.append(offer)
            if self.security.bindings:
                bindings = Element(ns.tag(ns.SASL_CHANNEL_BINDING, "sasl-channel-binding"))
                for kind in self.security.bindings:
                    SubElement(bindings, ns.tag(ns.SASL_CHANNEL_BINDING, "channel-binding"), {"type": kind})
                features.append(bindings)
        return features

    # -- STARTTLS and SASL -------------------------------------------------------------------------

    def _negotiate(self, element: Stanza) -> None:
        if element.tag == _STARTTLS:
            if not self.starttls or self.security.encrypted:
                self.sink.send([f"<failure xmlns='{ns.TLS}'/>".encode()])
                self.end()
                return
            self.sink.send([f"<proceed xmlns='{ns.TLS}'/>".encode()])
            self._header_sent = False
            self.sink.start_tls()
        elif element.tag == _AUTH:
            self._begin_authentication(element)
        elif element.tag == _RESPONSE and self._authentication is not None:
            self._step(self._authentication, element)
        elif element.tag == _ABORT:
            self._authentication = None
            self._fail_authentication(SASLError("aborted"))
        elif element.tag == _RESPONSE:
            self._fail_authentication(SASLError("malformed-request"))
        else:
            raise StreamError("not-authorized")

    def _begin_authentication(self, element: Stanza) -> None:
        if not mechanisms(self.security):
            self._fail_authentication(SASLError("encryption-required"))
            return
        if self._domain.attempts.too_many(self.security.address, self._domain.now()):
            self._fail_authentication(SASLError("temporary-auth-failure", "too many failed logins"))
            return
        try:
            self._authentication = Authentication(
                element.attrs.get("mechanism", ""),
                self.security,
                self._lookup,
                self._domain.passwords.fits,
                self._domain.pepper,
            )
        except SASLError as error:
            self._fail_authentication(error)
            return
        if element.inner or self._authentication.mechanism != "PLAIN":
            if not element.inner:
                self.sink.send([f"<challenge xmlns='{ns.SASL}'/>".encode()])
                return
            self._step(self._authentication, element)
        else:
            self.sink.send([f"<challenge xmlns='{ns.SASL}'/>".encode()])

    async def _lookup(self, user: str) -> AccountRecord | None:
        try:
            local = prepare_local(user.partition("@")[0] if user.endswith(f"@{self._domain.name}") else user)
        except ValueError:
            return None
        return await self._domain.store.account(JID(local, self._domain.name).bare)

    def _step(self, authentication: Authentication, element: Stanza) -> None:
        text = (element.element.text or "").strip()
        try:
            if len(text) > MAX_STEP:
                raise SASLError("malformed-request")
            data = b"" if text == "=" else b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            self._fail_authentication(SASLError("incorrect-encoding"))
            return
        except SASLError as error:
            self._fail_authentication(error)
            return
        self._busy = True
        self._domain.spawn(self._authenticate(authentication, data))

    async def _authenticate(self, authentication: Authentication, data: bytes) -> None:
        try:
            challenge = await authentication.step(data)
            if challenge is not None:
                text = b64encode(challenge).decode()
                self.sink.send([f"<challenge xmlns='{ns.SASL}'>{text}</challenge>".encode()])
            else:
                await self._succeed(authentication)
        except SASLError as error:
            self._fail_authentication(error)
        except Exception as error:
            self._domain.log_error("authentication failed", error)
            self._fail_authentication(SASLError("temporary-auth-failure"))
        self._resume_waiting()

    async def _succeed(self, authentication: Authentication) -> None:
        record = authentication.account
        assert record is not None
        self._domain.directory.appeared(record.jid)
        account = await self._domain.account(record.jid)
        if account is None or self._ended:
            raise SASLError("not-authorized")
        self._authentication = None
        text = b64encode(authentication.final).decode()
        self.sink.restart()
        self.sink.send([f"<success xmlns='{ns.SASL}'>{text}</success>".encode()])
        self._header_sent = False
        self.account = account

    def _fail_authentication(self, error: SASLError) -> None:
        self._authentication = None
        self._attempts += 1
        if error.condition == "not-authorized":
            self._domain.attempts.failed(self.security.address, self._domain.now())
        text = f"<text xml:lang='en'>{escape_attribute(error.text)}</text>" if error.text else ""
        self.sink.send([f"<failure xmlns='{ns.SASL}'><{error.condition}/>{text}</failure>".encode()])
        if self._attempts >= MAX_ATTEMPTS:
            self.end(stream_error(StreamError("policy-violation", "too many failed logins")))

    def _resume_waiting(self) -> None:
        self._busy = False
        waiting, self._waiting = self._waiting, None
        try:
            for stanza in waiting or ():
                self.receive(stanza)
        except StreamError as error:
            self.fail(error)

    # -- binding and resumption ----------------------------------------------------------------------

    def _bind_or_resume(self, element: Stanza) -> None:
        if element.tag == sm.RESUME:
            self._busy = True
            self._domain.spawn(self._resume(element))
            return
        if element.tag in (sm.ENABLE, sm.ASK, sm.ACK):
            self.sink.send([sm.failed("unexpected-request")])
            return
        if element.kind != "iq" or element.type != "set" or element.children != [_BIND]:
            raise StreamError("not-authorized", "bind a resource first")
        try:
            self._bind(element)
        except StanzaError as error:
            answer = element.error(error)
            if answer is not None:
                self.sink.send([answer.to_bytes()])

    def _bind(self, iq: Stanza) -> None:
        """RFC 6120 §7."""
        account = self.account
        assert account is not None
        request = iq.child(_BIND)
        wanted = request.findtext(ns.tag(ns.BIND, "resource")) if request is not None else None
        try:
            resource = prepare_resource(wanted) if wanted else secrets.token_urlsafe(9)
        except ValueError:
            raise StanzaError("bad-request", "not a resource") from None
        if resource not in account.sessions and len(account.sessions) >= self._domain.config.max_sessions:
            raise StanzaError("resource-constraint", "too many sessions")
        jid = account.address.with_resource(resource)
        session = Session(self._domain, account, jid, self.sink, self._lang)
        self._domain.open_session(session)
        self.session = session
        bind = Element(_BIND)
        SubElement(bind, ns.tag(ns.BIND, "jid")).text = session.full
        reply = iq.reply(bind)
        reply.attrs.pop("from", None)
        reply.attrs.pop("to", None)
        session.send(reply)

    async def _resume(self, element: Stanza) -> None:
        """XEP-0198 §5."""
        account = self.account
        assert account is not None
        session = await self._domain.resumption.find(account, element.attrs.get("previd", ""))
        if session is None or self._ended:
            if session is not None:
                self._domain.connection_lost(session)
            else:
                self.sink.send([sm.failed("item-not-found")])
            self._resume_waiting()
            return
        manage = session.sm
        assert manage is not None
        session.sink = self.sink
        self.session = session
        token = escape_attribute(manage.token)
        self.sink.send(
            [f"<resumed xmlns='{ns.STREAM_MANAGEMENT}' previd='{token}' h='{session.handled}'/>".encode()]
        )
        try:
            session.acknowledge(element.attrs.get("h", ""))
        except StreamError as error:
            self._busy = False
            self.fail(error)
            return
        manage.asked = False
        if manage.queue:
            session.out = [data for data, _ in manage.queue]
            session.flush()
        self._resume_waiting()
