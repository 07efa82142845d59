"""Sends text messages through a provider's HTTP gateway. The settings describe the request."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import aiohttp

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.config.sms_rules import is_json
from kith.ports.sms import SMSError

#: Seconds for one attempt, number of attempts, and seconds before the second; then twice as long each time.
TIMEOUT = 8.0
ATTEMPTS = 3
BACKOFF = 0.5
_LONGEST_WAIT = 10.0
#: How much of an answer is read.
_ANSWER_BYTES = 64 * 1024
_LATER = 30.0


class _Again(Exception):
    """This attempt failed, another may succeed. ``wait``: seconds to wait first, if the gateway says so."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class HTTPGateway:
    """An implementation of `kith.ports.sms.SMS`: one HTTP request for each message.

    ``url``, ``headers`` and ``body`` may hold ``{number}`` (+491701234567), ``{digits}`` (the same without
    the +) and ``{text}``, which are written as the place needs it: for URLs and forms percent-encoded, in
    JSON escaped. ``success_pattern``: a regular expression that the body of a successful answer contains, for
    gateways that answer 200 even if they refuse.

    The gateway's answers are neither logged nor shown: they may repeat what was sent, keys and codes
    included, in encodings that no filter would recognize.
    """

    def __init__(
        self,
        url: str,
        clock: Clock,
        randomness: Randomness,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        body: str = "",
        success_pattern: str = "",
        timeout: float = TIMEOUT,
        backoff: float = BACKOFF,
    ) -> None:
        self._url = url
        self._clock = clock
        self._randomness = randomness
        self._method = method
        self._headers = dict(headers or {})
        self._body = body
        self._success = re.compile(success_pattern)
        self._timeout = timeout
        self._backoff = backoff
        self._session: aiohttp.ClientSession | None = None
        self._json = is_json(self._headers, body)
        if body and "content-type" not in {name.lower() for name in self._headers}:
            kind = "application/json" if self._json else "application/x-www-form-urlencoded"
            self._headers["Content-Type"] = kind

    async def send(self, number: str, text: str, attempts: int = ATTEMPTS) -> None:
        """Sends one message. Raises SMSError when all attempts failed, or the gateway refuses the message."""
        wait, reason = self._backoff, ""
        for attempt in range(attempts):
            if attempt:
                await asyncio.sleep(wait * self._randomness.uniform(0.8, 1.2))
                wait *= 2
            try:
                await self._try(number, text)
                return
            except _Again as error:
                reason = str(error)
                if error.wait > _LONGEST_WAIT:
                    raise SMSError(reason, error.wait) from None
                wait = max(wait, error.wait)
        raise SMSError(f"{reason}, after {attempts} attempts" if attempts > 1 else reason, _LATER)

    async def _try(self, number: str, text: str) -> None:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=self._timeout)
            self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar())
        body = _fill(self._body, number, text, _in_json if self._json else _in_form).encode()
        headers = {name: _fill(value, number, text, _in_header) for name, value in self._headers.items()}
        url = _fill(self._url, number, text, _in_form)
        try:
            async with self._session.request(
                self._method, url, data=body or None, headers=headers, allow_redirects=False
            ) as answer:
                text_of_answer = await self._text(answer)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _Again(f"the gateway does not answer ({type(error).__name__})") from None
        if answer.status in (408, 425, 429) or answer.status >= 500:
            raise _Again(
                f"the gateway answers {answer.status}",
                _seconds(answer.headers.get("Retry-After"), self._clock.now()),
            )
        if not 200 <= answer.status < 300:
            size = f"{len(text_of_answer)} characters"
            raise SMSError(f"the gateway refuses with {answer.status} and {size}", _LATER, refused=True)
        if not self._success.search(text_of_answer):
            size = f"{len(text_of_answer)} characters"
            reason = f"the gateway's answer ({size}) does not match sms_success_pattern"
            raise SMSError(reason, _LATER, refused=True)

    async def _text(self, answer: aiohttp.ClientResponse) -> str:
        """The body of an answer, up to a limit; empty if nothing looks at it.

        Once the gateway has answered, the message may be on its way. So a body that breaks off is taken as it
        is: sending the message again could deliver it twice.
        """
        body = bytearray()
        if answer.status < 300 and not self._success.pattern:
            return ""
        with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
            while len(body) < _ANSWER_BYTES and (piece := await answer.content.readany()):
                body += piece
        return body[:_ANSWER_BYTES].decode(errors="replace")

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


def _fill(template: str, number: str, text: str, escape: Callable[[str], str]) -> str:
    """The template with its placeholders replaced by escaped values."""
    values = {"{number}": number, "{digits}": number.lstrip("+"), "{text}": text}
    return re.sub(r"\{(number|digits|text)\}", lambda match: escape(values[match[0]]), template)


def _in_json(value: str) -> str:
    return json.dumps(value)[1:-1]


def _in_form(value: str) -> str:
    return quote(value, safe="")


def _in_header(value: str) -> str:
    return quote(value, safe="+ ")


def _seconds(retry_after: str | None, now: float) -> float:
    """The seconds that a Retry-After header asks for: it is a number, or a date (RFC 9110 §10.2.3)."""
    if not retry_after:
        return 0.0
    try:
        return max(0.0, float(int(retry_after)))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(retry_after).timestamp() - now)
    except ValueError:
        return 0.0
