"""Linking devices by QR code: mailboxes between a new device and a logged-in one.

The new device opens a mailbox, and shows a code with the mailbox's id, a public key and a secret. The other
device scans the code, encrypts an approval for that key, and puts it into the mailbox, together with the
hash of a ticket. The ticket is a random number inside the approval. The new device decrypts the approval,
and presents the ticket to become a device of the account. The server sees neither the code nor the
approval, and knows only the hash of the ticket until it is presented.

In the other direction, if the new device has the camera: the logged-in device opens a mailbox and shows an
invitation, a code with a key and a secret of its own. The new device makes its code as above, encrypts it
for that key, and puts it into the invitation's mailbox. The person compares digits that both devices derive
from the two codes. Then everything continues as if the code had been scanned.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac

import msgspec

from kith.accounts.enrolment import About, Enrolled, Enrolment
from kith.accounts.errors import Refused, count
from kith.base.addresses import network
from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.ports.store import AccountRecord, Document, Store
from kith.records.readable import readable

SPACE = "links"
#: How long a mailbox stays open, in seconds.
LIFETIME = 300.0
#: The maximum number of open mailboxes, and of new ones per network and hour.
MAX_OPEN = 10_000
PER_ADDRESS = 60
_HOUR = 3600.0
#: Seconds between two looks into a mailbox that somebody waits for.
_POLL_INTERVAL = 0.5


class Box(msgspec.Struct):
    """A mailbox.

    ``made``: when it was opened, in seconds since 1970. ``account``: the bare address of the account that has
    approved. ``ticket``: the SHA-256 of the ticket. ``sealed``: the encrypted approval. In an invitation's
    mailbox, ``account`` is the inviting account, ``sealed`` the encrypted code of the new device, and there
    is never a ticket: the approval goes to the new device's own mailbox.
    """

    made: float
    account: str = ""
    ticket: bytes = b""
    sealed: bytes = b""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Box).decode


class Links:
    """Opens, fills and reads mailboxes."""

    def __init__(self, clock: Clock, randomness: Randomness, store: Store, enrolment: Enrolment) -> None:
        self._clock = clock
        self._randomness = randomness
        self._store = store
        self._enrolment = enrolment
        self._addresses = RateLimit(PER_ADDRESS, _HOUR)

    async def open(self, address: str, account: str = "") -> str:
        """Opens a mailbox, and returns its id. ``account``: the inviting account, if any. Raises Refused."""
        count(self._addresses, network(address), self._clock.steady())
        if await self._count() >= MAX_OPEN:
            raise Refused("unavailable", "Too many devices are being linked. Try again soon.", 60.0)
        id = self._randomness.hex(16)
        await self._store.put(0, SPACE, id, _encode(Box(self._clock.now(), account)))
        return id

    async def _count(self) -> int:
        """How many mailboxes are open. Expired ones are deleted."""
        boxes = list(readable(await self._store.documents(0, SPACE), _decode, "link of a device"))
        old = [one.key for one, box in boxes if self._is_over(box)]
        for key in old:
            await self._store.remove(0, SPACE, key)
        return len(boxes) - len(old)

    def _is_over(self, box: Box) -> bool:
        """Whether a mailbox has expired, or is dated in the future, because the clock was wrong."""
        return not -LIFETIME < self._clock.now() - box.made < LIFETIME

    async def _box(self, id: str) -> tuple[Document, Box]:
        """The mailbox with an id. Raises Refused."""
        document = await self._store.document(0, SPACE, id)
        box = _decode(document.value) if document is not None else None
        if document is None or box is None or self._is_over(box):
            raise Refused("not-found", "The code is invalid or has expired. Show a new one.")
        return document, box

    async def sealed(self, id: str, wait: float = 0.0) -> bytes:
        """The content of a mailbox, as soon as there is any; empty if there is none after ``wait`` seconds.

        Raises Refused.
        """
        deadline = self._clock.steady() + wait
        while not (sealed := (await self._box(id))[1].sealed):
            left = deadline - self._clock.steady()
            if left <= 0:
                break
            await asyncio.sleep(min(_POLL_INTERVAL, left))
        return sealed

    async def approve(self, id: str, record: AccountRecord, ticket: bytes, sealed: bytes) -> None:
        """Puts an approval into a mailbox. ``ticket``: the hash of the ticket. Raises Refused."""
        document, box = await self._box(id)
        if box.account or not await self._fill(document, Box(box.made, record.jid, ticket, sealed)):
            raise Refused("conflict", "The code was approved already.")

    async def answer(self, id: str, address: str, sealed: bytes) -> None:
        """Puts a new device's encrypted code into an invitation's mailbox. Raises Refused."""
        count(self._addresses, network(address), self._clock.steady())
        document, box = await self._box(id)
        if not box.account or box.ticket:
            raise Refused("not-found", "The code is not an invitation.")
        if box.sealed or not await self._fill(document, Box(box.made, box.account, b"", sealed)):
            raise Refused("conflict", "Another device has read this code already.")

    async def _fill(self, document: Document, box: Box) -> bool:
        """Fills a mailbox. Returns False if another request has filled it since it was read."""
        return bool(await self._store.put_if(0, SPACE, document.key, _encode(box), document.seq))

    async def enter(self, id: str, ticket: bytes, about: About) -> Enrolled:
        """Creates the new device when it presents the ticket. Works once. Raises Refused."""
        _, box = await self._box(id)
        if not box.ticket or not hmac.compare_digest(hashlib.sha256(ticket).digest(), box.ticket):
            raise Refused("forbidden", "The ticket is wrong.")
        if not await self._store.remove(0, SPACE, id):
            raise Refused("not-found", "The ticket was used already.")
        record = await self._store.account(box.account)
        if record is None:
            raise Refused("not-found", "The account was deleted.")
        enrolled = await self._enrolment.enrol(record, about)
        await self._enrolment.announce(record, about)
        return enrolled
