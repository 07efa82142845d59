"""Handles the stanzas that other nodes send for accounts of this node, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kith.base.figures import Figures
from kith.base.tasks import Tasks
from kith.core.actors.accounts import Elsewhere
from kith.core.actors.intake import Intake, Work
from kith.core.peers.requests import Message, Refusal, Result, encode
from kith.core.routing.foreign import Foreign
from kith.core.routing.post import Post
from kith.ports.bus import Reply
from kith.ports.store import Unavailable
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza


class Peer(Foreign):
    """A `kith.core.actors.sender.Sender` whose account another node owns.

    ``key`` identifies the stanza that is being handled; it is the same each time the stanza is sent again.
    """

    __slots__ = ("_arrival", "_key")

    def __init__(self, jid: JID, arrival: Arrival, post: Post, key: bytes | None) -> None:
        super().__init__(jid, arrival, post)
        self._arrival = arrival
        self._key = key

    @property
    def key(self) -> bytes | None:
        return self._key

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        self._arrival.refuse(stanza, error)


#: Handles a stanza from another node: `kith.core.routing.router.Router.admit_peer`.
Admit = Callable[[Peer, Stanza, JID], Work]


class Arrival(Intake):
    """One request or notice from another node.

    A request is answered when everything in it is durable or refused. From a stanza on that could not be
    stored, or is for an account that this node no longer owns, nothing more is handled, and the other node
    sends the rest again. A stanza that could not be stored although a later one was is refused, since the
    order would change otherwise.
    """

    __slots__ = ("_admit", "_keys", "_post", "_refused", "_reply", "_stanzas", "_stop", "_unstored")

    def __init__(self, tasks: Tasks, figures: Figures, post: Post, admit: Admit) -> None:
        super().__init__(tasks, figures, None)
        self._post = post
        self._admit = admit
        self._stanzas: list[Stanza] = []
        self._keys: list[bytes] = []
        self._refused: list[Refusal] = []
        self._reply: Reply | None = None
        self._unstored: dict[int, bytes] = {}  # by place: what could not be stored, with the error
        self._stop: int | None = None  # from this place on, nothing is handled

    def request(self, messages: Sequence[Message], reply: Reply) -> None:
        """Handles the stanzas of a request, and calls ``reply`` with the answer."""
        self._reply = reply
        self._stanzas = [Stanza.from_bytes(message.stanza) for message in messages]
        self._keys = [message.key for message in messages]
        for stanza in self._stanzas:
            self.take(stanza)
        if self.idle:
            self._answer()
        else:
            self.when_idle = [self._answer]

    def notice(self, stanza: Stanza) -> None:
        """Handles a stanza that is not sent again if it is lost."""
        self.take(stanza)

    def _answer(self) -> None:
        """Tells the other node how many of its stanzas are done with; says nothing if none is."""
        count = len(self._stanzas) if self._stop is None else self._stop
        while count and count - 1 in self._unstored:
            count -= 1
        if self._reply is not None and (count or not self._stanzas):
            failed = [Refusal(place, error) for place, error in self._unstored.items() if place < count]
            self._reply(encode(Result(self._refused + failed, count)))

    def _stop_at(self, place: int) -> None:
        if self._stop is None or place < self._stop:
            self._stop = place

    def _place(self, stanza: Stanza) -> int:
        """The index of the current stanza in the request; -1 in a notice."""
        for place, other in enumerate(self._stanzas):
            if other is stanza:
                return place
        return -1

    # -- as an intake ------------------------------------------------------------------------------

    def handle(self, stanza: Stanza) -> Work:
        sender, to = parse_jid(stanza.attrs["from"]), parse_jid(stanza.attrs["to"])
        place = self._place(stanza)
        if self._stop is not None or self._unstored or (to.local and not self._post.is_local(to)):
            self._stop_at(place)
            return None
        key = self._keys[place] if place >= 0 else None
        return self._admit(Peer(sender, self, self._post, key), stanza, to)

    def refuse(self, stanza: Stanza, error: StanzaError) -> None:
        place = self._place(stanza)
        if isinstance(error, Elsewhere):
            self._stop_at(place)
            return
        answer = stanza.error(error)
        if answer is None:
            return
        if place < 0:
            if not isinstance(error.__cause__, Unavailable):
                self._post.to_host(answer, parse_jid(stanza.attrs["to"]), parse_jid(stanza.attrs["from"]))
        elif isinstance(error.__cause__, Unavailable):
            self._unstored[place] = answer.to_bytes()
        else:
            self._refused.append(Refusal(place, answer.to_bytes()))

    def fail(self, error: StreamError) -> None:
        """There is no stream that an error could end: the rest of the request is left."""
        self._stop_at(0)

    def raw(self, data: bytes) -> None:
        """There is no stream."""

    def ended(self) -> None:
        """There is no stream."""
