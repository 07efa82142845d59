"""LiveKit as an SFU, by its own library (the extra ``sfu``), which is imported with the first call."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from kith.config.sfus import SFUSettings
from kith.ports.sfu import SFUFailed

if TYPE_CHECKING:
    from livekit.api import LiveKitAPI

#: How long it may take to answer, in seconds.
_SECONDS = 5.0
#: After so many seconds without a participant, a room ends: when nobody has come, and when all have left.
_EMPTY, _LEFT = 60, 20
_T = TypeVar("_T")


class LiveKit:
    """One LiveKit server (`kith.ports.sfu.SFU`)."""

    def __init__(self, settings: SFUSettings) -> None:
        self.url = settings.url
        self._settings = settings
        self._address = settings.api_url or settings.url.replace("ws", "http", 1)
        self._api: LiveKitAPI | None = None

    def token(self, room: str, identity: str, seconds: int) -> str:
        """A JWT for one room. It carries no name, and lets nothing but media pass."""
        from livekit.api import AccessToken, VideoGrants

        grants = VideoGrants(
            room_join=True,
            room=room,
            can_publish=True,
            can_subscribe=True,
            can_publish_data=False,
            can_update_own_metadata=False,
        )
        token = AccessToken(self._settings.key, self._settings.secret).with_identity(identity)
        return str(token.with_name("").with_ttl(timedelta(seconds=seconds)).with_grants(grants).to_jwt())

    async def make(self, room: str, most: int) -> None:
        from livekit.api import CreateRoomRequest

        request = CreateRoomRequest(
            name=room, empty_timeout=_EMPTY, departure_timeout=_LEFT, max_participants=most
        )
        await self._ask(self._client().room.create_room(request))

    async def participants(self, room: str) -> list[str] | None:
        from livekit.api import ListParticipantsRequest, ListRoomsRequest

        api = self._client().room
        if not (await self._ask(api.list_rooms(ListRoomsRequest(names=[room])))).rooms:
            return None
        found = await self._ask(api.list_participants(ListParticipantsRequest(room=room)))
        return [participant.identity for participant in found.participants]

    async def remove(self, room: str, identity: str) -> None:
        from livekit.api import RoomParticipantIdentity

        request = RoomParticipantIdentity(room=room, identity=identity)
        await self._ask(self._client().room.remove_participant(request))

    async def end(self, room: str) -> None:
        from livekit.api import DeleteRoomRequest

        await self._ask(self._client().room.delete_room(DeleteRoomRequest(room=room)))

    async def close(self) -> None:
        if self._api is not None:
            await self._api.aclose()
            self._api = None

    def _client(self) -> LiveKitAPI:
        if self._api is None:
            from livekit.api import LiveKitAPI

            self._api = LiveKitAPI(self._address, self._settings.key, self._settings.secret, failover=False)
        return self._api

    async def _ask(self, request: Awaitable[_T]) -> _T:
        from aiohttp import ClientError
        from livekit.api import TwirpError

        try:
            async with asyncio.timeout(_SECONDS):
                return await request
        except TwirpError as error:
            refused = error.status in (401, 403)
            text = "it refuses our key and secret" if refused else f"{error.code} {error.message}".strip()
            raise SFUFailed(text) from None
        except (ClientError, OSError, TimeoutError) as error:
            raise SFUFailed(str(error) or "it does not answer") from None
