"""Small copies of avatars for pages that everybody may see."""

from __future__ import annotations

import asyncio
import hashlib
from base64 import b64encode
from collections import OrderedDict

from kith.ports.pictures import PictureError, Pictures, Wanted

#: 72 CSS pixels, for screens with up to 2.7 pixels for each.
_FACE = Wanted(edge=192, size=24 * 1024)
#: How many copies are kept in memory.
_KEPT = 64
#: How long a page waits for a copy, in seconds.
_PATIENCE = 4.0


class Faces:
    """Makes copies as data URIs (RFC 2397), and keeps the last ones."""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures
        self._kept: OrderedDict[bytes, str] = OrderedDict()

    async def uri(self, data: bytes) -> str:
        """A data URI of a small copy of a picture; empty if there can't be one."""
        key = hashlib.sha256(data).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        uri = ""
        try:
            async with asyncio.timeout(_PATIENCE):
                picture = await self._pictures.prepare(data, _FACE, f"face {key.hex()}")
            uri = f"data:{picture.type};base64,{b64encode(picture.data).decode()}"
        except PictureError as error:
            if error.reason == "busy":
                return ""
        except TimeoutError:
            pass  # nor is it tried again while it is kept
        self._kept[key] = uri
        if len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return uri
