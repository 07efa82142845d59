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
    LoginFailed,
    NotEncrypted,
    NotOnline,
    NoTrustedDevices,
    NotSendable,
    NotSent,
    PeerHasNoDevices,
    Refused,
    ServerLacks,
    ServerUnreachable,
    TooLarge,
)
from kith.client.events import (
    ConnectionChanged,
    ContactChanged,
    ContactRequest,
    Event,
    KeysChanged,
    MessageChanged,
    MessageHealed,
    MessageReceived,
    MessageUnreadable,
    Typing,
)
from kith.client.message import Chat, Fingerprint, Link, Message, State, Trust
from kith.client.profile import Profile

__all__ = [
    "AccountInUse",
    "AlreadyOpen",
    "BadCharacters",
    "CertificateChanged",
    "CertificateInvalid",
    "Chat",
    "Client",
    "ClientError",
    "ConnectionChanged",
    "ContactChanged",
    "ContactRequest",
    "DataUnusable",
    "Event",
    "Fingerprint",
    "KeysChanged",
    "Link",
    "LoginFailed",
    "Message",
    "MessageChanged",
    "MessageHealed",
    "MessageReceived",
    "MessageUnreadable",
    "NoTrustedDevices",
    "NotEncrypted",
    "NotOnline",
    "NotSendable",
    "NotSent",
    "PeerHasNoDevices",
    "Profile",
    "Refused",
    "ServerLacks",
    "ServerUnreachable",
    "State",
    "TooLarge",
    "Trust",
    "Typing",
]
