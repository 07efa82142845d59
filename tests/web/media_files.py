"""Files of messages as somebody's browser has them."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

from PIL import Image

from tests.web.device import until
from tests.web.person import Someone

#: Reads a blob of the local storage as Base64; null: it is not there.
_READ = """async ([name, id]) => {
  const opening = indexedDB.open(name);
  await new Promise((done) => (opening.onsuccess = done));
  const reading = opening.result.transaction('blobs').objectStore('blobs').get(id);
  await new Promise((done) => (reading.onsuccess = done));
  opening.result.close();
  if (!reading.result) return null;
  const bytes = new Uint8Array(await reading.result.data.arrayBuffer());
  let text = '';
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
}"""


async def media_messages(person: Someone) -> list[dict[str, Any]]:
    """The messages with media, the newest last."""
    found = [one for one in await person.stored("messages") if one.get("media")]
    return sorted(found, key=lambda one: (one["at"], one["order"]))


async def file_of(person: Someone, message: dict[str, Any]) -> bytes | None:
    """The content of its file; None: it is not on the device."""
    media = message["media"]
    name = media.get("file") or f"{media.get('key')} {media.get('iv')} {media.get('digest')}"
    arguments = json.dumps([f"kith {person.address}", name])
    read = await person.evaluate(f"({_READ})({arguments})")
    return None if read is None else base64.b64decode(read)


async def newest_file(person: Someone, number: int) -> bytes:
    """Waits for so many messages with media, and for the file of the newest."""
    found: list[bytes] = []

    async def there() -> bool:
        messages = await media_messages(person)
        data = await file_of(person, messages[-1]) if len(messages) == number else None
        found[:] = [] if data is None else [data]
        return bool(found)

    await until(there)
    return found[0]


def opened(data: bytes) -> Image.Image:
    """A picture, without anything that turns it."""
    return Image.open(io.BytesIO(data)).convert("RGB")
