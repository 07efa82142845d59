"""What a feature is: a class that says what it answers. The core calls it, and knows none by name.

    class Ping(Feature):
        '''XEP-0199: XMPP Ping.'''

        disco = (ns.PING,)

        @handles_iq("get", ns.PING, "ping")
        async def ping(self, session, iq, to):
            return []            # the children of the result

Hooks are methods with the names in `HOOKS`; the core collects those that a feature overrides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from xml.etree.ElementTree import Element

from kith.wire.jid import JID
from kith.wire.ns import tag
from kith.wire.stanza import Stanza

if TYPE_CHECKING:
    from kith.core.domain import Domain
    from kith.core.log import Envelope
    from kith.core.session import Session

#: A handler of an iq: returns the result's children, raises StanzaError.
Handler = Callable[["Session", Stanza, JID], Awaitable[Sequence[Element]]]
_F = TypeVar("_F", bound=Callable[..., Any])


def handles_iq(type: str, namespace: str, name: str, to: str = "any") -> Callable[[_F], _F]:
    """Marks a method that answers ``<iq type=…><name xmlns=namespace/></iq>``.

    ``to``: ``server`` (the domain), ``account`` (a bare address, or none, which means one's own),
    or ``any`` of the two.
    """

    def mark(method: _F) -> _F:
        method.__dict__.setdefault("_iqs", []).append((type, tag(namespace, name), to))
        return method

    return mark


class Feature:
    """A capability. ``disco``: what the server and accounts announce; ``*_disco``: only one of the two."""

    disco: ClassVar[Sequence[str]] = ()
    server_disco: ClassVar[Sequence[str]] = ()
    account_disco: ClassVar[Sequence[str]] = ()

    def __init__(self, domain: Domain) -> None:
        self.domain = domain

    # Hooks. A feature overrides what it needs; what it leaves alone costs nothing.

    def message_sent(self, session: Session, stanza: Stanza, to: JID) -> None:
        """Before a client's message is logged and routed. May change it; StanzaError refuses it."""

    def stanza_in(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Before any stanza reaches the account ``to``. False: it is dropped; StanzaError: refused."""
        return True

    def message_routed(self, envelope: Envelope) -> None:
        """After the commit, when a message was handed to its recipients' sessions on this node."""

    def session_opened(self, session: Session) -> None:
        """A resource was bound."""

    def session_available(self, session: Session) -> None:
        """Initial presence was sent (RFC 6121 §4.2)."""

    def presence_changed(self, session: Session, stanza: Stanza) -> None:
        """A session sent presence without an address, after it was broadcast."""

    def session_closed(self, session: Session) -> None:
        """A session ended (not: lost its connection and may resume)."""

    async def account_deleted(self, account: JID) -> None:
        """An account was removed."""


HOOKS = (
    "message_sent",
    "stanza_in",
    "message_routed",
    "session_opened",
    "session_available",
    "presence_changed",
    "session_closed",
    "account_deleted",
)
