"""Endpoints of the HTTP API: methods with a path, types, and the reasons why they may refuse a request.

    class Greetings:
        @endpoint("POST", "/api/greetings", "Greet somebody", refusals=("too-many",))
        async def greet(self, call: Call, request: Greeting) -> Greeted: ...

The types are subclasses of `msgspec.Struct`. Requests are checked against them, and the OpenAPI description
(`kith.api.description`) is generated from them. An endpoint that needs no request body takes only ``call``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
from msgspec import Meta

from kith.accounts.errors import Refused
from kith.ports.store import AccountRecord
from kith.records.audit import Actor
from kith.records.device import Entry

_F = TypeVar("_F", bound=Callable[..., Awaitable[Any]])


class Problem(msgspec.Struct, omit_defaults=True):
    """Why a request was refused."""

    error: Annotated[str, Meta(description="The reason, as an identifier for programs.")]
    text: Annotated[str, Meta(description="The reason, as a sentence for people.")]
    retry_after: (
        Annotated[
            int, Meta(ge=0, description="Seconds after which to try again; also in the header Retry-After.")
        ]
        | None
    ) = None
    tries_left: (
        Annotated[int, Meta(ge=0, description="How many attempts to enter the code are left.")] | None
    ) = None
    proof: (
        Annotated[
            str, Meta(description="Proves that the code was correct; to be sent with the PIN within an hour.")
        ]
        | None
    ) = None
    without_pin_in: (
        Annotated[
            int,
            Meta(
                ge=0,
                description="Seconds after which a code is enough without the PIN, if until then no device of"
                " the account is online.",
            ),
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated device and its account. ``agent``: the device's user-agent id (XEP-0388 §2.3)."""

    record: AccountRecord
    entry: Entry
    agent: str


@dataclass(frozen=True, slots=True)
class Operator:
    """Who uses the admin API. ``actor``: the name for the audit log.

    ``write``: whether they may change something. ``expires``: when their token does, in seconds since 1970;
    0 if it does not.
    """

    actor: Actor
    write: bool = True
    expires: float = 0.0


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    ``address``: the client's IP address. ``path`` and ``query``: the parameters, by name. ``caller``: None if
    the endpoint needs no login. ``operator``: set for the admin API only.
    """

    address: str
    path: dict[str, str]
    query: dict[str, str]
    caller: Caller | None = None
    operator: Operator | None = None

    @property
    def device(self) -> Caller:
        """The device that has made the request. Only endpoints that need a login may use this."""
        assert self.caller is not None
        return self.caller

    @property
    def actor(self) -> Actor:
        """Who has made the request, for the audit log. Only endpoints of the admin API may use this."""
        assert self.operator is not None
        return self.operator.actor


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint.

    ``path``: may have parameters in braces. ``summary``: its title in the OpenAPI description. ``takes`` and
    ``gives``: the types of the request body (None: there is none) and of the response body. ``status``: the
    HTTP status of success. ``open``: it needs no login. ``refusals``: keys of `kith.accounts.errors.REASONS`.
    ``parameters``: JSON schemas of the parameters in path and query, by name.
    """

    method: str
    path: str
    summary: str
    handler: Callable[..., Awaitable[Any]]
    takes: Any
    gives: Any
    status: int
    open: bool
    refusals: Sequence[str]
    parameters: dict[str, Any]

    async def __call__(self, call: Call, body: bytes) -> Any:
        """Handles a request. Returns the response body. Raises Refused."""
        for name, schema in self.parameters.items():
            _check_parameter(name, call.query.get(name), schema)
        if self.takes is None:
            return await self.handler(call)
        return await self.handler(call, decode(body, self.takes))


def endpoint(
    method: str,
    path: str,
    summary: str,
    *,
    status: int = 200,
    open: bool = False,
    refusals: Sequence[str] = (),
    parameters: dict[str, Any] | None = None,
) -> Callable[[_F], _F]:
    """Marks a method as an endpoint. The arguments are those of `Endpoint`."""

    def mark(method_: _F) -> _F:
        method_.__dict__["_endpoint"] = (method, path, summary, status, open, refusals, parameters or {})
        return method_

    return mark


def endpoints(resource: object) -> Iterator[Endpoint]:
    """The endpoints of a resource, by the names of their methods."""
    for name, function in inspect.getmembers(type(resource), inspect.isfunction):
        marked = getattr(function, "_endpoint", None)
        if marked is None:
            continue
        method, path, summary, status, open, refusals, parameters = marked
        hints = get_type_hints(function, include_extras=True)
        takes = next((hint for key, hint in hints.items() if key not in ("call", "return")), None)
        yield Endpoint(
            method,
            path,
            summary,
            getattr(resource, name),
            takes,
            hints["return"],
            status,
            open,
            refusals,
            parameters,
        )


def _check_parameter(name: str, text: str | None, schema: dict[str, Any]) -> None:
    """Checks a parameter of the query, if it is given. Raises Refused."""
    if text is None:
        return
    if schema["type"] == "integer":
        fits = text.isascii() and text.isdecimal() and len(text) < 10
        fits = fits and schema["minimum"] <= int(text) <= schema["maximum"]
    else:
        fits = re.fullmatch(schema["pattern"], text) is not None
    if not fits:
        raise Refused("bad-request", f"The parameter {name} is invalid.")


def decode(body: bytes, kind: Any) -> Any:
    """Decodes JSON into a type. Raises Refused if it does not fit."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("bad-request", _plain(str(error))) from None


def _plain(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text)[:200]
