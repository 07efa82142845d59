"""Makes an upright copy of a picture, without metadata, within bounds. Runs in the worker."""

from __future__ import annotations

import io
import struct
import warnings

from PIL import Image, ImageCms, ImageOps

from kith.media.jobs.plain import is_plain

#: What is read. Everything else is refused before a decoder sees it.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF")
#: The formats that are left as they are.
_KEPT = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
#: Qualities of JPEG that are tried until a picture is small enough; then it gets smaller edges.
_QUALITIES = (85, 70, 55)
_SMALLEST_EDGE = 16


class TooLargeError(Exception):
    """The picture has too many pixels, or needs too much memory."""


class UnreadableError(Exception):
    """This is no picture, it is damaged, or its format is not read."""


def prepare(data: bytes, edge: int, size: int, keep: bool, pixels: int) -> tuple[str, bytes]:
    """The media type and the bytes of the copy: a JPEG, or a PNG if it has transparency.

    ``edge``: how wide and high it may be; ``size``: how many bytes it may have; ``keep``: leave it as it is
    if nothing has to be changed; ``pixels``: how many the original may have. Of an animation, only the first
    picture is kept. Raises TooLargeError, UnreadableError, MemoryError.
    """
    Image.MAX_IMAGE_PIXELS = pixels
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                return _prepare(image, data, edge, size, keep, pixels)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise TooLargeError from None
    except OSError as error:  # also what Pillow raises for damaged files, but without a number
        if error.errno is not None:
            raise
        raise UnreadableError from None
    except (ValueError, SyntaxError, TypeError, IndexError, KeyError, OverflowError, struct.error):
        raise UnreadableError from None  # the other errors that decoders raise for damaged files


def _prepare(
    image: Image.Image, data: bytes, edge: int, size: int, keep: bool, pixels: int
) -> tuple[str, bytes]:
    if image.width * image.height > pixels:
        raise TooLargeError
    kind = image.format or ""
    fits = max(image.size) <= edge and len(data) <= size
    if keep and fits and kind in _KEPT and is_plain(data):
        image.load()  # raises if it is damaged
        return _KEPT[kind], data
    profile = image.info.get("icc_profile")
    orientation = image.getexif().get(0x0112, 1)
    image.draft("RGB", (2 * edge, 2 * edge))  # a large JPEG is decoded at a fraction of its size
    image.load()
    copy = _with_simple_mode(image)
    copy.thumbnail((edge, edge), Image.Resampling.LANCZOS, reducing_gap=3.0)
    copy = _upright(copy, orientation)
    copy = _in_srgb(copy, profile)
    return _encoded(copy, size)


def _with_simple_mode(image: Image.Image) -> Image.Image:
    """A copy in RGB, or in RGBA if some of it is transparent."""
    if image.has_transparency_data:
        copy = image.convert("RGBA")
        lowest, _ = copy.getchannel("A").getextrema()
        if isinstance(lowest, (int, float)) and lowest < 255:
            return copy
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256).convert("L").convert("RGB")
    return image.convert("RGB")


def _upright(image: Image.Image, orientation: object) -> Image.Image:
    exif = Image.Exif()
    if isinstance(orientation, int) and 2 <= orientation <= 8:
        exif[0x0112] = orientation
    image.info = {"exif": exif.tobytes()}  # nothing else from the file
    turned = ImageOps.exif_transpose(image)
    turned.info = {}
    return turned


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """The picture in the colors that everybody assumes. An unusable profile is ignored."""
    if not isinstance(profile, bytes) or not profile:
        return image
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image.convert("RGB"), source, target)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image
    if converted is None:
        return image
    if alpha is not None:
        converted.putalpha(alpha)
    converted.info = {}
    return converted


def _encoded(image: Image.Image, size: int) -> tuple[str, bytes]:
    """The picture in at most ``size`` bytes. Raises TooLargeError if even a tiny one has more."""
    while True:
        if image.mode == "RGBA":
            data = _saved(image, "PNG")
            if len(data) <= size:
                return "image/png", data
        else:
            for quality in _QUALITIES:
                data = _saved(image, "JPEG", quality)
                if len(data) <= size:
                    return "image/jpeg", data
        if max(image.size) <= _SMALLEST_EDGE:
            raise TooLargeError
        image.thumbnail((max(image.size) * 3 // 4,) * 2, Image.Resampling.LANCZOS)


def _saved(image: Image.Image, kind: str, quality: int = 0) -> bytes:
    out = io.BytesIO()
    if kind == "PNG":
        image.save(out, "PNG", optimize=True)
    else:
        image.save(out, "JPEG", quality=quality, optimize=True, progressive=True)
    return out.getvalue()
