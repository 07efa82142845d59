"""A public picture is left as it is only if the file contains nothing else."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kith.media.jobs.plain import is_plain
from tests.media import hostile

PLAIN = {
    "jpeg": hostile.saved(hostile.drawing(40, 30), "JPEG"),
    "progressive": hostile.saved(hostile.drawing(40, 30), "JPEG", progressive=True),
    "cmyk": hostile.saved(hostile.drawing(40, 30).convert("CMYK"), "JPEG"),
    "png": hostile.saved(hostile.drawing(40, 30), "PNG"),
    "palette": hostile.saved(hostile.drawing(40, 30).convert("P"), "PNG"),
    "webp": hostile.saved(hostile.drawing(40, 30), "WEBP"),
    "lossless": hostile.saved(hostile.drawing(40, 30, "RGBA"), "WEBP", lossless=True),
}


@pytest.mark.parametrize("name", PLAIN)
def test_a_picture_alone_is_plain(name: str) -> None:
    assert is_plain(PLAIN[name])


@pytest.mark.parametrize("name", PLAIN)
def test_a_picture_with_another_file_behind_it_is_not(name: str) -> None:
    for more in (b"\0", b"PK\x03\x04", b"<script>", PLAIN[name]):
        assert not is_plain(PLAIN[name] + more)
    assert not is_plain(PLAIN[name][:-1])


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_that_says_where_it_was_taken_is_not(kind: str) -> None:
    assert not is_plain(hostile.saved(hostile.drawing(40, 30), kind, exif=hostile.exif()))
    if kind != "PNG":
        assert not is_plain(hostile.saved(hostile.drawing(40, 30), kind, xmp=b"<x:xmpmeta/>"))


@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"tIME", b"iCCP", b"prVt"])
def test_a_png_with_texts_times_and_unknown_chunks_is_not(kind: bytes) -> None:
    png = PLAIN["png"]
    assert not is_plain(png[:33] + hostile.chunk(kind, b"Comment\0hello") + png[33:])


def test_a_comment_a_thumbnail_and_a_color_profile_are_not_plain() -> None:
    image = hostile.drawing(40, 30)
    assert not is_plain(hostile.saved(image, "JPEG", comment=b"by me"))
    assert not is_plain(hostile.saved(image, "JPEG", icc_profile=b"profile" * 30))
    jfif = PLAIN["jpeg"]
    thumbnail = b"\xff\xe0" + (16 + 3).to_bytes(2, "big") + b"JFIF\0\x01\x01\0\0\x01\0\x01\x01\x01abc"
    assert not is_plain(jfif[:2] + thumbnail + jfif[20:])
    assert not is_plain(hostile.saved(image, "GIF"))
    animation = [hostile.drawing(40, 30).rotate(90)]
    assert not is_plain(hostile.saved(image, "PNG", save_all=True, append_images=animation))
    assert not is_plain(hostile.saved(image, "WEBP", save_all=True, append_images=animation))


@given(st.sampled_from(sorted(PLAIN)), st.integers(0, 2000), st.binary(max_size=20), st.booleans())
def test_damaged_files_are_looked_at_without_an_error(name: str, at: int, put: bytes, insert: bool) -> None:
    data = PLAIN[name]
    at %= len(data)
    is_plain(data[:at] + put + data[at if insert else at + len(put) :])


@given(st.binary(max_size=200))
def test_whatever_begins_like_a_picture_is_looked_at_without_an_error(rest: bytes) -> None:
    for start in (b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\x10\0\0\0WEBP", b""):
        is_plain(start + rest)


@given(st.sampled_from(sorted(PLAIN)), st.integers(0, 2000), st.binary(min_size=1, max_size=60))
def test_what_is_put_into_a_plain_picture_is_not_read_by_anybody(name: str, at: int, put: bytes) -> None:
    """If a changed file counts as plain, Pillow finds no metadata in it either."""
    data = PLAIN[name]
    at %= len(data)
    changed = data[:at] + put + data[at:]
    if is_plain(changed):
        try:
            with Image.open(io.BytesIO(changed)) as image:
                assert not {"exif", "xmp", "comment", "photoshop", "icc_profile"} & image.info.keys()
        except (OSError, SyntaxError, ValueError):
            pass
