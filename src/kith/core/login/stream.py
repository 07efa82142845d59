"""The stream of a client: header, STARTTLS, SASL, and binding or resumption (RFC 6120 §4 to §7).

Once the stream has a session, everything it receives goes to the session.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

from kith.core.actors.account import Account, Session
from kith.core.actors.refused import stream_refused
from kith.core.actors.visitor import Visitor
from kith.core.login import binding
from kith.core.login.entrance import Entrance
from kith.core.login.profile import SASL, Profile
from kith.core.login.sasl import HASHES, SASLError, mechanisms
from kith.core.login.sasl2 import SASL2, named_account
from kith.core.sessions.bans import stream_error
from kith.core.sessions.handover import can_be_saved
from kith.ports.connection import Liveness, Security, Sink
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import parse_jid
from kith.wire.parser import StreamOpened
from kith.wire.stanza import LANG, Stanza

_STREAM = ns.tag(ns.STREAMS, "stream")
_STARTTLS = ns.tag(ns.TLS, "starttls")
_BIND = ns.tag(ns.BIND, "bind")
#: How many elements may be queued while another one is being handled.
_MAX_WAITING = 32


class Stream(Visitor):
    """The stream of one connection. The edge calls `opened`, `receive`, `closed` and `lost`.

    ``security``: TLS and channel binding of the connection; the edge updates it after a TLS handshake.
    """

    __slots__ = (
        "_busy",
        "_closing",
        "_header_sent",
        "_profile",
        "_profiles",
        "_waiting",
        "entrance",
        "requests",
    )

    def __init__(self, entrance: Entrance, sink: Sink, security: Security, starttls: bool) -> None:
        super().__init__(sink, security, starttls, entrance.hashes)
        self.entrance = entrance
        self._profiles: tuple[Profile, ...] = (SASL(entrance, self), SASL2(entrance, self))
        self._profile: Profile | None = self._profiles[0]
        self.requests = 0  # iq requests before the login
        self._busy = False
        self._closing = False  # whether the peer has closed its stream while an element was being handled
        self._waiting: deque[Stanza] | None = None
        self._header_sent = False

    # -- from the edge -------------------------------------------------------------------------

    def opened(self, header: StreamOpened) -> None:
        """Handles the stream header of the client. Raises StreamError."""
        if header.tag != _STREAM:
            raise StreamError("invalid-namespace" if header.tag.endswith("stream") else "bad-format")
        if header.default_namespace != ns.CLIENT:
            raise StreamError("invalid-namespace")
        self.begin(header.attrs)

    def begin(self, attrs: dict[str, str]) -> None:
        """Checks the attributes of the header, and sends our header and the features. Raises StreamError."""
        self._send_header(attrs.get("from"))
        self.lang = attrs.get(LANG, "")
        to = attrs.get("to")
        if to is None:
            raise StreamError("improper-addressing")
        try:
            known = parse_jid(to) == self.entrance.domain.jid
        except ValueError:
            known = False
        if not known:
            raise StreamError("host-unknown")
        version = attrs.get("version", "0.9").partition(".")[0]
        if not (version.isascii() and version.isdecimal()) or version.strip("0") == "":
            raise StreamError("unsupported-version")
        if self._busy:
            raise StreamError("not-authorized", "authentication is under way")
        if (ban := self.entrance.bans.of_address(self.security.address)) is not None:
            raise stream_error(ban)
        self.claimed = named_account(self.entrance.domain, attrs.get("from"))
        if self.claimed and self.account is None and mechanisms(self.security):
            self.work(self._offer())
        else:
            self.sink.send([self.entrance.offers.of(self)])

    def receive(self, stanza: Stanza) -> None:
        """Handles a complete element. Raises StreamError."""
        session = self.session
        if session is not None:
            if not session.closed and session.sink is self.sink:
                session.receive(stanza)
            return
        if self.ended:
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
            binding.negotiate(self.entrance, self, self.account, stanza)

    def closed(self) -> None:
        """Handles the end of the client's stream (RFC 6120 §4.4), after everything it has sent before."""
        if self._busy:
            self._closing = True
            return
        session = self.session
        if session is not None and session.sink is self.sink:
            if session.idle:
                self.entrance.sessions.end(session)
            else:
                session.ending = True
        else:
            self.end()

    def lost(self) -> None:
        """Handles the loss of the connection."""
        self.ended = True
        if self._profiles:
            self.login_over()
        session = self.session
        if session is not None and session.sink is self.sink:
            self.entrance.sessions.lost(session)

    def fail(self, error: StreamError) -> None:
        """Ends the stream with an error, and sends our header first if it was not sent yet (RFC 6120
        §4.9.1.2).
        """
        session = self.session
        if session is not None and session.sink is self.sink:
            self.entrance.sessions.end(session, error)
            return
        if not self._header_sent:
            self._send_header(None)
        self.end(stream_refused(self.entrance.figures, error, self.security.address))

    def end(self, error: bytes = b"") -> None:
        """Closes the connection of a stream without a session."""
        if not self.ended:
            self.ended = True
            self.sink.close(error)

    @property
    def authenticated(self) -> bool:
        return self.account is not None

    def liveness(self) -> Liveness | None:
        """Signs of life from the client (`kith.ports.connection.Stream`); None before the login."""
        if self.account is None:
            return None
        session = self.session
        if session is None:
            return Liveness()
        return Liveness(session.sm is not None and session.sm.resumable, session.resting)

    def send_ping(self) -> None:
        """Sends the client a ping, if there is a session."""
        if self.session is not None:
            self.session.send_ping()

    def say_goodbye(self) -> bool:
        """Does nothing, since a client repeats what was not acknowledged."""
        return False

    def shut_down(self) -> None:
        """Ends the stream because the server stops (RFC 6120 §4.9.3.21).

        Sessions can be resumed after the start.
        """
        session = self.session
        if session is not None and can_be_saved(session):
            session.confirm()
            self.sink.close_for_restart()
        else:
            self.fail(StreamError("system-shutdown"))

    # -- header and features ---------------------------------------------------------------------

    def _send_header(self, peer: str | None) -> None:
        attrs = {
            "from": self.entrance.domain.name,
            "id": self.entrance.randomness.hex(10),
            "version": "1.0",
            "xml:lang": "en",
        }
        if peer is not None:
            attrs["to"] = peer
        self._header_sent = True
        self.sink.open(attrs)

    async def _offer(self) -> None:
        """Sends the features, with the SCRAM hashes of the account that the header names (XEP-0388 §2.1).

        For an account that does not exist the answer is that of a new account, and takes as long.
        """
        record = await self.entrance.read(self, self.claimed)
        if self.entrance.hashes:
            self.hashes = tuple((record and record.keys) or HASHES.values())
        if not self.ended:
            self.sink.send([self.entrance.offers.of(self)])

    def login_over(self) -> None:
        """Frees the memory used for the login."""
        self._profiles, self._profile, self.read = (), None, None
        self.entrance.hooks.login_over(self)

    # -- before the session ----------------------------------------------------------------------

    def _negotiate(self, element: Stanza) -> None:
        profile = self._profile
        if (
            profile is not None
            and profile.under_way
            and not element.tag.startswith(f"{{{profile.namespace}}}")
        ):
            raise StreamError("not-authorized", "authentication is under way")
        if element.tag == _STARTTLS:
            self._start_tls()
            return
        for profile in self._profiles:
            if element.tag.startswith(f"{{{profile.namespace}}}"):
                self._profile = profile
            try:
                if profile.receive(element):
                    return
            except SASLError as error:
                profile.fail(error)
                return
        if element.kind != "iq" or element.type not in ("get", "set") or not mechanisms(self.security):
            raise StreamError("not-authorized")
        self.work(self._answer(element))

    async def _answer(self, iq: Stanza) -> None:
        """Answers an iq request before the login (XEP-0077)."""
        self.requests += 1
        if self.requests > _MAX_WAITING:
            raise StreamError("policy-violation", "log in")
        answer: Stanza | None
        try:
            answer = iq.reply(*await self.entrance.hooks.before_login(self, iq))
        except StanzaError as error:
            answer = iq.error(error)
        if answer is not None and not self.ended:
            answer.attrs["from"] = self.entrance.domain.name
            self.sink.send([answer.to_bytes()])

    def _start_tls(self) -> None:
        if not self.starttls or self.security.encrypted:
            self.sink.send([f"<failure xmlns='{ns.TLS}'/>".encode()])
            self.end()
            return
        self.sink.send([f"<proceed xmlns='{ns.TLS}'/>".encode()])
        self._header_sent = False
        self.sink.start_tls()

    def work(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs asynchronous work. Elements that arrive meanwhile are queued."""
        self._busy = True
        self.entrance.tasks.spawn(self._work(work))

    async def _work(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except SASLError as error:
            if self._profile is not None and (delay := self._profile.delay(error)):
                await asyncio.sleep(delay)
            self._login_failed(error)
        except StreamError as error:
            self._busy = False
            self.fail(error)
            return
        except Exception as error:
            self.entrance.tasks.failed("login failed", error)
            self._login_failed(SASLError("temporary-auth-failure"))
        self._go_on()

    def _login_failed(self, error: SASLError) -> None:
        if self._profile is not None:
            self._profile.fail(error)

    def restart(self, account: Account) -> None:
        """Continues after the login: the client sends a new header (RFC 6120 §6.4.6)."""
        self.account = account
        if not self._closing:
            self._header_sent = False
            self.sink.restart()

    def authenticated_inline(
        self, account: Account, session: Session | None, success: bytes, resumed: bool
    ) -> None:
        """Continues after the login without a new header: sends the features, unless a session was
        resumed.
        """
        self.account = account
        self.session = session
        self.sink.send([success] if resumed else [success, self.entrance.offers.of(self)])
        if session is not None:
            session.release()
            session.flush()

    def refuse(self, error: StreamError) -> None:
        """Ends a stream before the login."""
        self.end(stream_refused(self.entrance.figures, error, self.security.address))

    def _go_on(self) -> None:
        self._busy = False
        if self.session is not None and self._profiles:  # frees the memory used for the login
            self.login_over()
        waiting, self._waiting = self._waiting, None
        try:
            for stanza in waiting or ():
                self.receive(stanza)
        except StreamError as error:
            self.fail(error)
        if self._closing and not self._busy:
            self.closed()
