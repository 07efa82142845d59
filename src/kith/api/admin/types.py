"""Types that several resources of the admin API share."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kith.admin.exclusions import MAX_TEXT
from kith.api.types import moment
from kith.records.bans import Ban as Stored

#: The path parameter of an account.
ADDRESS = {
    "address": {
        "type": "string",
        "description": "The bare address, or the part before the @; percent-encoded.",
    }
}
Days = Annotated[
    float, Meta(ge=0, le=36500, description="After how many days it ends; 0: when it is lifted.")
]
Reason = Annotated[
    str, Meta(max_length=MAX_TEXT, description="What the person is told. Empty: a usual text.")
]
Note = Annotated[str, Meta(max_length=MAX_TEXT, description="For operators only.")]
Scope = Annotated[
    Literal["all", "registration"],
    Meta(description="For everything, or only for new accounts; the latter leaves existing ones alone."),
]


class Ban(msgspec.Struct):
    """A suspension of an account, or a ban."""

    id: str
    kind: Literal["suspension", "account", "number", "prefix", "country", "network"]
    value: Annotated[
        str,
        Meta(description="The part of an address before the @, a number, a prefix, a country or a network."),
    ]
    scope: Scope
    reason: Annotated[str, Meta(description="What the person is told, if not the usual text.")]
    note: Annotated[str, Meta(description="For operators only.")]
    made: str
    by: str
    until: Annotated[str, Meta(description="When it ends; empty: when it is lifted.")]

    @classmethod
    def of(cls, ban: Stored) -> Ban:
        return cls(
            ban.id,
            ban.kind,
            ban.value,
            ban.scope,
            ban.reason,
            ban.note,
            moment(ban.made),
            ban.by,
            moment(ban.until),
        )
