"""Server dialback on a stream that another server has opened (XEP-0220): what it proves, and what it asks."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from kith.federation import dialback
from kith.federation.failures import Failure, NotFound, Untrusted
from kith.federation.federation import Federation
from kith.wire.errors import StreamError
from kith.wire.jid import parse_jid
from kith.wire.stanza import Stanza

#: The maximum number of pairs of domains on one stream, and of verifications in progress.
MAX_PAIRS = 100
MAX_VERIFYING = 10
logger = structlog.get_logger("kith")


def domain_of(text: str | None) -> str:
    """The domain that an attribute names. Raises StreamError."""
    try:
        jid = parse_jid(text or "")
    except ValueError:
        raise StreamError("improper-addressing") from None
    if jid.local or jid.resource:
        raise StreamError("improper-addressing")
    return jid.domain


def _condition(failure: Failure) -> str:
    """The error for a server that could not be asked about its key (XEP-0220 §2.4)."""
    if isinstance(failure, NotFound):
        return "item-not-found"
    return "policy-violation" if isinstance(failure, Untrusted) else "remote-server-timeout"


class Verifying:
    """The pairs of domains that were verified on one stream.

    ``stream_id``: the id that the stream has now; empty if it is closed. ``send`` sends an element on it.
    """

    __slots__ = ("_federation", "_in_progress", "_send", "_stream_id", "pairs")

    def __init__(
        self, federation: Federation, stream_id: Callable[[], str], send: Callable[[bytes], None]
    ) -> None:
        self._federation = federation
        self._stream_id = stream_id
        self._send = send
        self._in_progress = 0
        self.pairs: set[tuple[str, str]] = set()
        """The domain of the other server and ours, of those that were verified."""

    def receive(self, element: Stanza) -> None:
        """Handles ``<db:result/>`` or ``<db:verify/>``. Raises StreamError."""
        if "type" in element.attrs:
            raise StreamError("bad-format", "an answer that nobody asked for")
        remote, local = domain_of(element.attrs.get("from")), domain_of(element.attrs.get("to"))
        key = (element.element.text or "").strip()
        if element.tag == dialback.RESULT:
            self._prove(local, remote, key)
        else:
            self._answer(local, remote, element.id, key)

    def _prove(self, local: str, remote: str, key: str) -> None:
        """Verifies a key by asking its domain's server over a verified stream (XEP-0220 §2.2.1)."""
        here = self._federation.is_here
        if not here(local):
            self._tell("result", local, remote, "error", error="item-not-found")
            return
        if remote == local or here(remote):
            raise StreamError("invalid-from")
        if len(self.pairs) >= MAX_PAIRS or self._in_progress >= MAX_VERIFYING:
            self._tell("result", local, remote, "error", error="resource-constraint")
            return
        self._in_progress += 1
        self._federation.tasks.spawn(self._verify(local, remote, self._stream_id(), key))

    async def _verify(self, local: str, remote: str, id: str, key: str) -> None:
        error = ""
        valid = False
        try:
            valid = await self._federation.outgoing.verify(local, remote, id, key)
        except Failure as problem:
            error = _condition(problem)
            logger.warning("another server was not verified", domain=remote, reason=str(problem))
        finally:
            self._in_progress -= 1
        if id != self._stream_id():
            return
        if valid:
            self.pairs.add((remote, local))
            self._federation.outgoing.heard(local, remote)
        self._tell(
            "result", local, remote, "error" if error else "valid" if valid else "invalid", error=error
        )

    def _answer(self, local: str, remote: str, id: str, key: str) -> None:
        """Answers another server that asks whether a key is ours (XEP-0220 §2.2.2)."""
        if not self._federation.is_here(local):
            self._tell("verify", local, remote, "error", id, "item-not-found")
            return
        fits = self._federation.outgoing.keys.fits(key, remote, local, id)
        self._tell("verify", local, remote, "valid" if fits else "invalid", id)

    def _tell(self, name: str, local: str, remote: str, type: str, id: str = "", error: str = "") -> None:
        attrs = {"from": local, "to": remote, "type": type}
        if id:
            attrs["id"] = id
        self._send(dialback.element(name, attrs, error=error))
