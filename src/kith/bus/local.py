"""One node is the whole cluster: the bus is a table."""

from __future__ import annotations

from collections.abc import Callable

from kith.core.log import Envelope


class LocalBus:
    """`kith.core.ports.Bus` within one process."""

    __slots__ = ("_accounts",)

    def __init__(self) -> None:
        self._accounts: dict[str, Callable[[Envelope], None]] = {}

    def subscribe(self, account: str, deliver: Callable[[Envelope], None]) -> None:
        self._accounts[account] = deliver

    def unsubscribe(self, account: str) -> None:
        self._accounts.pop(account, None)

    def publish(self, account: str, envelope: Envelope) -> bool:
        deliver = self._accounts.get(account)
        if deliver is None:
            return False
        deliver(envelope)
        return True
