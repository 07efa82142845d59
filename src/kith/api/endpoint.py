"""Endpoints of the HTTP API: methods with a path, types, and the reasons for which they may refuse.

    class Greetings:
        @endpoint("POST", "/api/greetings", "Greet somebody", refusals=("too-many",))
        async def greet(self, call: Call, request: Greeting) -> Greeted: ...

The types are `msgspec.Struct`. Requests are checked against them, and the OpenAPI description
(`kith.api.description`) is generated from them. A method without a body only takes ``call``.
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
from kith.records.device import Entry

_F = TypeVar("_F", bound=Callable[..., Awaitable[Any]])


class Problem(msgspec.Struct, omit_defaults=True):
    """Why a request was refused."""

    error: Annotated[str, Meta(description="The reason, a word for programs.")]
    text: Annotated[str, Meta(description="The reason, a sentence for people.")]
    retry_after: (
        Annotated[int, Meta(ge=0, description="Seconds until it may work; also in the header Retry-After.")]
        | None
    ) = None
    tries_left: Annotated[int, Meta(ge=0, description="How often a code can be tried again.")] | None = None
    proof: (
        Annotated[
            str, Meta(description="That the code was right, to be sent along with the PIN within an hour.")
        ]
        | None
    ) = None
    without_pin_in: (
        Annotated[
            int, Meta(ge=0, description="Seconds of silence until the account can be had without its PIN.")
        ]
        | None
    ) = None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated device, with its account. ``agent``: its user-agent id."""

    record: AccountRecord
    entry: Entry
    agent: str


@dataclass(frozen=True, slots=True)
class Call:
    """A request. ``address``: the client's IP address. ``path``: the values of the parameters in the path."""

    address: str
    path: dict[str, str]
    query: dict[str, str]
    caller: Caller | None = None

    @property
    def device(self) -> Caller:
        """The device that makes the request. Only for endpoints that need a login."""
        assert self.caller is not None
        return self.caller


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint.

    ``takes`` and ``gives``: the types of request and answer, for `msgspec`. ``refusals``: reasons in
    `kith.accounts.errors`. ``parameters``: descriptions of the parameters in path and query, by name.
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
        """Answers a request. Raises Refused."""
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
    """Marks a method as the endpoint for ``method path``. ``open``: it needs no login."""

    def mark(method_: _F) -> _F:
        method_.__dict__["_endpoint"] = (method, path, summary, status, open, refusals, parameters or {})
        return method_

    return mark


def endpoints(resource: object) -> Iterator[Endpoint]:
    """The endpoints of a resource, in the order of its file."""
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
        raise Refused("bad-request", f"{name} is not as described")


def decode(body: bytes, kind: Any) -> Any:
    """Decodes JSON into a type. Raises Refused."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused("bad-request", _plain(str(error))) from None


def _plain(text: str) -> str:
    return re.sub(r"[^\x20-\x7e]", "?", text)[:200]
