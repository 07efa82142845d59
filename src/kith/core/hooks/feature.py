"""What a feature is: a class that says what it answers. The core calls it, and knows none by name.

    class Ping(Feature):
        '''XEP-0199: XMPP Ping.'''

        disco = (ns.PING,)

        @handles_iq("get", ns.PING, "ping")
        async def ping(self, sender, iq, to):
            return []            # the children of the result

Hooks are the methods of `Feature`; the core calls those that a feature overrides (`kith.core.hooks.table`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar
from xml.etree.ElementTree import Element

from kith.core.actors.account import Account, Session
from kith.core.actors.sender import Sender
from kith.core.actors.visitor import Visitor
from kith.core.log.envelope import Envelope
from kith.core.log.log import Keep
from kith.wire.jid import JID
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

#: A handler of an iq: returns the result's children, raises StanzaError. For ``own``, a `Session` asks.
Handler = Callable[[Any, Stanza, JID], Awaitable[Sequence[Element]]]
_F = TypeVar("_F", bound=Callable[..., Any])


def handles_iq(
    type: str,
    namespace: str,
    name: str,
    to: str = "any",
    answer_for_missing: Callable[[Stanza], Sequence[Element]] | None = None,
    hidden_error: str = "service-unavailable",
) -> Callable[[_F], _F]:
    """Marks a method that answers ``<iq type=…><name xmlns=namespace/></iq>``.

    ``to`` says which addresses the method answers for: ``server`` (the domain), ``account`` (a bare
    address, or none, which means the asker's own), ``service`` (that of the feature, see `Feature.service`)
    or ``any`` of these. Such a method is given a `kith.core.actors.sender.Sender`, who may be on another
    server. With ``own``, only a session of the account itself may ask, and the method is given that
    session.

    ``answer_for_missing`` makes the result for an account that does not exist, if that is not an error.
    Blocked people get the same. ``hidden_error`` is the condition with which a ``get`` is refused if the
    asker may not know whether the account exists.
    """

    def mark(method: _F) -> _F:
        method.__dict__["answer_for_missing"] = answer_for_missing
        method.__dict__["hidden_error"] = hidden_error
        method.__dict__.setdefault("_iqs", []).append((type, tag(namespace, name), to))
        return method

    return mark


class Feature:
    """A capability. ``disco``: what the server and accounts announce; ``*_disco``: only one of the two."""

    #: What children say about keeping a message, by Clark name (`kith.core.log.Keep`).
    keeps: ClassVar[Mapping[str, Keep]] = {}

    disco: ClassVar[Sequence[str]] = ()
    #: Namespaces that `session_bound` knows (XEP-0386 §2.1).
    bind_features: ClassVar[Sequence[str]] = ()
    server_disco: ClassVar[Sequence[str]] = ()
    account_disco: ClassVar[Sequence[str]] = ()
    #: The name, before the domain's, of a service that it is. Such a feature is a `kith.core.hosts.Host`
    #: for what is not an iq, and has a method ``service_disco`` (`kith.features.disco`).
    service: ClassVar[str] = ""

    # Hooks. A feature overrides what it needs; what it leaves alone costs nothing.

    async def start(self) -> None:
        """Before the first connection."""

    async def stop(self) -> None:
        """After the last connection."""

    def stream_features(self) -> Sequence[Element]:
        """What it adds to the stream features after authentication."""
        return ()

    def login_features(self) -> Sequence[Element]:
        """What it adds to the stream features before authentication, where one may log in."""
        return ()

    async def before_login(self, visitor: Visitor, iq: Stanza) -> Sequence[Element] | None:
        """Somebody who has not logged in asks. The children of the result; None: it is not this feature's."""
        return None

    def login_over(self, visitor: Visitor) -> None:
        """A stream has logged in, or is gone without."""

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Before a client's message is logged and routed. May change it; StanzaError refuses it."""

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        """Before a client's presence or iq is handled; ``to`` is None if it has none. May refuse it."""

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Before any stanza reaches the account ``to``. False: it is dropped; StanzaError: refused."""
        return True

    async def acquainted(self, account: JID, other: str) -> bool:
        """Whether the bare address ``other`` shares something with an account here, as a group.

        It may then know that there is such an account, and is not bounded in what it asks about it.
        """
        return False

    def message_wanted(self, account: Account, peer: str) -> bool:
        """Whether the account keeps messages with the bare address ``peer`` in its archive."""
        return True

    def message_sent_committed(self, envelope: Envelope, account: Account) -> None:
        """A message of an account here is committed, if it is kept, and on its way to its recipient."""

    def message_received_committed(self, envelope: Envelope, account: Account) -> None:
        """A message for an account here is committed, if it is kept, and was handed to its sessions.

        If the sender's account is here as well, this is called before `message_sent_committed`.
        """

    def iq_result(self, sender: Sender, iq: Stanza) -> bool:
        """Somebody answered an iq of the server's or of an account's. True: it was this feature's."""
        return False

    async def session_bound(self, session: Session, request: Element) -> Sequence[Element]:
        """Bind 2 has bound a resource: turns on what is asked for. Returns children of ``<bound/>``."""
        return ()

    def session_resumed(self, session: Session) -> None:
        """A session goes on over a new connection (XEP-0198 §5); nothing was sent over it yet."""

    def element(self, session: Session, element: Stanza) -> bool:
        """A client sent what is no stanza, nor of stream management. True: it was this feature's."""
        return False

    def session_available(self, session: Session) -> None:
        """Initial presence was sent (RFC 6121 §4.2)."""

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        """A session sent presence without an address, after it was broadcast."""

    def presence_received(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """Somebody of another domain has sent presence, or ``unavailable``, to an account."""

    async def subscription_wanted(self, account: JID, contact: JID, stanza: Stanza) -> bool:
        """``contact`` asks to see ``account``. True: it may at once, and is asked the same in return."""
        return False

    def subscription_approved(self, account: JID, contact: JID) -> None:
        """``contact`` may see ``account`` from now on (RFC 6121 §3.1.5)."""

    def access_changed(self, account: JID, contact: JID) -> None:
        """``contact`` may not see ``account`` any more, or is in other groups of its roster."""

    def session_saved(self, session: Session) -> object:
        """The server stops, and a session is saved for the next start.

        Returns what the feature has to save of it, as values for JSON; None for nothing.
        """
        return None

    def session_restored(self, session: Session, saved: Any) -> None:
        """A session from before the restart exists again. ``saved`` is what `session_saved` returned."""

    def session_closed(self, session: Session) -> None:
        """A session ended (not: lost its connection and may resume)."""

    async def account_loaded(self, account: Account) -> None:
        """Before this node has to do with an account for the first time."""

    async def device_revoked(self, account: JID, id: int, keys: Sequence[int]) -> None:
        """A device of an account, whose id is given, is out; ``keys``: the ids of its OMEMO keys."""

    def account_unloaded(self, account: Account) -> None:
        """The account left this node's memory."""

    async def account_deleted(self, account: JID) -> None:
        """An account was removed, of which this node had something in memory."""

    async def privacy_changed(self, account: JID, id: int) -> None:
        """An account, whose id is given, has other privacy settings (`kith.records.privacy`)."""

    async def account_moved(self, old: JID, id: int, new: JID) -> None:
        """An account has the address ``new``; at ``old`` there is an empty one, with the id ``id``."""

    async def address_freed(self, address: JID) -> None:
        """An address that an account has left leads to it no more."""

    async def accounts_changed(self) -> None:
        """Another process has added or removed accounts; `account_deleted` was called for those in memory."""
