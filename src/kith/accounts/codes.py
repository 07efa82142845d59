"""Six-digit codes that are sent by text message, to verify that somebody has a phone number.

The database has only keyed hashes of numbers and codes, and how often a code was sent and tried, so that a
restart gives nobody more attempts. Nothing here depends on whether the number has an account, so nothing can
reveal it.
"""

from __future__ import annotations

import hmac
from typing import NoReturn

import msgspec
import structlog

from kith.accounts.budget import Budget
from kith.accounts.errors import Refused, count, too_many
from kith.base.addresses import network
from kith.base.clock import Clock
from kith.base.domain import Domain
from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.base.rates import RateLimit
from kith.base.secret import Secret
from kith.config import Config
from kith.ports.sms import SMS, SMSError
from kith.ports.store import Document, DocumentStore

SPACE = "codes"
#: How long a code is valid, in seconds.
LIFETIME = 600.0
#: The number of attempts from one address, and in total. Others can't use up the attempts of the requester.
TRIES = 5
TRIES_IN_ALL = 25
#: Seconds to wait after the first, second … code for a number; after the last, until a day has passed.
WAITS = (60.0, 120.0, 600.0, 3600.0)
#: The number of used codes per day that cause no waits, for owners who log in and out several times.
USED_PER_DAY = 20
_DAY = 86400.0
#: Requests for codes, and wrong codes, from one address per hour.
PER_ADDRESS = 10
WRONG_PER_ADDRESS = 30
_HOUR = 3600.0
#: The number of requests to the gateway at the same time.
_AT_ONCE = 64
_RACES = 5
logger = structlog.get_logger("kith")


class Pending(msgspec.Struct, array_like=True):
    """What is stored for a number.

    ``code``: the keyed hash of the last code, empty if it was used. ``tries``: the attempts that are left
    in total. ``tried``: the number of attempts by the keyed hash of the address. ``sends`` and ``used``:
    when the codes of the last day were sent that were not used, and those that were.
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
    """Sends codes and checks them. The results are counted for metrics."""

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
        self._budget = Budget(store, config, clock)
        self._under_way = 0
        self._results = figures.sms

    def _hash(self, *parts: str) -> bytes:
        return hmac.digest(self._secret, "\0".join(parts).encode(), "sha256")

    def _key(self, number: str) -> str:
        return self._hash("number", number).hex()[:32]

    async def send(self, number: str, address: str) -> float:
        """Sends a code, which replaces an older one. Returns the seconds until another one can be requested.

        ``number`` in E.164; ``address``: the IP address of the request. Raises Refused.
        """
        await self._budget.load()
        self._count(place := network(address))
        self._under_way += 1
        try:
            return await self._send(number, place)
        finally:
            self._under_way -= 1

    def _count(self, place: str) -> None:
        """Counts a message for an address and in total.

        Raises Refused without counting it if a limit is reached.
        """
        if self._under_way >= _AT_ONCE:
            raise Refused("unavailable", "Too many messages are on their way. Try again soon.", 5.0)
        count(self._addresses, place, self._clock.steady())
        if wait := self._budget.take():
            self._addresses.add(place, self._clock.steady(), -1)
            self._results["limited"] += 1
            raise too_many(wait)

    def _not_sent(self, place: str) -> None:
        self._addresses.add(place, self._clock.steady(), -1)
        self._budget.give_back()

    async def _send(self, number: str, place: str) -> float:
        key, now = self._key(number), self._clock.now()
        try:
            document = await self._store.document(0, SPACE, key)
            known = _pending(document)
            sends = known.sends if known is not None else []
            # nor later ones, of a clock that was wrong
            sends = [at for at in sends if -_HOUR < now - at < _DAY]
            used = [at for at in (known.used if known is not None else []) if -_HOUR < now - at < _DAY]
            if wait := _wait(sends if len(used) < USED_PER_DAY else sorted([*sends, *used]), now):
                raise too_many(wait)
            code = f"{self._randomness.below(1_000_000):06}"
            pending = Pending(self._hash("code", number, code), now, TRIES_IN_ALL, [*sends, now], {}, used)
            seq = await self._store.put_if(0, SPACE, key, _encode(pending), document.seq if document else 0)
            if not seq:  # another request for the number was faster
                raise too_many(WAITS[0])
        except BaseException:
            self._not_sent(place)
            raise
        try:
            await self._sms.send(number, text(code, self._domain.name))
        except SMSError as error:
            self._results["failed"] += 1
            logger.error("text message not sent", error=str(error))
            gone = Pending(b"", now, 0, sends, {}, used)  # nobody got it: it need not be waited for
            await self._store.put_if(0, SPACE, key, _encode(gone), seq)
            reason = "Text messages can't be sent at the moment. Try again soon."
            raise Refused("unavailable", reason, error.wait) from None
        self._results["sent"] += 1
        return _wait(pending.sends, now)

    async def check(self, number: str, code: str, address: str) -> None:
        """Checks a code and uses it up. Raises Refused.

        The attempt is counted before anything is compared, for the address and in total.
        """
        place = network(address)
        count(self._wrong, place, self._clock.steady())
        try:
            await self._check(number, code, place)
        except Refused as error:
            if error.reason != "wrong-code":
                self._wrong.add(place, self._clock.steady(), -1)
            else:
                logger.info("wrong code", number=number, address=address)
            raise
        except BaseException:
            self._wrong.add(place, self._clock.steady(), -1)
            raise
        self._wrong.add(place, self._clock.steady(), -1)

    async def _check(self, number: str, code: str, place: str) -> None:
        who = self._hash("tried", place)[:8]
        for _ in range(_RACES):
            document = await self._store.document(0, SPACE, self._key(number))
            pending = _pending(document)
            if document is None or pending is None or self._is_over(pending):
                self._expired()
            tried = pending.tried.get(who, 0) + 1
            if tried > TRIES:
                self._expired()
            fits = hmac.compare_digest(pending.code, self._hash("code", number, code))
            pending.tried[who] = tried
            pending.tries -= 1
            if fits:
                pending.code = b""
                pending.sends = [at for at in pending.sends if at != pending.made]
                pending.used.append(pending.made)
            if await self._write(document, pending):
                if fits:
                    return
                left = min(TRIES - tried, pending.tries)
                text = "That is not the code." if left else "That is not the code; ask for another."
                raise Refused("wrong-code", text, left=left)
        raise too_many(1.0)

    async def _write(self, was: Document, pending: Pending) -> bool:
        return bool(await self._store.put_if(0, SPACE, was.key, _encode(pending), was.seq))

    def _is_over(self, pending: Pending) -> bool:
        return not pending.code or pending.tries <= 0 or self._clock.now() - pending.made >= LIFETIME

    def _expired(self) -> NoReturn:
        raise Refused("expired-code", "There is no such code, or not any more. Ask for another.")

    async def sweep(self) -> None:
        """Deletes records of numbers for which nothing was sent for a day."""
        now = self._clock.now()
        for document in await self._store.documents(0, SPACE):
            pending = _pending(document)
            if pending is None or not -_DAY < now - pending.made < _DAY:
                await self._store.remove(0, SPACE, document.key)


def _pending(document: Document | None) -> Pending | None:
    """The content of a document; None if there is none, or it is damaged."""
    if document is None:
        return None
    try:
        return _decode(document.value)
    except msgspec.DecodeError as error:
        logger.error("a record is damaged, and counts as none", space=SPACE, exc_info=error)
        return None


def _wait(sends: list[float], now: float) -> float:
    """The seconds until another code may be sent to a number to which these were sent."""
    if not sends:
        return 0.0
    if len(sends) > len(WAITS):
        return max(0.0, sends[0] + _DAY - now)
    return max(0.0, sends[-1] + WAITS[len(sends) - 1] - now)


def text(code: str, domain: str) -> str:
    """The text of the message.

    Its last line lets browsers fill the code in (WICG, origin-bound one-time codes).
    """
    return f"{code} is your Kith code. Give it to nobody.\n\n@{domain} #{code}"
