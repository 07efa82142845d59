"""Messages from the server to its operators, about what they should look at."""

from __future__ import annotations

import structlog

from kith.base.clock import Clock
from kith.base.tasks import Tasks
from kith.config import Config
from kith.core.actors.accounts import Accounts, Elsewhere
from kith.core.hooks.feature import Feature
from kith.core.routing.server_messages import ServerMessages

#: The seconds between two messages. What happens in between comes together in the next one.
INTERVAL = 300.0
#: How many of these events are spelled out in one message.
MAX_SHOWN = 10
logger = structlog.get_logger("kith")


class OperatorNotices(Feature):
    """Tells the accounts in the setting ``operators`` something, at most once every five minutes."""

    def __init__(
        self, config: Config, clock: Clock, tasks: Tasks, accounts: Accounts, messages: ServerMessages
    ) -> None:
        self._config = config
        self._clock = clock
        self._tasks = tasks
        self._accounts = accounts
        self._messages = messages
        self._events: list[str] = []
        self._hints: dict[str, None] = {}
        self._more = 0
        self._sent_at = float("-inf")
        self._waiting = False

    def tell(self, event: str, hint: str = "") -> None:
        """Tells the operators of an event, in one sentence: now or, after others, within `INTERVAL`.

        ``hint``: where they find more, or what they can do; each hint is in a message once.
        """
        if hint:
            self._hints[hint] = None
        if len(self._events) < MAX_SHOWN:
            self._events.append(event)
        else:
            self._more += 1
        if self._waiting:
            return
        self._waiting = True
        wait = self._sent_at + INTERVAL - self._clock.steady()
        if wait > 0:
            self._tasks.later(wait, lambda: self._tasks.spawn(self._send()))
        else:
            self._tasks.spawn(self._send())

    async def _send(self) -> None:
        events, hints, more = self._events, self._hints, self._more
        self._events, self._hints, self._more, self._waiting = [], {}, 0, False
        self._sent_at = self._clock.steady()
        lines = [*events, f"And {more} more." if more else "", *hints]
        text = "\n\n".join(line for line in lines if line)
        for jid in self._config.operators:
            try:
                account = await self._accounts.load(jid)
            except Elsewhere:
                account = None
            if account is None:
                logger.warning("an operator has no account here, and is not told", operator=jid)
            else:
                self._messages.tell(account, text)
