"""Hosts take the stanzas for addresses that are not accounts of this node.

They are the services of features, components, other servers and other nodes.
"""

from __future__ import annotations

from typing import Protocol

from kith.core.actors.account import Session
from kith.core.actors.intake import Work
from kith.core.actors.sender import Sender
from kith.core.log.log import Keep
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza


class Host(Protocol):
    """Takes the stanzas for all addresses of a domain."""

    def receive(self, stanza: Stanza, sender: JID, to: JID) -> None:
        """Takes a stanza whose ``from`` and ``to`` are set. Raises StanzaError if it can't be sent on."""


class Keeping(Host, Protocol):
    """A host that keeps messages itself, such as the groups: they are acknowledged when it has them."""

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        """Takes a message. Returns what `kith.core.actors.intake.Intake.handle` may. Raises StanzaError."""


class Remote(Host, Protocol):
    """Takes the stanzas for all domains of other servers."""

    def admit(self, session: Session, stanza: Stanza, to: JID, keep: Keep) -> Work:
        """Takes a message that is to be kept until the other server has it.

        Returns what `kith.core.actors.intake.Intake.handle` may return. Raises StanzaError.
        """


class Peers(Host, Protocol):
    """Takes the stanzas for accounts of this domain that another node owns."""

    def admit(self, sender: Sender, stanza: Stanza, to: JID) -> Work:
        """Takes a message that is to be kept.

        Returns what `kith.core.actors.intake.Intake.handle` may return.

        Raises StanzaError.
        """

    def has_earlier(self, sender: str, to: str) -> bool:
        """Whether messages between these bare addresses are still on their way to another node.

        It may have lost the recipient to this node in the meantime: what comes now has to stay behind them.
        """


class Hosts:
    """The hosts by domain.

    ``remote``: the host for all domains of other servers. ``peers``: the host for accounts of other nodes,
    None if there are no other nodes.
    """

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}
        #: Those of the hosts that keep messages themselves, by domain.
        self.keeping: dict[str, Keeping] = {}
        self.remote: Remote | None = None
        self.peers: Peers | None = None

    def add(self, name: str, host: Host) -> None:
        """Adds the host of a domain. Raises ValueError if the domain has one."""
        if name in self._hosts:
            raise ValueError(f"there is a host for {name}")
        self._hosts[name] = host

    def remove(self, name: str) -> None:
        self._hosts.pop(name, None)
        self.keeping.pop(name, None)

    def here(self, name: str) -> Host | None:
        """The host for a domain of this server, or None."""
        return self._hosts.get(name)

    def find(self, name: str) -> Host:
        """The host for any domain. Raises StanzaError if there is none (RFC 6120 §8.3.3.16)."""
        host = self._hosts.get(name) or self.remote
        if host is None:
            raise StanzaError("remote-server-not-found")
        return host
