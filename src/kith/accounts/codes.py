"""Six-digit codes that are sent by text message, to verify that somebody has a phone number.

The database holds keyed hashes of numbers and codes, never the numbers and codes themselves. It also holds
how often codes were sent and tried, so a restart gives nobody more attempts. Nothing here depends on whether
a number has an account, so no answer reveals that.
"""

from __future__ import annotations

import hmac
import math
from typing import NoReturn

import msgspec
import structlog

from kith.accounts.budget import Budget
from kith.accounts.errors import Refused, count, too_many
from kith.base.addresses import network
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.numbers import country_of
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.base.secret import Secret
from kith.config import Config
from kith.ports.sms import SMS, SMSError
from kith.ports.store import Document, DocumentStore

SPACE = "codes"
#: How long a code is valid, in seconds.
LIFETIME = 600.0
#: The maximum number of attempts to enter a code: from one network (see `network`), and in total. Because of
#: the first, a stranger can't use up the attempts of the person who has requested the code.
TRIES = 5
TRIES_IN_ALL = 25
#: Seconds to wait for another code after one, two, three and four codes for a number. After more, the wait
#: ends a day after the first of them.
WAITS = (60.0, 120.0, 600.0, 3600.0)
#: Codes that were entered correctly cause no waits, up to this many per day, so that people can log in often.
USED_PER_DAY = 20
_DAY = 86400.0
#: The maximum number of requested codes, and of wrong codes, per network and hour.
PER_ADDRESS = 10
WRONG_PER_ADDRESS = 30
_HOUR = 3600.0
#: The maximum number of codes that are being sent at the same time.
_MAX_CONCURRENT = 64
#: How often a write is tried when other requests change the same record.
_MAX_WRITES = 5
logger = structlog.get_logger("kith")


class Pending(msgspec.Struct, array_like=True):
    """What is stored for a number. All times are in seconds since 1970.

    ``code``: the keyed hash of the last code; empty once that was used. ``made``: when it was sent.
    ``tries``: how many attempts are left in total. ``tried``: how many were made from each network, whose
    keyed hash is the key. ``sends``: when the unused codes of the last day were sent. ``used``: when the
    used ones were sent.
    """

    code: bytes
    made: float
    tries: int
    sends: list[float]
    tried: dict[bytes, int] = {}
    used: list[float] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Pending).decode


class Codes:
    """Sends codes and checks them. Counts for the metrics how many text messages were sent or failed."""

    def __init__(
        self,
        config: Config,
        domain: Domain,
        secret: Secret,
        clock: Clock,
        randomness: Randomness,
        store: DocumentStore,
        sms: SMS,
        figures: Figures,
    ) -> None:
        self._domain = domain
        self._clock = clock
        self._randomness = randomness
        self._store = store
        self._sms = sms
        self._secret = secret.key("codes")
        self._addresses = RateLimit(PER_ADDRESS, _HOUR)
        self._wrong = RateLimit(WRONG_PER_ADDRESS, _HOUR)
        self.budget = Budget(store, config, clock)
        self._under_way = 0
        self._results = figures.sms
        self._countries = figures.sms_countries

    def _hash(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, "\0".join(parts).encode(), "sha256")

    def _key(self, number: str) -> str:
        return self._hash("number", number).hex()[:32]

    async def send(self, number: str, address: str) -> float:
        """Sends a code, which replaces an earlier one. Returns the seconds until another can be requested.

        ``number``: in E.164. ``address``: the IP address that the request came from. Raises Refused.
        """
        await self.budget.load()
        country = country_of(number)
        self._count(net := network(address), country)
        self._under_way += 1
        try:
            return await self._send(number, net, country)
        finally:
            self._under_way -= 1

    def _count(self, net: str, country: str) -> None:
        """Counts a message for a network, a country and in total.

        Raises Refused, without counting it, if a limit is reached.
        """
        if self._under_way >= _MAX_CONCURRENT:
            raise Refused("unavailable", "Too many messages are being sent. Try again soon.", 5.0)
        count(self._addresses, net, self._clock.steady())
        if wait := self.budget.take(country):
            self._addresses.add(net, self._clock.steady(), -1)
            self._note("limited", country)
            if math.isinf(wait):
                raise Refused("country-not-served", "This server sends no codes to numbers of that country.")
            raise too_many(wait)

    def _note(self, result: str, country: str) -> None:
        """Counts what became of a message, for the metrics."""
        self._results[result] += 1
        self._countries[country, result] += 1

    def _uncount(self, net: str, country: str) -> None:
        """Uncounts a message that was not sent."""
        self._addresses.add(net, self._clock.steady(), -1)
        self.budget.give_back(country)

    async def _send(self, number: str, net: str, country: str) -> float:
        key, now = self._key(number), self._clock.now()
        try:
            document = await self._store.document(0, SPACE, key)
            known = _pending(document)
            sends = known.sends if known is not None else []
            # times in the future were stored while the clock was wrong
            sends = [at for at in sends if -_HOUR < now - at < _DAY]
            used = [at for at in (known.used if known is not None else []) if -_HOUR < now - at < _DAY]
            if wait := _wait(sends if len(used) < USED_PER_DAY else sorted([*sends, *used]), now):
                raise too_many(wait)
            code = f"{self._randomness.below(1_000_000):06}"
            pending = Pending(self._hash("code", number, code), now, TRIES_IN_ALL, [*sends, now], {}, used)
            seq = await self._store.put_if(0, SPACE, key, _encode(pending), document.seq if document else 0)
            if not seq:  # another request has just sent a code to this number
                raise too_many(WAITS[0])
        except BaseException:
            self._uncount(net, country)
            raise
        try:
            await self._sms.send(number, text(code, self._domain.name))
        except SMSError as error:
            self._note("failed", country)
            logger.error("text message not sent", country=country, error=str(error))
            unsent = Pending(b"", now, 0, sends, {}, used)  # without this code, which causes no wait
            await self._store.put_if(0, SPACE, key, _encode(unsent), seq)
            reason = "Text messages can't be sent at the moment. Try again soon."
            raise Refused("unavailable", reason, error.wait) from None
        self._note("sent", country)
        return _wait(pending.sends, now)

    async def check(self, number: str, code: str, address: str) -> None:
        """Checks a code, which then can't be used again. Raises Refused if it is wrong or has expired.

        ``number``: in E.164. ``address``: the IP address that the request came from. The attempt is counted
        before the codes are compared, so parallel requests get no additional attempts.
        """
        net = network(address)
        count(self._wrong, net, self._clock.steady())
        try:
            await self._check(number, code, net)
        except Refused as error:
            if error.reason != "wrong-code":
                self._wrong.add(net, self._clock.steady(), -1)
            else:
                logger.info("wrong code", number=number, address=address)
            raise
        except BaseException:
            self._wrong.add(net, self._clock.steady(), -1)
            raise
        self._wrong.add(net, self._clock.steady(), -1)

    async def _check(self, number: str, code: str, net: str) -> None:
        who = self._hash("tried", net)[:8]
        for _ in range(_MAX_WRITES):
            document = await self._store.document(0, SPACE, self._key(number))
            pending = _pending(document)
            if document is None or pending is None or self._is_over(pending):
                self._expired()
            tried = pending.tried.get(who, 0) + 1
            if tried > TRIES:
                self._expired()
            correct = hmac.compare_digest(pending.code, self._hash("code", number, code))
            pending.tried[who] = tried
            pending.tries -= 1
            if correct:
                pending.code = b""
                pending.sends = [at for at in pending.sends if at != pending.made]
                pending.used.append(pending.made)
            if await self._write(document, pending):
                if correct:
                    return
                left = min(TRIES - tried, pending.tries)
                text = "The code is wrong." if left else "The code is wrong. Request a new one."
                raise Refused("wrong-code", text, left=left)
        raise too_many(1.0)

    async def _write(self, was: Document, pending: Pending) -> bool:
        return bool(await self._store.put_if(0, SPACE, was.key, _encode(pending), was.seq))

    def _is_over(self, pending: Pending) -> bool:
        return not pending.code or pending.tries <= 0 or self._clock.now() - pending.made >= LIFETIME

    def _expired(self) -> NoReturn:
        raise Refused("expired-code", "The code has expired, or none was sent. Request a new one.")

    async def sweep(self) -> None:
        """Deletes the records of numbers to which no code was sent for a day."""
        now = self._clock.now()
        for document in await self._store.documents(0, SPACE):
            pending = _pending(document)
            if pending is None or not -_DAY < now - pending.made < _DAY:
                await self._store.remove(0, SPACE, document.key)


def _pending(document: Document | None) -> Pending | None:
    """The content of a document; None if there is no document, or it is damaged."""
    if document is None:
        return None
    try:
        return _decode(document.value)
    except msgspec.DecodeError as error:
        logger.error("a record is damaged and ignored", space=SPACE, exc_info=error)
        return None


def _wait(sends: list[float], now: float) -> float:
    """The seconds until another code may be sent to a number. ``sends``: when earlier ones were, in order."""
    if not sends:
        return 0.0
    if len(sends) > len(WAITS):
        return max(0.0, sends[0] + _DAY - now)
    return max(0.0, sends[-1] + WAITS[len(sends) - 1] - now)


def text(code: str, domain: str) -> str:
    """The text of the message that contains a code.

    The last line lets browsers fill in the code (WICG, origin-bound one-time codes).
    """
    return f"{code} is your Kith code. Do not share it.\n\n@{domain} #{code}"
