"""Pictures: turned upright, without metadata, smaller; and what shows until they are loaded.

Pillow reads and writes them. A picture of more pixels than any camera has is not opened.
"""

from __future__ import annotations

import io
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kith.client.errors import LibraryMissing
from kith.client.media.placing import PartFile
from kith.client.media.prepared import Prepared, UnreadableMedia
from kith.client.media.values import Media

if TYPE_CHECKING:  # of the extra `media`, and slow to import
    from PIL.Image import Image

#: The longer side of a picture in pixels, in standard and in high quality; JPEG qualities.
STANDARD: Final = 1600
HIGH: Final = 4096
_QUALITY, _HIGH_QUALITY = 80, 88
_MOST_PIXELS = 120_000_000
_THUMBNAIL = 320
_MOST_THUMBNAIL = 8192
#: Pictures are made as small as this before their ThumbHash is computed, which looks at a few waves only.
_HASHED = 48
_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF")


def prepare_picture(path: Path, folder: Path, media: Media, high_quality: bool) -> Prepared:
    """Makes the picture to send. Raises UnreadableMedia, LibraryMissing, OSError."""
    with opened(path) as picture:
        if getattr(picture, "n_frames", 1) > 1 and picture.format in ("GIF", "WEBP"):
            return _animation(picture, folder, media)
        upright = _upright(picture, HIGH if high_quality else STANDARD)
    transparent = "A" in upright.getbands()
    format, suffix, type = ("PNG", ".png", "image/png") if transparent else ("JPEG", ".jpg", "image/jpeg")
    data = io.BytesIO()
    upright.save(data, format, quality=_HIGH_QUALITY if high_quality else _QUALITY, optimize=True)
    named = replace(media, name=f"{Path(media.name).stem}{suffix}", type=type)
    return Prepared(_put(folder, data.getvalue()), described(upright, named), True)


def opened(path: Path) -> Image:
    """The picture in a file, not decoded yet. Raises UnreadableMedia, LibraryMissing."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise LibraryMissing("Pictures need Pillow. Install it with: pip install 'kith[media]'") from None
    Image.init()  # or formats that were not needed yet are unknown
    try:
        picture = Image.open(path, formats=[format for format in _FORMATS if format in Image.OPEN])
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableMedia(f"it is no picture ({type(error).__name__})") from None
    if picture.width * picture.height > _MOST_PIXELS:
        picture.close()
        raise UnreadableMedia(f"it has {picture.width} x {picture.height} pixels")
    return picture


def _upright(picture: Image, longest: int) -> Image:
    """A copy that is upright and at most that large, in RGB or RGBA, without metadata."""
    from PIL import ImageCms, ImageOps

    try:
        picture.draft("RGB", (longest, longest))  # JPEGs are decoded smaller
        turned = ImageOps.exif_transpose(picture)
        profile = picture.info.get("icc_profile")
        if profile and turned.mode in ("RGB", "CMYK"):
            try:
                srgb = ImageCms.createProfile("sRGB")
                source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
                turned = ImageCms.profileToProfile(turned, source, srgb, outputMode="RGB") or turned
            except ImageCms.PyCMSError:
                pass  # the colours of a wrong profile are shown as they are
        transparent = "A" in turned.getbands() or "transparency" in turned.info
        turned = turned.convert("RGBA" if transparent else "RGB")
        turned.thumbnail((longest, longest))
    except (OSError, ValueError, SyntaxError, EOFError, MemoryError) as error:
        raise UnreadableMedia(f"it can't be decoded ({error})") from None
    if transparent and turned.getchannel("A").getextrema() == (255, 255):
        turned = turned.convert("RGB")
    turned.info = {}  # else it is written again: comments, colour profiles, EXIF
    return turned


def _animation(picture: Image, folder: Path, media: Media) -> Prepared:
    """An animation is written anew, frame by frame, without comments and other metadata."""
    from PIL import ImageSequence

    if getattr(picture, "n_frames", 1) * picture.width * picture.height > _MOST_PIXELS * 4:
        raise UnreadableMedia("it has too many frames")
    frames, durations = [], []
    try:
        for frame in ImageSequence.Iterator(picture):
            durations.append(int(frame.info.get("duration", 100)))
            frames.append(frame.convert("RGBA"))
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UnreadableMedia(f"it can't be decoded ({error})") from None
    for frame in frames:
        frame.info = {}
    data, format = io.BytesIO(), str(picture.format)
    frames[0].save(data, format, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return Prepared(_put(folder, data.getvalue()), described(frames[0], media), True)


def described(picture: Image, media: Media) -> Media:
    """The description with size and preview of a picture."""
    return replace(media, width=picture.width, height=picture.height, preview=thumb_hash(picture))


def thumb_hash(picture: Image) -> bytes:
    """The ThumbHash of a picture: some 25 bytes of its shape and colours. Empty without the library."""
    try:
        from thumbhash import rgba_to_thumb_hash
    except ImportError:
        return b""
    from PIL import Image

    small = picture.convert("RGBA")
    small.thumbnail((_HASHED, _HASHED))
    # On white, since the library fails for pictures that are transparent.
    opaque = Image.alpha_composite(Image.new("RGBA", small.size, "white"), small)
    return bytes(rgba_to_thumb_hash(opaque.width, opaque.height, list(opaque.tobytes())))


def thumbnail(picture: Image) -> bytes:
    """A JPEG of at most 8 KiB."""
    small = picture.convert("RGB")
    for side in (_THUMBNAIL, 200, 120, 64):
        small.thumbnail((side, side))
        for quality in (60, 40):
            data = io.BytesIO()
            small.save(data, "JPEG", quality=quality, optimize=True)
            if data.tell() <= _MOST_THUMBNAIL:
                return data.getvalue()
    return b""


def _put(folder: Path, data: bytes) -> Path:
    part, path = PartFile(folder), folder / secrets.token_hex(16)
    try:
        part.write(data)
    except BaseException:
        part.discard()
        raise
    part.commit(path)
    return path
