"""A media server on another machine, or in another process: asked over its control port."""

from __future__ import annotations

import hmac

import aiohttp
import msgspec

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.media.control import PATH
from kith.media.requests import MediaUnreachable, Reply, Request
from kith.media.signing import NONCE, SIGNATURE, TIME, sign_answer, sign_request

#: How long to wait for an answer, in seconds.
_PATIENCE = 10.0
_MOST_BYTES = 4 * 1024 * 1024
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Reply).decode


class RemoteMedia:
    """A `kith.media.requests.Media` at a URL. ``key``: what requests are signed with."""

    def __init__(self, url: str, key: bytes, clock: Clock, randomness: Randomness) -> None:
        self._url = url.rstrip("/") + PATH
        self._key = key
        self._clock = clock
        self._randomness = randomness
        self._http: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        timeout = aiohttp.ClientTimeout(total=_PATIENCE)
        self._http = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)

    async def stop(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def ask(self, request: Request) -> Reply:
        """Asks, and once more if the connection fails: requests may arrive twice."""
        try:
            return await self._ask(request)
        except aiohttp.ClientError:
            pass
        try:
            return await self._ask(request)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise MediaUnreachable(f"{self._url}: {error or type(error).__name__}") from None

    async def _ask(self, request: Request) -> Reply:
        body, nonce, time = _encode(request), self._randomness.token(16), str(int(self._clock.now()))
        headers = {
            TIME: time,
            NONCE: nonce,
            SIGNATURE: sign_request(self._key, time, nonce, body),
            "Content-Type": "application/json",
        }
        if self._http is None:
            raise MediaUnreachable("the server is starting or stopping")
        try:
            async with self._http.post(
                self._url, data=body, headers=headers, allow_redirects=False
            ) as answer:
                content = b""
                while len(content) < _MOST_BYTES and (piece := await answer.content.readany()):
                    content += piece
                if answer.status != 200:
                    reason = content[:200].decode(errors="replace").strip()
                    raise MediaUnreachable(f"{self._url} answers {answer.status}: {reason}")
                signature = answer.headers.get(SIGNATURE, "")
        except TimeoutError:
            raise MediaUnreachable(f"{self._url} does not answer within {_PATIENCE:.0f} s") from None
        expected = sign_answer(self._key, nonce, content)
        if not hmac.compare_digest(signature.encode(), expected.encode()):
            raise MediaUnreachable(f"{self._url} gives an answer that is not signed with media_secret")
        try:
            reply: Reply = _decode(content)
            return reply
        except msgspec.DecodeError as error:
            raise MediaUnreachable(f"{self._url} answers what this version does not know: {error}") from None
