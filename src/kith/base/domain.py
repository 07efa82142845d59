"""The domain that a server serves, such as ``example.org``."""

from __future__ import annotations

from dataclasses import dataclass, field

from kith.wire.jid import JID


@dataclass(frozen=True, slots=True)
class Domain:
    """The domain that a server serves. ``jid``: the address of the server itself, without a local part."""

    name: str
    jid: JID = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "jid", JID("", self.name))

    def holds(self, jid: JID) -> bool:
        """Whether an address is that of the server, or of an account or a session here."""
        return jid.domain == self.name
