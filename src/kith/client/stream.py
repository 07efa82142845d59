"""The XML stream: slixmpp's client, strict about TLS and passwords. It does not reconnect by itself."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from asyncio import Future
from base64 import b64decode
from collections.abc import Callable
from typing import Any, cast
from xml.etree.ElementTree import ParseError

from slixmpp import JID, ClientXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.stanza import Iq, Presence
from slixmpp.stanza import Message as SlixMessage
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from kith.client import sendable, stanzas
from kith.client.certificate import Pin
from kith.client.credential import FAST, SASL2, Credential
from kith.client.errors import CertificateInvalid, ClientError, LoginFailed
from kith.client.proxy import Proxy
from kith.client.stream_management import StreamManagement
from kith.client.this_device import this_device

_PLUGINS = (
    *("xep_0004", "xep_0030", "xep_0059", "xep_0060", "xep_0115", "xep_0163", StreamManagement.name),
    *("xep_0199", "xep_0203", "xep_0280", "xep_0297", "xep_0334"),
)
_SCRAM = {f"SCRAM-SHA-{size}{plus}" for size in ("1", "256", "512") for plus in ("", "-PLUS")}

for _name in ("slixmpp", "slixmpp_omemo", "omemo"):  # silent unless the program configures logging
    logging.getLogger(_name).addHandler(logging.NullHandler())


class Stream(ClientXMPP):  # type: ignore[misc, unused-ignore]
    """The stream of one account. `kith.client.connection.Connection` connects it.

    ``failure``: the error that ended the last attempt, if it was more than a lost connection. ``ended_by``:
    the condition of the stream error that ended the last connection, if there was one (RFC 6120 §4.9.3).
    ``max_bytes``: the largest stanza that the server accepts. ``credential``: logs in without a password.

    Callbacks: ``on_closed(reason)`` when an attempt or a connection has ended; ``on_message(stanza)`` for
    each message stanza; ``on_limit(bytes)`` when the server announces its largest stanza (XEP-0478);
    ``on_token_renewed(credential)`` when the server replaces the token, before anything else happens.
    """

    def __init__(
        self,
        jid: str,
        password: str,
        pin: Pin,
        insecure: bool,
        resource: str,
        credential: Credential | None = None,
    ) -> None:
        scram_in_clear = {"unencrypted_scram": insecure}
        super().__init__(f"{jid}/{resource}", password, plugin_config={"feature_mechanisms": scram_in_clear})
        self.failure: ClientError | None = None
        self.on_closed: Callable[[str], None] = lambda reason: None
        self.on_message: Callable[[Any], None] = lambda stanza: None
        self.ended_by: str | None = None
        self.max_bytes = sendable.USUAL_BYTES
        self.on_limit: Callable[[int], None] = lambda limit: None
        self.credential = credential
        self.on_token_renewed: Callable[[Credential], None] = lambda credential: None
        self.timeout = 30.0
        """How long the server may take to answer a request, in seconds."""
        self.heard = 0.0
        """When something last came from the server (`time.monotonic`)."""
        self.proxy: Proxy | None = None
        """Through what to connect, if not directly."""
        self._pin = pin
        self._insecure = insecure
        self._refusal: ssl.SSLError | None = None
        self.attempt = 0
        """Counts the attempts to connect, so that each connection has a number."""
        for name in _PLUGINS:
            self.register_plugin(name)
        for feature in stanzas.FEATURES:
            self.plugin["xep_0030"].add_feature(feature)
        self.plugin["xep_0030"].add_identity(category="client", itype="console", name="Kith")
        self.plugin["feature_mechanisms"].unencrypted_scram = insecure
        self.auto_authorize = None
        self.auto_subscribe = False
        self.whitespace_keepalive = False
        self.use_origin_ids = False
        self.register_handler(
            Callback(
                "Kith message", MatchXPath("{jabber:client}message"), lambda stanza: self.on_message(stanza)
            )
        )
        for name in ("success", "failure"):
            self.register_handler(
                Callback(f"SASL2 {name}", MatchXPath(f"{{{SASL2}}}{name}"), self._on_token_answer)
            )
        self.add_event_handler("stream_error", self._on_stream_error)
        self.add_event_handler("session_end", self._drop_queued_stanzas)
        self.add_event_handler("failed_auth", self._on_refused_login)
        self.add_event_handler("no_auth", self._on_no_mechanism)
        self.add_event_handler("ssl_invalid_chain", self._on_bad_certificate)
        self.add_event_handler("connection_failed", self._on_connection_failed)
        self.add_event_handler(
            "disconnected", lambda reason: self.on_closed(str(reason or "connection lost"))
        )

    @property
    def sm(self) -> StreamManagement:
        """Stream management (XEP-0198): what the server has acknowledged."""
        plugin: StreamManagement = cast("dict[str, Any]", self.plugin)[StreamManagement.name]
        return plugin

    def data_received(self, data: bytes | str) -> None:
        """Handles what the server has sent, up to the last byte.

        Since 2.6.0, expat may keep an unfinished tag back until more has come, and with it the end of a
        stanza that no other one follows.
        """
        self.heard = time.monotonic()
        super().data_received(data)
        if self.parser is not None and hasattr(self.parser, "flush"):
            with contextlib.suppress(ParseError):  # reported below, since the parser fails again
                self.parser.flush()
            super().data_received(b"")

    def send(self, data: Any, use_filters: bool = True) -> None:
        """Sends a stanza.

        Raises TooLarge or BadCharacters if the server would end the stream because of it.
        """
        if use_filters and isinstance(data, (SlixMessage, Presence, Iq)):
            sendable.check(str(data), self.max_bytes)
        super().send(data, use_filters)

    def _on_stream_error(self, error: Any) -> None:
        self.ended_by = str(error["condition"] or "undefined-condition")
        if sendable.blames_a_stanza(self.ended_by):
            self.end_session()

    def silent_for(self, seconds: float) -> bool:
        """Whether nothing has come from the server for so long.

        An answer may be late because very much was sent before it, which says nothing against the connection.
        """
        return time.monotonic() - self.heard >= seconds

    def end_session(self) -> None:
        """Ends the session: the next connection starts a new one, and repeats nothing of this one."""
        self.end_session_on_disconnect = True
        self.event("session_end")

    def _drop_queued_stanzas(self, _: Any) -> None:
        """slixmpp would send queued stanzas of the old session at the start of the next one, uncounted."""
        self._XMLStream__queued_stanzas: list[Any] = []

    def dial(self, host: str | None, port: int | None, direct: bool) -> None:
        """Starts one attempt to connect. Either slixmpp's session events follow, or `on_closed` is called.

        ``host`` and ``port``: None means to ask DNS. ``direct``: TLS from the first byte.
        """
        self.failure = None
        self.ended_by = None
        self._refusal = None
        self.attempt += 1
        self.end_session_on_disconnect = self.sm.sm_id is None
        self.enable_plaintext = self._insecure
        self.enable_starttls = not self._insecure and not (host and direct)
        self.enable_direct_tls = not self._insecure and (not host or direct)
        self.ssl_context = self._pin.context()
        # Unless an authority vouches for the certificate, only mechanisms that hide the password are used.
        self.plugin["feature_mechanisms"].use_mechs = None if self._pin.by_authority else set(_SCRAM)
        self.plugin["feature_mechanisms"].attempted_mechs = set()
        self.authenticated = False
        if self.proxy is not None and host is None:
            host, port = self.requested_jid.domain, 5222  # the proxy resolves names, and knows no SRV records
            self.enable_direct_tls = False
        self.connect(host, port)

    async def _attempt_connection(self, host: str, port: int, tls: bool, server_hostname: str | None) -> bool:
        if self.proxy is None:
            return bool(await super()._attempt_connection(host, port, tls, server_hostname))
        self.event_when_connected = "connected"
        context = self.ssl_context if tls else None
        try:
            socket = await self.proxy.connect(host, port)
            await asyncio.get_running_loop().create_connection(
                lambda: self, sock=socket, ssl=context, server_hostname=server_hostname
            )
        except OSError as error:
            self.event("connection_failed", error)
            return False
        return True

    @property
    def certificate_pending(self) -> bool:
        """Whether the attempt failed at a self-signed certificate that the next attempt will pin."""
        refusal, self._refusal = self._refusal, None
        if refusal is None:
            return False
        self.failure = self._pin.refused(refusal)
        return self.failure is None

    def get_ssl_context(self) -> ssl.SSLContext:
        return self.ssl_context

    async def start_tls(self) -> bool:
        done: bool = await super().start_tls()
        if not done:
            self.abort()
        return done

    def abort(self) -> None:
        super().abort()
        # slixmpp does not report the end of a connection that ends during the handshake.
        asyncio.get_running_loop().call_later(0.1, self._report_lost, self.attempt)

    def _report_lost(self, attempt: int) -> None:
        if attempt == self.attempt and self.transport is not None:
            self.connection_lost(None)

    def connection_made(self, transport: Any, send_event: bool = True) -> None:
        tls = transport.get_extra_info("ssl_object")
        if tls is not None:
            try:
                self._pin.check(tls.getpeercert(True) or b"")
            except ClientError as error:
                self.failure = error
                self.transport = transport
                self.abort()
                return
        super().connection_made(transport, send_event)

    async def _handle_stream_features(self, features: Any) -> bool | None:
        encrypted = self.transport is not None and self.transport.get_extra_info("ssl_object") is not None
        if not encrypted and not self._insecure and "starttls" not in features["features"]:
            self.failure = CertificateInvalid(
                "The server offers no encryption (TLS). Nothing was sent to it."
            )
            self.abort()
            return True
        if self.credential is not None and not self.authenticated and (encrypted or self._insecure):
            return self._log_in_with_token(features.xml)
        limit = features.xml.findtext(f"{{{stanzas.LIMITS}}}limits/{{{stanzas.LIMITS}}}max-bytes") or ""
        if limit.isascii() and limit.isdecimal() and len(limit) < 12:
            self.max_bytes = max(int(limit), sendable.LEAST_BYTES)
            self.on_limit(self.max_bytes)
        done: bool | None = await super()._handle_stream_features(features)
        return done

    def _certificate(self) -> bytes:
        """The server's certificate in DER; empty without TLS."""
        tls = self.transport.get_extra_info("ssl_object") if self.transport is not None else None
        return tls.getpeercert(True) or b"" if tls is not None else b""

    def _log_in_with_token(self, features: Any) -> bool:
        """Logs in with this device's token (XEP-0388, XEP-0484). The server then sends features once more."""
        assert self.credential is not None
        offered = {element.text for element in features.iter(f"{{{FAST}}}mechanism")}
        if self.credential.mechanism not in offered:
            self.failure = LoginFailed(
                "The server does not offer the mechanism that this device logs in with."
            )
            self.abort()
            return True
        self.send_raw(self.credential.request(self._certificate(), str(this_device()["name"])))
        return True

    def _on_token_answer(self, answer: Any) -> None:
        credential = self.credential
        if credential is None or self.authenticated:
            return
        xml = answer.xml
        if xml.tag.endswith("}failure"):
            condition = xml[0].tag.partition("}")[2] if len(xml) else ""
            if condition == "temporary-auth-failure":
                self.abort()
                return
            if condition == "account-disabled":
                self.failure = _disabled(credential.address, xml.findtext(f"{{{SASL2}}}text") or "")
                self.abort()
                return
            self.failure = LoginFailed(
                f"{credential.address}: this device is not logged in any more. Log in again with: kith login"
            )
            self.abort()
            return
        proof = b64decode(xml.findtext(f"{{{SASL2}}}additional-data") or "")
        if not credential.is_proof(proof, self._certificate()):
            self.failure = LoginFailed("This is not the server that this device logged in to before.")
            self.abort()
            return
        token = xml.find(f"{{{FAST}}}token")
        if token is not None:
            self.credential = credential.with_token(token.get("token"))
            self.on_token_renewed(self.credential)
        self.authenticated = True
        self.features.add("mechanisms")

    def reschedule_connection_attempt(self) -> Future[Any] | None:
        self.cancel_connection_attempt()
        asyncio.get_running_loop().call_soon(self.on_closed, self._reason)
        return None

    _reason = "the server does not answer"

    def _on_connection_failed(self, error: Any) -> None:
        if isinstance(error, ssl.SSLError):
            self._refusal = error
        text = getattr(error, "strerror", None) or str(error)
        self._reason = text if len(text) < 200 else "the server does not answer"

    def _on_bad_certificate(self, error: ssl.SSLError) -> None:
        self._refusal = error
        self.abort()

    def _on_refused_login(self, failure: Any) -> None:
        text = failure["text"] or ""
        if failure["condition"] == "account-disabled":
            self.failure = _disabled(self.requested_jid.bare, text)
            self.plugin["feature_mechanisms"].mech_list = set()
        elif failure["condition"] in ("not-authorized", "credentials-expired"):
            self.failure = LoginFailed(
                f"{self.requested_jid.bare}: the server does not accept this address and password."
                + (f" ({text})" if text else "")
            )
            self.plugin["feature_mechanisms"].mech_list = set()  # a weaker mechanism would not help
        elif failure["condition"] != "temporary-auth-failure":
            self.failure = LoginFailed(f"The server refused the login: {text or failure['condition']}")

    def _on_no_mechanism(self, _: Any) -> None:
        if self.failure is None:
            self.failure = LoginFailed("The server offers no safe way to log in that this client knows.")

    @property
    def acknowledged(self) -> bool:
        """Whether the server acknowledges stanzas (XEP-0198)."""
        return self.sm.counting

    def unacknowledged(self) -> set[str]:
        """The ids of the stanzas that the stream will repeat when it is resumed."""
        return {str(stanza["id"]) for _, stanza in self.sm.unacked_queue}

    def request_ack(self) -> None:
        """Asks the server to acknowledge everything that was sent before."""
        self.sm.request_ack()

    async def answers(self) -> bool:
        """Pings the server. It works in order, so an answer shows that everything sent before has arrived."""
        ping = cast("dict[str, Any]", self.plugin)["xep_0199"].send_ping
        while True:
            try:
                await ping(JID(self.boundjid.host), timeout=self.timeout)
            except IqTimeout:
                if self.silent_for(self.timeout):
                    return False
                continue
            except IqError:
                pass  # an error is an answer as well
            return True


def _disabled(address: str, text: str) -> LoginFailed:
    """The error for an account that an operator has suspended or banned (RFC 6120 §6.5.1)."""
    return LoginFailed(f"{address}: the server does not let this account in. {text}".rstrip())
