"""What the admin API shows of people."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from kith.admin.people import Facts
from kith.api.admin.types import Ban
from kith.api.types import moment
from kith.core.actors.account import Session as Bound
from kith.ports.store import Usage
from kith.records.app_passwords import AppPassword as StoredPassword
from kith.records.device import Device as StoredDevice

_LastSeen = Annotated[
    str,
    Meta(description="When it was last online; of devices, to the hour. The present time if it is online."),
]


class Person(msgspec.Struct):
    """An account."""

    address: str
    number: Annotated[str, Meta(description="In E.164; empty if the account is not a number's.")]
    name: Annotated[str, Meta(description="The name that they have given themselves, in their profile.")]
    state: Literal["active", "suspended", "banned"]
    online: Annotated[bool, Meta(description="Whether a client is connected.")]
    last_seen: _LastSeen
    devices: Annotated[int, Meta(description="How many devices are logged in.")]
    operator: bool

    @classmethod
    def of(cls, facts: Facts, now: float) -> Person:
        return cls(
            facts.jid,
            facts.number,
            facts.name,
            facts.state,
            facts.online,
            moment(now if facts.online else facts.last_seen),
            len(facts.devices),
            facts.operator,
        )


class PersonDevice(msgspec.Struct):
    """A device of an account."""

    id: str
    name: str
    software: str
    platform: str
    created: str
    last_seen: _LastSeen
    online: bool
    app_password: Annotated[
        str, Meta(description="The id of the app password it has logged in with, if any.")
    ]

    @classmethod
    def of(cls, device: StoredDevice, online: bool, now: float) -> PersonDevice:
        return cls(
            device.id,
            device.title,
            device.software,
            device.platform,
            moment(device.created),
            moment(now if online else device.used),
            online,
            device.credential,
        )


class PersonPassword(msgspec.Struct):
    """An app password of an account."""

    id: str
    name: str
    created: str
    last_used: str
    online: bool

    @classmethod
    def of(cls, password: StoredPassword, online: bool) -> PersonPassword:
        return cls(password.id, password.name, moment(password.created), moment(password.used), online)


class PersonSession(msgspec.Struct):
    """A session of an account (RFC 6120 §7). One that has lost its connection can be resumed for a while."""

    resource: str
    device: Annotated[str, Meta(description="The id of its device, if it has one.")]
    address: Annotated[str, Meta(description="The IP address that it was last connected from.")]
    connected: bool
    available: Annotated[bool, Meta(description="Whether it has sent presence, and gets messages.")]

    @classmethod
    def of(cls, session: Bound) -> PersonSession:
        connected = session.sink is not None
        available = session.presence is not None
        return cls(session.jid.resource, session.device, session.address, connected, available)


class PersonAddress(msgspec.Struct):
    """A network address that an account has connected from; of IPv6, a /64 network. Times are to the hour."""

    address: str
    first: str
    last: str


class Storage(msgspec.Struct):
    """What an account takes up on the server."""

    messages: int
    message_bytes: int
    undelivered: Annotated[int, Meta(description="Messages that none of its devices has received yet.")]
    outgoing: Annotated[int, Meta(description="Messages that wait for another server.")]
    documents: Annotated[int, Meta(description="Contacts, profile, keys, settings and the like.")]
    document_bytes: int

    @classmethod
    def of(cls, usage: Usage) -> Storage:
        return cls(*usage)


class PersonDetails(Person):
    """An account with everything that operators see of it."""

    devices_list: list[PersonDevice]
    app_passwords: list[PersonPassword]
    sessions: list[PersonSession]
    addresses: Annotated[
        list[PersonAddress],
        Meta(description="Kept for the setting `keep_addresses_days`; the last one first."),
    ]
    storage: Storage
    contacts: Annotated[int, Meta(description="How many contacts it has.")]
    password: Annotated[bool, Meta(description="Whether it has a password of its own.")]
    reports: Annotated[int, Meta(description="How many people have reported it.")]
    bans: Annotated[list[Ban], Meta(description="The suspensions and bans that apply to it.")]
    moved_from: Annotated[list[str], Meta(description="Its former addresses that still lead to it.")]


class PersonPage(msgspec.Struct):
    """A page of the list. ``next``: for the parameter ``after``; empty at the end."""

    people: list[Person]
    total: Annotated[int, Meta(description="How many people there are on all pages.")]
    next: str
