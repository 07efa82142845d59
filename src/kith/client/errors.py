"""What can go wrong, as a tree. The text of each is for a person: what happened, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """The root of all errors that `kith.client` raises on purpose."""


class LoginFailed(ClientError):
    """The server refused the address, the password, or this device's token."""


class Refused(ClientError):
    """The server's HTTP API does not do it. ``reason`` is a word for programs, ``answer`` all it said."""

    def __init__(self, text: str, answer: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.reason = str(answer.get("error", ""))
        self.answer = answer


class ServerUnreachable(ClientError):
    """No connection, and this account has never been online here: probably a wrong host or port."""


class ServerLacks(ClientError):
    """The server refused something that encrypted chat can't do without."""


class CertificateInvalid(ClientError):
    """The server's certificate is expired, is for another name, or there is no TLS at all."""


class CertificateChanged(ClientError):
    """It is not the certificate that this account was used with. ``fingerprint``: SHA-256 of the new one."""

    def __init__(self, text: str, fingerprint: str) -> None:
        super().__init__(text)
        self.fingerprint = fingerprint


class AccountInUse(ClientError):
    """Another program has this account's data open."""


class NotOnline(ClientError):
    """It needs the server, and there is no connection now."""


class NotEncrypted(ClientError):
    """A message can't be encrypted for its peer. It was not sent."""


class PeerHasNoDevices(NotEncrypted):
    """The peer never logged in with a client that encrypts (OMEMO)."""


class NoTrustedDevices(NotEncrypted):
    """The peer has devices, but none that is trusted: compare fingerprints, then `Client.verify`."""


class NotSendable(ClientError, ValueError):
    """A message that no server would take. Nothing was stored or sent."""


class TooLarge(NotSendable):
    """It has more bytes than the server takes in one stanza."""


class BadCharacters(NotSendable):
    """It has characters that XML does not have: control characters, halves of surrogate pairs."""


class NotSent(ClientError):
    """`Client.wait_for` waited for a message that has failed."""


class DataUnusable(ClientError):
    """The folder for keys and history can't be used: no permission, no folder, or a damaged file."""


class AlreadyOpen(ClientError):
    """The same `Client` was entered a second time."""
