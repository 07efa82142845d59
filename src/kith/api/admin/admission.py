"""Who may use the admin API: admin tokens, devices of operators, and commands on the same machine."""

from __future__ import annotations

import structlog
from aiohttp import web

from kith.accounts.errors import Refused, too_many
from kith.api.api import call, peer
from kith.api.credentials import Credentials
from kith.api.endpoint import Call, Endpoint, Operator
from kith.api.origin import Origins
from kith.base.addresses import network
from kith.base.clock import Clock
from kith.base.rates import RateLimit
from kith.config import Config
from kith.core.sessions.bans import Bans
from kith.edge.edge import Edge
from kith.records.admin_tokens import PREFIX, AdminTokens
from kith.records.audit import Actor

#: How many wrong tokens one network may present at once, and in how many seconds as many are forgotten.
WRONG = (10, 600.0)
_READING = ("GET", "HEAD")
logger = structlog.get_logger("kith")


class OperatorAdmission:
    """Admits admin tokens (`kith.records.admin_tokens`), and device tokens of accounts in ``operators``.

    Wrong ones are limited by network, so that they fill neither the log nor the time of the server. Right
    ones are never refused for that: they can't be guessed, and nobody should be able to lock operators out.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        edge: Edge,
        bans: Bans,
        credentials: Credentials,
        tokens: AdminTokens,
    ) -> None:
        self._config = config
        self._clock = clock
        self._edge = edge
        self._bans = bans
        self._origins = Origins(edge)
        self._credentials = credentials
        self._tokens = tokens
        self._wrong = RateLimit(*WRONG)

    async def admit(self, request: web.Request, endpoint: Endpoint) -> Call:
        self._origins.check(request)
        operator = await self._operator(request)
        if endpoint.method not in _READING and not operator.write:
            raise Refused("forbidden", "This token may only read.")
        return call(self._edge, request, None, operator)

    async def _operator(self, request: web.Request) -> Operator:
        header = request.headers.get("Authorization", "")
        scheme, _, text = header.partition(" ")
        text = text.strip()
        if scheme.lower() == "bearer" and text.startswith(PREFIX):
            token = await self._tokens.check(text)
            if token is not None:
                return Operator(Actor(token.name, "token"), token.write, token.expires)
        elif header:
            caller = await self._credentials.check(header)
            if caller is not None:
                if caller.record.jid not in self._config.operators or caller.entry.device.credential:
                    raise Refused("forbidden", "Only operators can do this.")
                ban = self._bans.of_account(caller.record.id, caller.record.jid)
                if ban is not None:
                    raise Refused("account-disabled", ban.text)
                return Operator(Actor(caller.record.jid, "operator"))
        raise self._refusal(request, bool(header))

    def _refusal(self, request: web.Request, wrong: bool) -> Refused:
        """The refusal of a request with a wrong token, which is counted and logged, or without any."""
        if wrong:
            address, now = peer(self._edge, request), self._clock.steady()
            place = network(address)
            if not self._wrong.take(place, now):
                return too_many(self._wrong.wait(place, now))
            logger.warning("wrong admin token", address=address)
        return Refused("not-authorized", "An admin token, or the device token of an operator, is needed.")
