"""The control port of a media server that runs alone: slots, claims and quotas, for message servers."""

from __future__ import annotations

import msgspec
import structlog
from aiohttp import web

from kith.base.clock import Clock
from kith.edge.application import HTTPApplication
from kith.media.requests import Media, MediaUnreachable, Reply, Request
from kith.media.signing import NONCE, SIGNATURE, TIME, Gatekeeper, Unsigned, sign_answer

logger = structlog.get_logger("kith.media")
PATH = "/control"
_decode = msgspec.json.Decoder(Request).decode
_encode = msgspec.json.Encoder().encode
_FAREWELL = 5.0


class Control(HTTPApplication):
    """Answers signed requests over HTTP. ``key``: what they are signed with."""

    def __init__(self, media: Media, key: bytes, clock: Clock) -> None:
        self._media = media
        self._key = key
        self._clock = clock
        self._gatekeeper = Gatekeeper(key)
        app = self.app = web.Application(client_max_size=1024 * 1024)
        app.router.add_post(PATH, self._answer)
        super().__init__(web.AppRunner(app, access_log=None, shutdown_timeout=_FAREWELL))

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        field = request.headers.get
        time, nonce, signature = field(TIME, ""), field(NONCE, ""), field(SIGNATURE, "")
        try:
            self._gatekeeper.check(time, nonce, signature, body, self._clock.now())
            wanted = _decode(body)
        except Unsigned as error:
            logger.warning("a request on the control port is refused", reason=str(error), peer=request.remote)
            raise web.HTTPForbidden(text=f"{error}\n") from None
        except msgspec.DecodeError as error:
            logger.error("a message server asks what this version does not know", error=str(error))
            raise web.HTTPBadRequest(text="not a request of this version\n") from None
        try:
            reply: Reply = await self._media.ask(wanted)
        except MediaUnreachable as error:
            logger.error("the media server can't answer", error=str(error))
            raise web.HTTPServiceUnavailable(text="the media server can't answer\n") from None
        answer = _encode(reply)
        return web.Response(body=answer, headers={SIGNATURE: sign_answer(self._key, nonce, answer)})
