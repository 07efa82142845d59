"""The errors of `kith.client`, as a tree. Each text says for people what happened and what to do next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kith.client.message import Message


class ClientError(Exception):
    """The base class of all errors that `kith.client` raises on purpose."""


class LoginFailed(ClientError):
    """The server refused the address, the password, or this device's token."""


class Refused(ClientError):
    """The server refused a request.

    ``reason``: the error code of the HTTP API. ``answer``: its whole answer.
    """

    def __init__(self, text: str, answer: Mapping[str, Any]) -> None:
        super().__init__(text)
        self.reason = str(answer.get("error", ""))
        self.answer = answer


class ServerUnreachable(ClientError):
    """There is no connection, and this account was never online here: probably a wrong host or port."""


class ServerLacks(ClientError):
    """The server lacks something that this client needs."""


class CertificateInvalid(ClientError):
    """The server's certificate has expired or is for another name, or the server offers no TLS."""


class CertificateChanged(ClientError):
    """The server shows another certificate than before. ``fingerprint``: the SHA-256 fingerprint of it."""

    def __init__(self, text: str, fingerprint: str) -> None:
        super().__init__(text)
        self.fingerprint = fingerprint


class AccountInUse(ClientError):
    """Another program has the data of this account open."""


class NotOnline(ClientError):
    """The call needs the server, and there is no connection now."""


class NotEncrypted(ClientError):
    """A message can't be encrypted for its recipient. It was not sent."""


class PeerHasNoDevices(NotEncrypted):
    """The peer has never logged in with a client that supports OMEMO.

    ``send(…, encrypted=False)`` sends a message unencrypted, that one alone.
    """


class NoTrustedDevices(NotEncrypted):
    """None of the peer's devices is trusted. Compare fingerprints, then call `Client.verify`."""


class NotSendable(ClientError, ValueError):
    """No server would accept the message. Nothing was stored or sent."""


class TooLarge(NotSendable):
    """The message is larger than the server accepts in one stanza."""


class BadCharacters(NotSendable):
    """The message has characters that XML does not allow: control characters, lone surrogates."""


class NotSent(ClientError):
    """The message that was waited for has failed. ``message``: as it is now, with its ``error``."""

    def __init__(self, text: str, message: Message | None = None) -> None:
        super().__init__(text)
        self.message = message


class GaveUp(ClientError):
    """A bot leaves a message or timer out: the program has ended three times while it was handled."""


class NotChangeable(ClientError, ValueError):
    """A message can't be edited, deleted or reacted to in this way. Nothing was changed."""


class TimedOut(ClientError, TimeoutError):
    """What was waited for did not happen in time. It may still happen."""


class MediaError(ClientError):
    """A file could not be sent, fetched or read."""


class MediaDamaged(MediaError):
    """A file was changed or cut off on its way, or its description is wrong. Nothing was saved."""


class MediaGone(MediaError):
    """The server has the file no more. Its sender was asked to upload it again, if that can help."""


class MediaUnreachable(MediaError):
    """The media server could not be reached, or did not answer as it should. Try again later.

    ``retry_in``: in so many seconds, if the server has said so.
    """

    def __init__(self, text: str, retry_in: float = 0.0) -> None:
        super().__init__(text)
        self.retry_in = retry_in


class MediaRefused(MediaError, NotSendable):
    """The server does not take a file: too large, or more than the account may store."""


class LibraryMissing(ClientError, ImportError):
    """A library is not installed that this call needs. The text says what to install."""


class InvalidAddress(ClientError, ValueError):
    """A text is not the address of an account, like ``name@example.org``."""


class InvalidProfile(ClientError, ValueError):
    """A profile's picture is too large, or of a kind that is not supported."""


class InvalidSetting(ClientError, ValueError):
    """An argument of `Client` can't be used: a malformed pin, port or proxy."""


class NoSuchGroup(ClientError, KeyError):
    """This device knows no group with that address."""

    def __str__(self) -> str:
        return str(self.args[0])  # not in quotes, as KeyError has it


class UnknownKey(ClientError, KeyError):
    """The peer has no device with that fingerprint."""

    def __str__(self) -> str:
        return str(self.args[0])  # not in quotes, as KeyError has it


class DataUnusable(ClientError):
    """The folder for keys and history can't be used: no permission, not a folder, or a damaged file."""


class AlreadyOpen(ClientError):
    """This `Client` object is open already."""


class NotOpen(ClientError):
    """The call needs an open client: one inside of ``async with``, or after `Client.open`."""
