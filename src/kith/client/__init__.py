"""The SDK: an async XMPP client that encrypts, keeps its history, and reconnects by itself.

The terminal client is built on it. It uses slixmpp and slixmpp-omemo, imports nothing of the server, and
works with other XMPP servers as well. docs/sdk.md is the guide.

    async with Client("bot@localhost", "secret") as me:
        await me.send("alice@localhost", "hello")
        async for message in me.messages():
            if message.incoming:
                await message.reply(f"You said: {message.body}")
"""

from kith.client.client import Client
from kith.client.errors import (
    AccountInUse,
    AlreadyOpen,
    BadCharacters,
    CertificateChanged,
    CertificateInvalid,
    ClientError,
    DataUnusable,
    GaveUp,
    InvalidAddress,
    InvalidProfile,
    InvalidSetting,
    LoginFailed,
    NotChangeable,
    NotEncrypted,
    NotOnline,
    NotOpen,
    NoTrustedDevices,
    NotSendable,
    NotSent,
    PeerHasNoDevices,
    Refused,
    ServerLacks,
    ServerUnreachable,
    TimedOut,
    TooLarge,
    UnknownKey,
)
from kith.client.events import (
    ConnectionChanged,
    ContactChanged,
    ContactRequest,
    Event,
    KeysChanged,
    MessageChanged,
    MessageDeleted,
    MessageEdited,
    MessageHealed,
    MessageReceived,
    MessageUnreadable,
    ReactionsChanged,
    Typing,
)
from kith.client.message import Chat, Contact, Fingerprint, Link, Message, Reactions, State, Trust
from kith.client.presence import Availability, Presence
from kith.client.profile import Profile

__all__ = [
    "AccountInUse",
    "AlreadyOpen",
    "Availability",
    "BadCharacters",
    "CertificateChanged",
    "CertificateInvalid",
    "Chat",
    "Client",
    "ClientError",
    "ConnectionChanged",
    "Contact",
    "ContactChanged",
    "ContactRequest",
    "DataUnusable",
    "Event",
    "Fingerprint",
    "GaveUp",
    "InvalidAddress",
    "InvalidProfile",
    "InvalidSetting",
    "KeysChanged",
    "Link",
    "LoginFailed",
    "Message",
    "MessageChanged",
    "MessageDeleted",
    "MessageEdited",
    "MessageHealed",
    "MessageReceived",
    "MessageUnreadable",
    "NoTrustedDevices",
    "NotChangeable",
    "NotEncrypted",
    "NotOnline",
    "NotOpen",
    "NotSendable",
    "NotSent",
    "PeerHasNoDevices",
    "Presence",
    "Profile",
    "Reactions",
    "ReactionsChanged",
    "Refused",
    "ServerLacks",
    "ServerUnreachable",
    "State",
    "TimedOut",
    "TooLarge",
    "Trust",
    "Typing",
    "UnknownKey",
]
