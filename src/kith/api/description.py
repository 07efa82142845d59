"""The OpenAPI description (3.1), generated from the endpoints and their types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from kith import __version__
from kith.accounts.errors import REASONS
from kith.api.endpoint import Endpoint, Problem

_REF = "#/components/schemas/{name}"
_ABOUT = """\
Manages the accounts of a Kith server: registration with a phone number, devices, and settings of an account.
Messages are not sent with this API, but over XMPP.

A device authenticates with `Authorization: Bearer CREDENTIAL`. The credential is the base64url encoding
(RFC 4648, §5) of `LOCAL:AGENT:TOKEN`: the part of the account's address before the @, the client's user-agent
id (a UUID), and the device's token. The same token is used to log in over XMPP (XEP-0484). When the server
sends a new token over XMPP, the credential is made of that one."""
_STATUS = {
    200: "Done",
    201: "Created",
    202: "Accepted",
    204: "Done; the response is empty",
}


def describe(endpoints: Sequence[Endpoint], url: str) -> dict[str, Any]:
    """The OpenAPI document, as JSON values. ``url``: the base URL of the API."""
    kinds = [kind for one in endpoints for kind in (one.takes, one.gives) if kind is not None]
    _, components = msgspec.json.schema_components([*kinds, Problem], ref_template=_REF)
    paths: dict[str, Any] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one)
    description = {
        "openapi": "3.1.0",
        "info": {"title": "Kith", "version": __version__, "description": _ABOUT},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"device": {"type": "http", "scheme": "bearer"}},
        },
    }
    return _ecma(description)  # type: ignore[no-any-return]


def _ecma(schema: Any) -> Any:
    """A schema with its patterns in the syntax of JSON Schema (ECMA-262), where $ only matches the end."""
    if isinstance(schema, dict):
        return {
            key: value.replace(r"\Z", "$") if key == "pattern" and isinstance(value, str) else _ecma(value)
            for key, value in schema.items()
        }
    return [_ecma(item) for item in schema] if isinstance(schema, list) else schema


def _operation(one: Endpoint) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": getattr(one.handler, "__qualname__", one.summary).replace(".", "_").lower(),
        "summary": one.summary,
        "responses": _responses(one),
    }
    doc = one.handler.__doc__
    if doc:
        operation["description"] = " ".join(doc.split())
    if not one.open:
        operation["security"] = [{"device": []}]
    inside = re.findall(r"\{(\w+)\}", one.path)
    if one.parameters:
        operation["parameters"] = [
            {
                "name": name,
                "in": "path" if name in inside else "query",
                "required": name in inside,
                "schema": schema,
            }
            for name, schema in one.parameters.items()
        ]
    if one.takes is not None:
        operation["requestBody"] = {"required": True, "content": _json(one.takes)}
    return operation


def _responses(one: Endpoint) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _STATUS[one.status]}
    if one.gives is not type(None):
        answer["content"] = _json(one.gives)
    found: dict[str, Any] = {str(one.status): answer}
    for status, reasons in sorted(statuses(one).items()):
        problem: dict[str, Any] = {"description": ", ".join(reasons), "content": _json(Problem)}
        if status in (429, 503):
            problem["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}
        found[str(status)] = problem
    return found


def statuses(one: Endpoint) -> dict[int, list[str]]:
    """The reasons for which an endpoint may refuse, by HTTP status."""
    reasons = [*one.refusals, "encryption-required"]
    if one.method != "GET":
        reasons.append("forbidden")
    if one.takes is not None:
        reasons += ["bad-request", "too-large", "unsupported-media-type"]
    elif any(f"{{{name}}}" not in one.path for name in one.parameters):
        reasons.append("bad-request")
    if not one.open:
        reasons += ["not-authorized", "forbidden"]
    found: dict[int, list[str]] = {}
    for reason in dict.fromkeys(reasons):
        found.setdefault(413 if reason == "too-large" else REASONS[reason], []).append(reason)
    return found


def _json(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return {"application/json": {"schema": schema}}
