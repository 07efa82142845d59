"""``/api/contacts``: private contact discovery, and adding contacts."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from kith.accounts.contacts import Contacts as People
from kith.accounts.discovery import MAX_BATCH, TAG_BYTES, Discovery
from kith.api.endpoint import Call, endpoint
from kith.api.links import decoded, encoded
from kith.api.types import Name, whole

_Element = Annotated[str, Meta(pattern=whole("[A-Za-z0-9_-]{43}"), description="32 bytes in base64url.")]
_E164 = Annotated[str, Meta(pattern=whole(r"\+[1-9][0-9]{6,14}"), description="A number in E.164.")]
_VERSION = {
    "version": {"type": "string", "pattern": whole("[0-9a-f]{0,16}"), "description": "The one that is known."}
}


class Members(msgspec.Struct):
    """Tags of all numbers that have an account: values of a function that only the server can compute
    (RFC 9497).
    """

    version: str
    tag_bytes: Annotated[int, Meta(description="How long each tag is.")]
    tags: Annotated[
        str,
        Meta(
            description="The beginnings of the outputs for all numbers here, sorted, in base64url; empty if"
            " the version is the known one."
        ),
    ]
    public_key: Annotated[str, Meta(description="The server's key for VOPRF(ristretto255, SHA-512).")]


class Blinded(msgspec.Struct, forbid_unknown_fields=True):
    """Blinded numbers (E.164, as ASCII)."""

    elements: Annotated[list[_Element], Meta(min_length=1, max_length=MAX_BATCH)]


class Evaluated(msgspec.Struct):
    """The evaluated elements of a request, with one proof for all."""

    proof: Annotated[str, Meta(description="That the public key's own key was used: 64 bytes in base64url.")]
    elements: Annotated[list[str], Meta(description="In the order of the request; 32 bytes in base64url.")]


class Person(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody to add, by number."""

    number: _E164
    name: Name = ""


class NewContacts(msgspec.Struct, forbid_unknown_fields=True):
    """The people to add."""

    contacts: Annotated[list[Person], Meta(max_length=MAX_BATCH)]


class Added(msgspec.Struct):
    """How many were added. It does not reveal who has an account or who has added whom."""

    added: Annotated[int, Meta(description="How many were not in the contacts before.")]


class Contacts:
    """The endpoints, for any device of the account."""

    def __init__(self, discovery: Discovery, people: People) -> None:
        self._discovery = discovery
        self._people = people

    @endpoint("GET", "/api/contacts/members", "Who is here, to compare with", parameters=_VERSION)
    async def members(self, call: Call) -> Members:
        """The tags reveal nothing about numbers that were not evaluated (``/api/contacts/evaluate``)."""
        members = await self._discovery.members()
        tags = b"" if call.query.get("version") == members.version else members.tags
        return Members(members.version, TAG_BYTES, encoded(tags), encoded(self._discovery.public_key))

    @endpoint(
        "POST",
        "/api/contacts/evaluate",
        "Have numbers evaluated, blinded",
        refusals=("too-many", "invalid-element"),
    )
    async def evaluate(self, call: Call, request: Blinded) -> Evaluated:
        """The server does not see the numbers.

        The results never change: keep them, and only ask for new numbers.
        """
        elements = [decoded(element) for element in request.elements]
        output = await self._discovery.evaluate(call.device.record, elements)
        proof, rest = output[:64], output[64:]
        parts = [encoded(rest[start : start + 32]) for start in range(0, len(rest), 32)]
        return Evaluated(encoded(proof), parts)

    @endpoint("POST", "/api/contacts", "Add people to the contacts", refusals=("conflict", "not-found"))
    async def add(self, call: Call, request: NewContacts) -> Added:
        """Two people see each other's presence once both have added each other."""
        people = [(person.number, person.name) for person in request.contacts]
        return Added(await self._people.add(call.device.record, people))
