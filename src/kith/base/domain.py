"""The domain of a server."""

from __future__ import annotations

from dataclasses import dataclass, field

from kith.wire.jid import JID


@dataclass(frozen=True, slots=True)
class Domain:
    """The domain that a server is for. ``jid``: the address of the domain itself."""

    name: str
    jid: JID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "jid", JID("", self.name))

    def holds(self, jid: JID) -> bool:
        """Whether an address is the domain, or an account or session of it."""
        return jid.domain == self.name
