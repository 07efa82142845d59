"""Six-digit codes by text message: they show that somebody has a phone number.

The database holds neither numbers nor codes, only keyed hashes of both, and how often a code was sent and
tried: a restart gives nobody a try more. Whether the number has an account plays no part here, so nothing
here can tell.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from typing import NoReturn

import msgspec
import structlog

from kith.accounts.errors import Refused, too_many
from kith.accounts.limits import Limit, network
from kith.core.ports import SMS, Document, SMSError, Store

SPACE = "codes"
#: How long a code is good, in seconds, and how often it can be tried.
LIFETIME = 600.0
TRIES = 5
#: Seconds to wait after the first, second … code for a number; beyond, until a day has passed.
WAITS = (60.0, 120.0, 600.0, 3600.0)
_DAY = 86400.0
#: Codes for one address in an hour; wrong codes from one address in an hour.
PER_ADDRESS = 10
WRONG_PER_ADDRESS = 30
_HOUR = 3600.0
#: Messages that may be on their way to the gateway at once.
_AT_ONCE = 64
_RACES = 5
logger = structlog.get_logger("kith")


class Pending(msgspec.Struct, array_like=True):
    """What is known of a number: ``code`` is the keyed hash of the last code, empty when it is used up.

    ``sends``: when codes were sent within the last day.
    """

    code: bytes
    made: float
    tries: int
    sends: list[float]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pending).decode


class Codes:
    """Sends codes and checks them. ``per_hour``: messages that the server sends in an hour, in total."""

    def __init__(
        self,
        store: Store,
        sms: SMS,
        secret: bytes,
        domain: str,
        per_hour: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._sms = sms
        self._secret = secret
        self._domain = domain
        self._clock = clock
        self._addresses = Limit(PER_ADDRESS, _HOUR)
        self._wrong = Limit(WRONG_PER_ADDRESS, _HOUR)
        self._total = Limit(per_hour, _HOUR)
        self._under_way = 0

    def _hash(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, "\0".join(parts).encode(), "sha256")

    def _key(self, number: str) -> str:
        return self._hash("number", number).hex()[:32]

    async def send(self, number: str, address: str) -> float:
        """Sends a code; an older one ends. Returns how many seconds until another can be had.

        ``number`` in E.164; ``address``: who asks, an IP address. Raises Refused.
        """
        for limit, key in ((self._addresses, network(address)), (self._total, "")):
            if wait := limit.wait(key):
                raise too_many(wait)
        if self._under_way >= _AT_ONCE:
            raise Refused("unavailable", "Too many messages are on their way. Try again soon.", 5.0)
        self._under_way += 1
        try:
            return await self._send(number, address)
        finally:
            self._under_way -= 1

    async def _send(self, number: str, address: str) -> float:
        key, now = self._key(number), self._clock()
        document = await self._store.document(0, SPACE, key)
        sends = [] if document is None else [at for at in _decode(document.value).sends if now - at < _DAY]
        if wait := _wait(sends, now):
            raise too_many(wait)
        code = f"{secrets.randbelow(1_000_000):06}"
        pending = Pending(self._hash("code", number, code), now, TRIES, [*sends, now])
        seq = await self._store.put_if(0, SPACE, key, _encode(pending), document.seq if document else 0)
        if not seq:  # another request for the number was faster
            raise too_many(WAITS[0])
        self._addresses.take(network(address))
        self._total.take("")
        try:
            await self._sms.send(number, text(code, self._domain))
        except SMSError as error:
            logger.error("text message not sent", error=str(error))
            gone = Pending(b"", now, 0, sends)  # nobody got it: it need not be waited for
            await self._store.put_if(0, SPACE, key, _encode(gone), seq)
            reason = "Text messages can't be sent at the moment. Try again soon."
            raise Refused("unavailable", reason, error.wait) from None
        return _wait(pending.sends, now)

    async def check(self, number: str, code: str, address: str) -> None:
        """Uses a code up. The try counts before it is compared. Raises Refused."""
        if wait := self._wrong.wait(network(address)):
            raise too_many(wait)
        for _ in range(_RACES):
            document = await self._store.document(0, SPACE, self._key(number))
            pending = _decode(document.value) if document is not None else None
            if document is None or pending is None or self._is_over(pending):
                self._expired()
            fits = hmac.compare_digest(pending.code, self._hash("code", number, code))
            pending.tries -= 1
            if fits:
                pending.code = b""
            if await self._write(document, pending):
                if not fits:
                    self._wrong.take(network(address))
                    text = (
                        "That is not the code." if pending.tries else "That is not the code; ask for another."
                    )
                    raise Refused("wrong-code", text, left=pending.tries)
                return
        raise too_many(1.0)

    async def _write(self, was: Document, pending: Pending) -> bool:
        return bool(await self._store.put_if(0, SPACE, was.key, _encode(pending), was.seq))

    def _is_over(self, pending: Pending) -> bool:
        return not pending.code or pending.tries <= 0 or self._clock() - pending.made >= LIFETIME

    def _expired(self) -> NoReturn:
        raise Refused("expired-code", "There is no such code, or not any more. Ask for another.")

    async def sweep(self) -> None:
        """Forgets numbers for which nothing was sent for a day."""
        now = self._clock()
        for document in await self._store.documents(0, SPACE):
            if now - _decode(document.value).made >= _DAY:
                await self._store.remove(0, SPACE, document.key)

    async def keep_clean(self) -> None:
        """For ever: sweeps each hour."""
        while True:
            await self.sweep()
            await asyncio.sleep(_HOUR)


def _wait(sends: list[float], now: float) -> float:
    """Seconds until another code may be sent to a number that had these."""
    if not sends:
        return 0.0
    if len(sends) > len(WAITS):
        return max(0.0, sends[0] + _DAY - now)
    return max(0.0, sends[-1] + WAITS[len(sends) - 1] - now)


def text(code: str, domain: str) -> str:
    """The message. Its last line lets a browser fill the code in (WICG, origin-bound one-time codes)."""
    return f"{code} is your Kith code. Give it to nobody.\n\n@{domain} #{code}"
