"""The SDK: an XMPP client that encrypts, remembers and reconnects by itself; the terminal app stands on it.

Built on slixmpp and slixmpp-omemo. It imports nothing of the server: any XMPP server will do.

    async with Client("bot@localhost", "secret") as me:
        await me.send("alice@localhost", "hello")
        async for message in me.messages():
            if message.incoming:
                await message.reply(f"You said: {message.body}")
"""

from kith.client.client import Client
from kith.client.errors import (
    AccountInUse,
    CertificateChanged,
    CertificateInvalid,
    ClientError,
    LoginFailed,
    NotEncrypted,
    NotOnline,
    NoTrustedDevices,
    PeerHasNoDevices,
    Refused,
    ServerLacks,
    ServerUnreachable,
)
from kith.client.events import (
    ConnectionChanged,
    ContactChanged,
    ContactRequest,
    Event,
    KeysChanged,
    MessageChanged,
    MessageReceived,
    Typing,
)
from kith.client.message import Chat, Fingerprint, Link, Message, State, Trust
from kith.client.profile import Profile

__all__ = [
    "AccountInUse",
    "CertificateChanged",
    "CertificateInvalid",
    "Chat",
    "Client",
    "ClientError",
    "ConnectionChanged",
    "ContactChanged",
    "ContactRequest",
    "Event",
    "Fingerprint",
    "KeysChanged",
    "Link",
    "LoginFailed",
    "Message",
    "MessageChanged",
    "MessageReceived",
    "NoTrustedDevices",
    "NotEncrypted",
    "NotOnline",
    "PeerHasNoDevices",
    "Profile",
    "Refused",
    "ServerLacks",
    "ServerUnreachable",
    "State",
    "Trust",
    "Typing",
]
