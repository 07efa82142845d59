"""The base class of features: capabilities that the core calls through hooks, without knowing any by name.

    class Ping(Feature):
        '''XEP-0199: XMPP Ping.'''

        disco = (ns.PING,)

        @handles_iq("get", ns.PING, "ping")
        async def ping(self, sender, iq, to):
            return []            # the children of the result

Hooks are the methods of `Feature`. The core calls those that a feature overrides (`kith.core.hooks.table`).
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
from kith.ports.store import Document
from kith.wire.jid import JID
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

#: A handler of an iq. It returns the children of the result, or raises StanzaError.
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
    address, or none, which means the asker's own), ``service`` (that of the feature, see
    `Feature.service`), ``place`` (a bare address at that service, such as a group) or ``any`` of these but
    places. Such a method is given a `kith.core.actors.sender.Sender`, who may be on another server. With
    ``own``, only a session of the account itself may ask, and the method is given that session.

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
    """The base class of features.

    ``disco``: namespaces that the server and its accounts announce (XEP-0030). ``server_disco`` and
    ``account_disco``: those that only one of them announces.
    """

    #: How child elements decide whether a message is stored, by their Clark names (`kith.core.log.log.Keep`).
    keeps: ClassVar[Mapping[str, Keep]] = {}

    #: The spaces of documents that are read together with an account, for `account_loaded`.
    in_memory: ClassVar[Sequence[str]] = ()

    disco: ClassVar[Sequence[str]] = ()
    #: The namespaces that `session_bound` handles (XEP-0386 §2.1).
    bind_features: ClassVar[Sequence[str]] = ()
    server_disco: ClassVar[Sequence[str]] = ()
    account_disco: ClassVar[Sequence[str]] = ()
    #: The first label of the domain of its service, if it is one. Such a feature is a `Host`
    #: (`kith.core.routing.hosts`) for stanzas that are not iqs, and has a method ``service_disco``
    #: (`kith.features.disco`).
    service: ClassVar[str] = ""

    # Hooks. A feature overrides those that it needs; the others cost nothing.

    async def start(self) -> None:
        """Called before the first connection."""

    async def stop(self) -> None:
        """Called after the last connection."""

    def stream_features(self) -> Sequence[Element]:
        """Elements to add to the stream features after the login."""
        return ()

    def login_features(self) -> Sequence[Element]:
        """Elements to add to the stream features before the login, if logins are allowed on the
        connection.
        """
        return ()

    async def before_login(self, visitor: Visitor, iq: Stanza) -> Sequence[Element] | None:
        """Answers a request from a client that is not logged in.

        Returns the children of the result; None if the request is not this feature's. Raises StanzaError.
        """
        return None

    def login_over(self, visitor: Visitor) -> None:
        """A client has logged in, or its stream has ended before that."""

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Called before a client's message is logged and routed.

        May change it. Raise StanzaError to refuse it.
        """

    def stanza_out(self, session: Session, stanza: Stanza, to: JID | None) -> None:
        """Called before a client's presence or iq is handled.

        ``to`` may be None. Raise StanzaError to refuse it.
        """

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Called before any stanza reaches the account ``to``. False drops it; StanzaError refuses it."""
        return True

    async def acquainted(self, account: JID, other: str) -> bool:
        """Whether the bare address ``other`` shares something with an account, such as a group.

        If so, it may know that the account exists, and its requests about the account are not limited.
        """
        return False

    def acquainted_now(self, account: JID, other: str) -> bool:
        """As `acquainted`, if that is known without reading from the store."""
        return False

    def message_wanted(self, account: Account, peer: str) -> bool:
        """Whether messages with the bare address ``peer`` go into the account's archive."""
        return True

    def message_sent_committed(self, envelope: Envelope, account: Account) -> None:
        """A message from an account of this node was committed, if it is stored, and is on its way."""

    def message_received_committed(self, envelope: Envelope, account: Account) -> None:
        """A message for an account of this node was committed, if it is stored, and sent to its sessions.

        If the sender's account is on this node as well, this is called before `message_sent_committed`.
        """

    def iq_result(self, sender: Sender, iq: Stanza) -> bool:
        """Handles the answer to an iq from the server or an account. True if the iq was this feature's."""
        return False

    def session_opened(self, session: Session) -> None:
        """A resource was bound, and nothing was sent to its session yet. This is not called if it resumes."""

    async def session_bound(self, session: Session, request: Element) -> Sequence[Element]:
        """Bind 2 has bound a resource: enables what the client asks for. Returns children of ``<bound/>``."""
        return ()

    def session_resumed(self, session: Session) -> None:
        """A session was resumed over a new connection (XEP-0198 §5), on which nothing was sent yet."""

    def element(self, session: Session, element: Stanza) -> bool:
        """Handles an element that is neither a stanza nor stream management.

        True if it was this feature's.
        """
        return False

    def session_available(self, session: Session) -> None:
        """A session has sent its initial presence (RFC 6121 §4.2)."""

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        """A session has sent presence without an address, which was broadcast already."""

    def presence_received(self, sender: Sender, stanza: Stanza, to: JID) -> None:
        """An address of another domain has sent presence, perhaps ``unavailable``, to an account."""

    def events_missed(self, account: JID, client: JID) -> None:
        """A client may have missed events of an account, since one of them was at another node."""

    def slot_lost(self, slot: int) -> None:
        """Another node owns a slot now. What is cached of its accounts outside of them has to be dropped.

        Most features need not care: `Account.state` goes with the account.
        """

    async def subscription_wanted(self, account: JID, contact: JID, stanza: Stanza) -> bool:
        """``contact`` requests a subscription to ``account``.

        True approves it at once, and requests one in return.
        """
        return False

    def subscription_approved(self, account: JID, contact: JID) -> None:
        """``contact`` is now subscribed to ``account`` (RFC 6121 §3.1.5)."""

    def access_changed(self, account: JID, contact: JID) -> None:
        """``contact`` is no longer subscribed to ``account``, or is in other groups of its roster."""

    def session_saved(self, session: Session) -> object:
        """The server stops, and a session is saved for the next start.

        Returns what the feature has to save of it, as values for JSON; None for nothing.
        """
        return None

    def session_restored(self, session: Session, saved: Any) -> None:
        """A session from before the restart exists again. ``saved`` is what `session_saved` returned."""

    def session_closed(self, session: Session) -> None:
        """A session has ended. (This is not called when it only lost its connection.)"""

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        """Called before an account is used for the first time since it was loaded.

        ``kept``: its documents in all spaces that are `in_memory`, by space. What a feature makes of them is
        stored in ``account.state`` under the feature's class, and leaves the memory with the account.
        """

    async def device_revoked(self, account: Account, keys: Sequence[int]) -> None:
        """A device of an account was revoked. ``keys``: its OMEMO device ids."""

    async def account_deleted(self, account: JID) -> None:
        """An account was removed that was in the memory of this node."""

    async def privacy_changed(self, account: Account) -> None:
        """The privacy settings of an account have changed (`kith.records.privacy`)."""

    async def account_moved(self, account: Account, left: Account) -> None:
        """An account has moved to another address. ``left`` is the empty account at its former address."""

    async def address_freed(self, address: JID) -> None:
        """An address that an account has left does not lead to the account any more."""

    async def accounts_changed(self) -> None:
        """Another process has added or removed accounts. `account_deleted` was called for those in memory."""
