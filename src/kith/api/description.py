"""The OpenAPI description (3.1), generated from the endpoints and their types."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from kith import __version__
from kith.accounts.errors import REASONS
from kith.api.endpoint import Endpoint, Problem

_REF = "#/components/schemas/{name}"
_STATUS = {
    200: "Done",
    201: "Created",
    202: "Accepted",
    204: "Done; the response is empty",
}


@dataclass(frozen=True, slots=True)
class Document:
    """What the description of an API says besides its endpoints.

    ``path``: where it is served. ``scheme``: the name of its way to authenticate. ``always``: reasons for
    which every endpoint may refuse (`kith.accounts.errors.REASONS`).
    """

    path: str
    title: str
    about: str
    scheme: str
    always: Sequence[str] = ()


def describe(endpoints: Sequence[Endpoint], url: str, document: Document) -> dict[str, Any]:
    """The OpenAPI document, as JSON values. ``url``: the base URL of the API."""
    kinds = [kind for one in endpoints for kind in (one.takes, one.gives) if kind is not None]
    _, components = msgspec.json.schema_components([*kinds, Problem], ref_template=_REF)
    paths: dict[str, Any] = {}
    for one in endpoints:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, document)
    description = {
        "openapi": "3.1.0",
        "info": {"title": document.title, "version": __version__, "description": document.about},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {document.scheme: {"type": "http", "scheme": "bearer"}},
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


def _operation(one: Endpoint, document: Document) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": getattr(one.handler, "__qualname__", one.summary).replace(".", "_").lower(),
        "summary": one.summary,
        "responses": _responses(one, document),
    }
    doc = one.handler.__doc__
    if doc:
        operation["description"] = " ".join(doc.split())
    if not one.open:
        operation["security"] = [{document.scheme: []}]
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


def _responses(one: Endpoint, document: Document) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _STATUS[one.status]}
    if one.gives is not type(None):
        answer["content"] = _json(one.gives)
    found: dict[str, Any] = {str(one.status): answer}
    for status, reasons in sorted(statuses(one, document.always).items()):
        problem: dict[str, Any] = {"description": ", ".join(reasons), "content": _json(Problem)}
        if status in (429, 503):
            problem["headers"] = {"Retry-After": {"schema": {"type": "integer", "minimum": 0}}}
        found[str(status)] = problem
    return found


def statuses(one: Endpoint, always: Sequence[str] = ()) -> dict[int, list[str]]:
    """The reasons for which an endpoint may refuse, by HTTP status."""
    reasons = [*one.refusals, *always, "encryption-required"]
    if one.method != "GET":
        reasons.append("forbidden")
    if one.takes is not None:
        reasons += ["bad-request", "too-large", "unsupported-media-type"]
    elif any(f"{{{name}}}" not in one.path for name in one.parameters):
        reasons.append("bad-request")
    if not one.open:
        reasons += ["not-authorized", "forbidden", "account-disabled", "banned"]
    found: dict[int, list[str]] = {}
    for reason in dict.fromkeys(reasons):
        found.setdefault(413 if reason == "too-large" else REASONS[reason], []).append(reason)
    return found


def _json(kind: Any) -> dict[str, Any]:
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return {"application/json": {"schema": schema}}
