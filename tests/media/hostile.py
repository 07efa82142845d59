"""Pictures that mean harm, and harmless ones with more in them than a picture."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

from PIL import Image

#: Degrees, minutes and seconds of a place, and who made the picture.
_GPS = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}
SECRET = b"made-by-somebody"


def drawing(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """A picture whose upper left quarter is red, the others green, blue, and grey."""
    image = Image.new(mode, (width, height), "#808080")
    half = width // 2, height // 2
    image.paste("#ff0000", (0, 0, *half))
    image.paste("#00ff00", (half[0], 0, width, half[1]))
    image.paste("#0000ff", (0, half[1], half[0], height))
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def exif(orientation: int = 1) -> bytes:
    """The metadata of a phone's picture: where it was taken, by whom, and how the phone was held."""
    data = Image.Exif()
    data[0x0112] = orientation
    data[0x013B] = SECRET.decode()
    gps = data.get_ifd(0x8825)
    gps.update(_GPS)
    return data.tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int) -> bytes:
    """A PNG of one color, made without holding its pixels."""
    packer = zlib.compressobj(9)
    row = b"\0" + bytes(width)
    body = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def huge_head() -> bytes:
    """A small PNG that claims to have the largest size that can be written."""
    head = struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + png(8, 8)[33:]


def text_bomb(size: int = 200_000_000) -> bytes:
    """A small PNG with a comment that is compressed very well."""
    packer = zlib.compressobj(9)
    body = b"".join(packer.compress(bytes(1_000_000)) for _ in range(size // 1_000_000)) + packer.flush()
    plain = png(8, 8)
    return plain[:33] + chunk(b"zTXt", b"Comment\0\0" + body) + plain[33:]


def scans_bomb(scans: int = 300) -> bytes:
    """A progressive JPEG that repeats its last scan again and again, for each of which all is decoded."""
    data = saved(drawing(6000, 6000), "JPEG", progressive=True, quality=20)
    last = data.rindex(b"\xff\xda")
    tables = data.rfind(b"\xff\xc4", 0, last)
    repeated = data[tables:-2]
    return data[:-2] + repeated * scans + b"\xff\xd9"
