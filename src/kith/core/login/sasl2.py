"""SASL2 (XEP-0388), with Bind 2 (XEP-0386), resumption (XEP-0198), tokens (XEP-0484) and upgrades
(XEP-0480).

One element requests everything and one answers it: a client that has a token is logged in, with a session,
after one round trip.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement

from kith.base.domain import Domain
from kith.base.ids import stamp
from kith.core.actors.account import Account, Session
from kith.core.actors.sm import ENABLE, RESUME, failed
from kith.core.actors.visitor import Visitor
from kith.core.login import binding, fast
from kith.core.login.entrance import Entrance
from kith.core.login.profile import Profile
from kith.core.login.sasl import SASLError, decode, mechanisms
from kith.core.login.upgrade import Upgrades, continue_with
from kith.ports.store import AccountRecord, Keys
from kith.records.device import ROTATE_AFTER, Changed, Device, Entry, Token, agent_id, clean, handheld
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import parse_jid
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza


def _tag(name: str) -> str:
    return ns.tag(ns.SASL2, name)


_AUTHENTICATE, _RESPONSE, _ABORT = _tag("authenticate"), _tag("response"), _tag("abort")
_NEXT, _TASK_DATA = _tag("next"), _tag("task-data")
_INITIAL, _AGENT = _tag("initial-response"), _tag("user-agent")
_BIND = ns.tag(ns.BIND2, "bind")
_FAST = ns.tag(ns.FAST, "fast")
_REQUEST_TOKEN = ns.tag(ns.FAST, "request-token")
_TRUE = ("true", "1")
_NAMES = (_tag("software"), _tag("device"))
_TRIES = 3


class SASL2(Profile):
    """The profile of XEP-0388. The request is kept until the exchange has ended."""

    __slots__ = ("_account", "_agent", "_called", "_device", "_request", "_upgrades")

    namespace = ns.SASL2

    def __init__(self, entrance: Entrance, stream: Visitor) -> None:
        super().__init__(entrance, stream)
        self._request: Element | None = None
        self._upgrades: Upgrades | None = None  # while there are upgrade tasks to do
        self._account: Account | None = None  # the account of the upgrade tasks
        self._agent = ""  # the id of the user agent, chosen by the client
        self._called: Sequence[str] = ("", "")  # names of the software and the device, safe to be shown
        self._device = ""  # the id of the device in the account

    def receive(self, element: Stanza) -> bool:
        if element.tag == _AUTHENTICATE:
            self._authenticate(element.element)
        elif element.tag == _RESPONSE:
            self.respond(element.element.text or "")
        elif element.tag in (_NEXT, _TASK_DATA):
            self._task(element)
        elif element.tag == _ABORT:
            raise SASLError("aborted")
        else:
            return False
        return True

    def _authenticate(self, request: Element) -> None:
        if self.under_way:
            raise StreamError("not-authorized", "authentication is under way")
        self._request = request
        agent = request.find(_AGENT)
        self._agent = agent_id(agent.get("id", "")) if agent is not None else ""
        if agent is not None and agent.get("id") and not self._agent:
            raise SASLError("malformed-request", "the id of a user agent is a UUID")
        if agent is not None:
            self._called = [clean(agent.findtext(name) or "") for name in _NAMES]
        mechanism = request.get("mechanism", "")
        initial = request.findtext(_INITIAL)
        if mechanism.startswith("HT-"):
            self._with_token(request, mechanism, decode(initial or ""))
        else:
            self.begin(mechanism, initial)

    async def load(self, record: AccountRecord) -> Account:
        account = await super().load(record)
        if self.stream.claimed and self.stream.claimed != account.jid:
            raise SASLError("invalid-authzid", "the stream's header names another account")
        return account

    # -- tasks -----------------------------------------------------------------------------------

    @property
    def under_way(self) -> bool:
        return super().under_way or self._upgrades is not None

    def fail(self, error: SASLError) -> None:
        self._upgrades = self._account = None
        super().fail(error)

    async def finish(self, account: Account, final: bytes) -> None:
        """Continues after a correct password: with upgrade tasks, if the client offers any (XEP-0480)."""
        assert self._request is not None
        assert self.record is not None
        upgrades = Upgrades(self._request, self.record.keys, self.entrance.randomness)
        # only the account's own password is upgraded: not app passwords, nor that of a directory
        if not upgrades.task or self.stream.credential or not self.record.keys:
            await self.succeed(account, final)
            return
        self._upgrades, self._account = upgrades, account
        self._send(continue_with(upgrades.task, final))

    def _task(self, element: Stanza) -> None:
        if self._upgrades is None:
            raise SASLError("malformed-request")
        if element.tag == _NEXT:
            data = Element(_TASK_DATA)
            data.append(self._upgrades.start(element.attrs.get("task")))
            self._send(data)
        else:
            self.stream.work(self._upgrade(self._upgrades, self._upgrades.finish(list(element.element))))

    async def _upgrade(self, upgrades: Upgrades, keys: dict[str, Keys]) -> None:
        record, account = self.record, self._account
        assert record is not None
        assert account is not None
        more = record.keys | keys
        if not await self.entrance.store.upgrade_keys(record.jid, record.keys, more):
            raise SASLError("not-authorized", "the password was changed")
        self.record = replace(record, keys=more)
        if upgrades.task:
            self._send(continue_with(upgrades.task, b""))
            return
        self._upgrades = self._account = None
        await self.succeed(account, b"")

    def _send(self, element: Element) -> None:
        self.stream.sink.send([serialize(element)])

    # -- tokens ----------------------------------------------------------------------------------

    def _with_token(self, request: Element, mechanism: str, data: bytes) -> None:
        security = self.stream.security
        self.mechanism = mechanism if mechanism in fast.mechanisms(security) else ""
        if not mechanisms(security):
            raise SASLError("encryption-required")
        told = request.find(_FAST)
        if told is None:
            raise SASLError("malformed-request", "a token needs <fast/>")
        attempt = fast.Attempt(mechanism, data, self._agent, fast.counted(told.get("count")))
        self.stream.work(self._verify(attempt))

    async def _verify(self, attempt: fast.Attempt) -> None:
        """Checks a token; again if the device was changed in the meantime, by another login or a revocation.

        Tokens can't be guessed, so a device with one can log in however many passwords were wrong.
        """
        for _ in range(_TRIES):
            entrance = self.entrance
            proof = await fast.verify(
                attempt, self.stream.security, self._owner, entrance.devices, entrance.clock.now()
            )
            account = await self.load(proof.account)
            try:
                await self.succeed(account, proof.final, proof)
            except Changed:
                continue
            return
        raise SASLError("temporary-auth-failure")

    async def _owner(self, user: str, agent: str) -> tuple[AccountRecord | None, Entry | None]:
        self.stream.passwords_seen = self.entrance.passwords.changes
        self.record, entry = await self.entrance.devices.owner(self.naming(user), agent)
        return self.record, entry

    async def _enter(self, account: Account, request: Element, proof: fast.Proof | None) -> Element | None:
        """Saves that the device has logged in. Returns its new token, if it gets one. Raises Changed."""
        devices = self.entrance.devices
        for _ in range(_TRIES):
            if proof is not None:
                entry = proof.entry
            else:
                entry = await devices.enter(account.id, self._agent, self.stream.credential)
                await self.entrance.revocation.forgotten(account.jid, entry.gone)
                entry.device.credential = self.stream.credential
            self.stream.credential = entry.device.credential
            self._device = self.stream.device = entry.device.id
            software, name = self._called
            entry.device.seen(software, name, self.entrance.clock.now())
            token = self._token(request, entry.device, proof)
            try:
                await devices.save(entry)
            except Changed:
                if proof is not None:
                    raise
                continue
            return token
        raise SASLError("temporary-auth-failure")

    def _token(self, request: Element, device: Device, proof: fast.Proof | None) -> Element | None:
        """A new token, if the client requests one or its own is getting old (XEP-0484 §3.2, §3.5)."""
        wanted, told = request.find(_REQUEST_TOKEN), request.find(_FAST)
        invalid = proof is not None and told is not None and told.get("invalidate") in _TRUE
        if invalid:
            device.retire(device.current, device.new)
            device.current = device.new = None
        if wanted is not None:
            mechanism = wanted.get("mechanism", "")
            if mechanism not in fast.mechanisms(self.stream.security):
                return None
        elif proof is not None and not invalid and self._is_old(proof.token):
            mechanism = proof.token.mechanism
        else:
            return None
        assert self.record is not None
        token, expires = self.entrance.devices.issue(self.record, self._agent, device, mechanism)
        expiry = stamp(datetime.fromtimestamp(expires, UTC))
        return Element(ns.tag(ns.FAST, "token"), {"token": token, "expiry": expiry})

    def _is_old(self, token: Token) -> bool:
        made_long_ago = self.entrance.clock.now() - token.made > ROTATE_AFTER
        return made_long_ago or self.entrance.devices.is_former(token)

    # -- success ---------------------------------------------------------------------------------

    async def succeed(self, account: Account, final: bytes, proof: fast.Proof | None = None) -> None:
        request, stream = self._request, self.stream
        assert request is not None
        answer = Element(_tag("success"))
        if final:
            SubElement(answer, _tag("additional-data")).text = b64encode(final).decode()
        identifier = SubElement(answer, _tag("authorization-identifier"))
        if self._agent:
            token = await self._enter(account, request, proof)
            if token is not None:
                answer.append(token)
        children: list[bytes] = []
        resume, bind = request.find(RESUME), request.find(_BIND)
        resumed = await self._resume(account, resume, children) if resume is not None else False
        session = stream.session if resumed else None
        if not resumed and bind is not None and not stream.ended:
            session = await self._bind(account, bind, children)
        identifier.text = session.full if session is not None else account.jid
        end = b"</success>"
        head = serialize(answer).removesuffix(end)
        if not stream.ended:
            self.passed(account)
            stream.authenticated_inline(account, session, head + b"".join(children) + end, resumed)

    async def _resume(self, account: Account, wanted: Element, children: list[bytes]) -> bool:
        """Tries to resume a session. Returns whether it did, and adds to the children of ``<success/>``."""
        previous, h = wanted.get("previd", ""), wanted.get("h", "")
        try:
            children.append(
                await binding.resume(self.entrance, self.stream, account, previous, h, self._device)
            )
        except StanzaError as error:
            children.append(failed(error.condition))
            return False
        return True

    async def _bind(self, account: Account, wanted: Element, children: list[bytes]) -> Session | None:
        """Binds a resource (XEP-0386 §2.2). The client gets undelivered messages from the archive.

        Stanzas for the session are held until the client knows that it is bound. Raises StreamError.
        """
        entrance = self.entrance
        session = self._open(account, wanted)
        try:
            bound = Element(ns.tag(ns.BIND2, "bound"))
            bound.extend(await entrance.hooks.session_bound(session, wanted))
        except BaseException:
            entrance.sessions.close(session)
            raise
        # the connection was lost, or another login has bound the resource
        if self.stream.ended or session.closed:
            entrance.sessions.close(session)
            return None
        enable = wanted.find(ENABLE)
        enabled = entrance.sessions.grant(session, enable) if enable is not None else b""
        end = b"</bound>"
        inner = serialize(bound)
        if inner.endswith(b"/>"):
            inner = inner.removesuffix(b"/>") + b">" + end
        children.append(inner.removesuffix(end) + enabled + end)
        return session

    def _open(self, account: Account, wanted: Element) -> Session:
        """Opens a session whose output is held. Older sessions of the device end."""
        stream, entrance = self.stream, self.entrance
        for other in list(account.sessions.values()):
            if self._device and other.device == self._device:
                entrance.sessions.end(other, StreamError("conflict", "the device has a new session"))
        tag = (wanted.findtext(ns.tag(ns.BIND2, "tag")) or "").strip()[:64]
        resource = binding.lasting_resource(entrance, account.id, self._device, tag)
        try:
            session = binding.bind(entrance, stream, account, resource, self._device, holding=True)
        except StanzaError as error:  # a failed login would make the client delete its token
            raise StreamError(error.condition, error.text) from None
        session.handheld = handheld(*self._called)
        return session


def named_account(domain: Domain, text: str | None) -> str:
    """The bare address in the ``from`` of a stream header, or an empty text (RFC 6120 §4.7.1).

    Raises StreamError if its domain is not this server's (XEP-0388 §2.1).
    """
    if not text:
        return ""
    try:
        jid = parse_jid(text)
    except ValueError:
        return ""
    if jid.domain != domain.name:
        raise StreamError("invalid-from")
    return jid.bare if jid.local else ""
