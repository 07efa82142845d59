"""What each author has posted: by which ids it can be deleted, and how much a day it is."""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from kith.base.clock import Clock
from kith.ports.store import Store, Write
from kith.status.names import DAY, MAX_A_DAY, MAX_AUDIENCE
from kith.wire.errors import StanzaError

_SPACE = "status"
_CACHED = 5000


class Posted(msgspec.Struct, array_like=True):
    """A status. ``ids``: of its messages. ``at``, ``until``: seconds since 1970. ``people``: how many."""

    ids: list[int]
    at: int
    until: int
    people: int = 0
    deleted: bool = False


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Posted).decode


class Author:
    """Somebody who posts statuses. ``log``: the id of the log that has them; ``posts``: by origin id."""

    def __init__(self, log: int, posts: dict[str, Posted]) -> None:
        self.log = log
        self.posts = posts

    def fresh(self, id: str, now: float) -> Posted:
        """A status that has neither expired nor was deleted. Raises StanzaError."""
        found = self.posts.get(id)
        if found is None or found.deleted or found.until <= now:
            raise StanzaError("item-not-found", "there is no such status")
        return found

    def check_post(self, id: str, people: int, now: float) -> None:
        """Checks the bounds of one more message. Raises StanzaError."""
        known = self.posts.get(id)
        if known is not None:
            if known.people + people > MAX_AUDIENCE:
                raise StanzaError("policy-violation", f"at most {MAX_AUDIENCE} people", type="modify")
        elif sum(posted.at > now - DAY for posted in self.posts.values()) >= MAX_A_DAY:
            raise StanzaError("resource-constraint", f"at most {MAX_A_DAY} statuses a day", type="wait")

    def note(self, id: str, posted: Posted) -> Write:
        """Notes a status. Returns the document for it."""
        self.posts[id] = posted
        return Write(self.log, _SPACE, id, _encode(posted))

    def forget_old(self, now: float) -> list[Write]:
        """Forgets what neither exists nor counts any more. Returns the documents to be removed."""
        old = [id for id, posted in self.posts.items() if max(posted.until, posted.at + DAY) <= now]
        for id in old:
            del self.posts[id]
        return [Write(self.log, _SPACE, id, None) for id in old]


class Authors:
    """Loads and caches authors."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._authors: OrderedDict[str, Author] = OrderedDict()

    async def load(self, name: str, account: int, create: bool = False) -> Author:
        """An author. ``account``: its id; 0 for people of other servers, who are known by their address.

        ``create``: so that it can post; otherwise nothing is stored for somebody who has not. Has to be
        called while nothing else is done for this author.
        """
        key = str(account) if account else name
        author = self._authors.get(key)
        if author is None:
            log = await self._store.side_log(account, "posts" if account else f"posts {name}", create)
            if not log:
                return Author(0, {})
            await self._store.flush()
            documents = await self._store.documents(log, _SPACE)
            author = Author(log, {one.key: _decode(one.value) for one in documents})
            self._authors[key] = author
            while len(self._authors) > _CACHED:
                self._authors.popitem(last=False)
        self._authors.move_to_end(key)
        return author

    def forget(self, author: Author) -> None:
        """Reads an author again when that is needed, since what is here may differ from what is stored."""
        for key, one in list(self._authors.items()):
            if one is author:
                del self._authors[key]

    def clear(self) -> None:
        """As `forget`, for all."""
        self._authors.clear()
