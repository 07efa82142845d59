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
    "version": {
        "type": "string",
        "pattern": whole("[0-9a-f]{0,16}"),
        "description": "The version that the client has.",
    }
}


class Members(msgspec.Struct):
    """The tags of all numbers that have an account: truncated outputs of a function that only the server can
    compute (an oblivious pseudorandom function, RFC 9497).
    """

    version: str
    tag_bytes: Annotated[int, Meta(description="The length of each tag, in bytes.")]
    tags: Annotated[
        str,
        Meta(
            description="The tags, sorted and concatenated, in base64url; empty if the client has this"
            " version already."
        ),
    ]
    public_key: Annotated[
        str, Meta(description="The server's public key for VOPRF(ristretto255, SHA-512), in base64url.")
    ]


class Blinded(msgspec.Struct, forbid_unknown_fields=True):
    """Blinded numbers. The input of the function is a number in E.164, as ASCII."""

    elements: Annotated[list[_Element], Meta(min_length=1, max_length=MAX_BATCH)]


class Evaluated(msgspec.Struct):
    """The evaluated elements of a request, with one proof for all."""

    proof: Annotated[
        str,
        Meta(description="Proves that the key behind `public_key` was used; 64 bytes in base64url."),
    ]
    elements: Annotated[list[str], Meta(description="In the order of the request; 32 bytes in base64url.")]


class Person(msgspec.Struct, forbid_unknown_fields=True):
    """Somebody to add, by phone number."""

    number: _E164
    name: Name = ""


class NewContacts(msgspec.Struct, forbid_unknown_fields=True):
    """The people to add."""

    contacts: Annotated[list[Person], Meta(max_length=MAX_BATCH)]


class Added(msgspec.Struct):
    """How many people were added. This does not reveal who has an account, or who has added whom."""

    added: Annotated[int, Meta(description="How many people were not in the contacts before.")]


class Contacts:
    """The endpoints, which any device of the account can use."""

    def __init__(self, discovery: Discovery, people: People) -> None:
        self._discovery = discovery
        self._people = people

    @endpoint(
        "GET",
        "/api/contacts/members",
        "Get the tags of all numbers that have an account",
        parameters=_VERSION,
    )
    async def members(self, call: Call) -> Members:
        """Tags reveal nothing about numbers that the client has not had evaluated
        (``/api/contacts/evaluate``).
        """
        members = await self._discovery.members()
        tags = b"" if call.query.get("version") == members.version else members.tags
        return Members(members.version, TAG_BYTES, encoded(tags), encoded(self._discovery.public_key))

    @endpoint(
        "POST",
        "/api/contacts/evaluate",
        "Evaluate blinded numbers",
        refusals=("too-many", "invalid-element"),
    )
    async def evaluate(self, call: Call, request: Blinded) -> Evaluated:
        """The server does not see the numbers.

        The results never change, so clients should keep them, and request only new numbers.
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
