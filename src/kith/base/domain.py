"""The name of a server."""

from __future__ import annotations

from dataclasses import dataclass, field

from kith.wire.jid import JID


@dataclass(frozen=True, slots=True)
class Domain:
    """The domain whose accounts a server holds. ``jid`` is its own address."""

    name: str
    jid: JID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "jid", JID("", self.name))

    def holds(self, jid: JID) -> bool:
        """Whether an address is of this domain: the domain itself, or an account or session of it."""
        return jid.domain == self.name
