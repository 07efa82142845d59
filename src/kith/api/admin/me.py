"""``/api/admin/me``: who uses the admin API, and what they may do."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kith import __version__
from kith.api.endpoint import Call, endpoint
from kith.api.types import moment
from kith.base.domain import Domain


class Me(msgspec.Struct):
    """Who makes the request."""

    name: Annotated[str, Meta(description="The name of the token, or the address of the operator.")]
    kind: Annotated[
        Literal["token", "operator", "command"],
        Meta(description="An admin token, a device of an operator, or a command on the server's machine."),
    ]
    write: Annotated[bool, Meta(description="Whether they may change something.")]
    expires: Annotated[str, Meta(description="When the token expires; empty if it does not.")]
    domain: str
    version: Annotated[str, Meta(description="The version of Kith.")]


class MeResource:
    """The endpoint."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    @endpoint("GET", "/api/admin/me", "Who one is")
    async def get(self, call: Call) -> Me:
        """Answers whether a token is valid, and the account of a device an operator's."""
        assert call.operator is not None
        kind = call.operator.actor.via
        assert kind != "xmpp"
        expires = moment(call.operator.expires)
        return Me(call.actor.name, kind, call.operator.write, expires, self._domain.name, __version__)
