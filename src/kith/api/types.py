"""Types that several resources of the HTTP API share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kith.accounts.enrolment import About, Enrolled
from kith.base.ids import stamp


def whole(pattern: str) -> str:
    r"""A pattern that has to match a whole text.

    It ends with ``\Z``, since Python's $ also matches before a newline at the end. In the description of
    the API, whose patterns are in the syntax of JSON Schema (ECMA-262), this becomes a $ again.
    """
    return rf"^(?:{pattern})\Z"


#: A phone number in any usual notation.
Number = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=40,
        description="A phone number, in any usual notation.",
        examples=["+491701234567"],
    ),
]
Country = Annotated[
    str,
    Meta(
        pattern=whole("([A-Z]{2})?"),
        description="The country of a number without a country calling code (ISO 3166-1 alpha-2).",
    ),
]
Code = Annotated[str, Meta(pattern=whole("[0-9]{6}"), description="The six digits from the text message.")]
Name = Annotated[str, Meta(max_length=100)]
_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"


def moment(seconds: float) -> str:
    """A time (seconds since 1970) in the format of RFC 3339; empty for 0."""
    return stamp(datetime.fromtimestamp(seconds, UTC)) if seconds else ""


class NewDevice(msgspec.Struct, forbid_unknown_fields=True):
    """What a client says about itself and its device."""

    agent: Annotated[
        str,
        Meta(
            pattern=whole(f"(?:{_UUID})?"),
            description="The client's user-agent id (XEP-0388 §2.3), a UUID that it creates once and keeps.",
        ),
    ] = ""
    name: Name = ""
    software: Name = ""
    platform: Name = ""
    mechanism: Annotated[
        Literal["HT-SHA-256-NONE", "HT-SHA-256-ENDP", "HT-SHA-256-UNIQ"],
        Meta(description="The SASL mechanism for which the client wants a token (XEP-0484)."),
    ] = "HT-SHA-256-NONE"

    def about(self) -> About:
        return About(self.agent, self.name, self.software, self.platform, self.mechanism)


class Login(msgspec.Struct):
    """What a device needs to log in over XMPP, and to use the API."""

    address: Annotated[str, Meta(description="The account's address.")]
    device: Annotated[str, Meta(description="The device's id, which never changes.")]
    agent: Annotated[str, Meta(description="The client's user-agent id.")]
    token: Annotated[str, Meta(description="The token to log in with. It is shown only once.")]
    mechanism: str
    expires: Annotated[str, Meta(description="When the token expires, unless a login renews it.")]
    new: Annotated[bool, Meta(description="Whether this request has created the account.")]

    @classmethod
    def of(cls, enrolled: Enrolled, new: bool) -> Login:
        return cls(
            enrolled.address,
            enrolled.device,
            enrolled.agent,
            enrolled.token,
            enrolled.mechanism,
            moment(enrolled.expires),
            new,
        )
