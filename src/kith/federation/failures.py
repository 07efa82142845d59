"""Why there is no stream to another server, and what that means for the stanzas that wait for it."""

from __future__ import annotations

import os

from kith.wire.errors import StanzaError


class Failure(Exception):
    """There is no stream to a server. The text says why, for people.

    ``permanent``: another attempt would fail as well, so stanzas are returned at once. ``doubtful``: nothing
    says that there is such a server at all, so they are returned soon. Otherwise they wait.
    """

    permanent = False
    doubtful = False


class NotFound(Failure):
    """There is no such server: the domain does not exist, or its records say that it has none."""

    permanent = True


class Unreachable(Failure):
    """The server can't be found or reached now; another attempt may succeed."""

    def __init__(self, text: str, doubtful: bool = False) -> None:
        super().__init__(text)
        self.doubtful = doubtful


#: Conditions of stream errors that say nothing about what was sent (RFC 6120 §4.9.3).
_PASSING = frozenset(
    ("conflict", "connection-timeout", "reset", "resource-constraint", "see-other-host", "system-shutdown")
)


class Refused(Failure):
    """The stream was refused or has ended, or the other server did not keep to the protocol.

    ``condition``: of the stream error, if there was one. ``broken``: it has ended because of what was sent.
    """

    def __init__(self, text: str, condition: str = "", broken: bool = False) -> None:
        super().__init__(text)
        self.doubtful = condition in ("host-unknown", "host-gone")
        self.broken = broken or bool(condition and condition not in _PASSING)


class Ended(Refused):
    """The other server has closed the stream without an error."""


class Denied(Refused):
    """The other server does not accept this one for the domain, or does not have the domain."""

    permanent = True


class Untrusted(Refused):
    """The server can't prove whose it is (RFC 9525): its certificate is wrong, or it has no TLS."""

    permanent = True


def describe(error: OSError | TimeoutError) -> str:
    """The reason of a failed connection, such as "connection refused"."""
    if isinstance(error, TimeoutError) and not error.errno:
        return "it does not answer"
    return os.strerror(error.errno).lower() if error.errno else str(error) or "the connection was lost"


def returned(domain: str, failure: Failure, waited: str = "") -> StanzaError:
    """The error for a stanza that was not delivered to a domain. ``waited``: for how long it was tried."""
    if waited:
        text = f"{domain} was not reached for {waited}: {failure}"
        return StanzaError("remote-server-timeout", text, type="wait")
    if failure.permanent or failure.doubtful:
        return StanzaError("remote-server-not-found", f"{domain} can't be reached: {failure}")
    return StanzaError("remote-server-timeout", f"{domain} can't be reached now: {failure}", type="wait")
