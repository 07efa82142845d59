"""Encryption of files in the SDK: the same bytes as the web app's, and nothing that was tampered with."""

from __future__ import annotations

import hashlib
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kith.client import MediaDamaged
from kith.client.media import renditions, segments, whole
from kith.client.media.segments import SEGMENT, TAG, SegmentCipher, SegmentReader
from kith.client.media.values import Rendition
from kith.client.media.whole import WholeReader, seal_segments, seal_whole

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "vectors/media-segments.json").read_text())
KEY = bytes.fromhex(VECTORS["key"])


def plaintext(size: int) -> bytes:
    return hashlib.shake_256(VECTORS["plaintext_seed"].encode()).digest(size)


def sealed(data: bytes, key: bytes = KEY) -> bytes:
    target = io.BytesIO()
    assert seal_segments(io.BytesIO(data), target, key) == (len(data), hashlib.sha256(data).digest())
    return target.getvalue()


def opened(data: bytes, key: bytes = KEY, portions: int = 1 << 16) -> bytes:
    reader, found = SegmentReader(key), bytearray()
    for start in range(0, len(data), portions):
        found += reader.update(data[start : start + portions])
    return bytes(found + reader.finish())


def test_segments_are_those_of_the_web_app() -> None:
    for one in VECTORS["segments"]:
        cipher = SegmentCipher(KEY, one["stream"])
        plain, wanted = bytes.fromhex(one["plaintext"]), bytes.fromhex(one["ciphertext"])
        assert cipher.seal(one["index"], plain, one["last"]) == wanted
        assert cipher.open(one["index"], wanted, one["last"]) == plain
        with pytest.raises(MediaDamaged):
            cipher.open(one["index"], wanted, not one["last"])


def test_files_and_claims_are_those_of_the_web_app() -> None:
    for one in VECTORS["files"]:
        found = sealed(plaintext(one["size"]))
        assert len(found) == one["sealed"] == segments.sealed_size(one["size"])
        assert hashlib.sha256(found).hexdigest() == one["sha256"]
        assert opened(found) == plaintext(one["size"])
    secret = segments.claim_secret(KEY)
    assert segments.claim_of(secret) == VECTORS["claim"]["slot"]


@given(st.data(), st.integers(0, 3), st.integers(-2, 2), st.integers(1, SEGMENT * 2))
def test_any_file_in_any_portions_comes_back_as_it_was(
    data: st.DataObject, whole_segments: int, more: int, portions: int
) -> None:
    size = max(0, whole_segments * SEGMENT + more)
    key = data.draw(st.binary(min_size=32, max_size=32))
    found = sealed(plaintext(size), key)
    assert segments.plain_size(len(found)) == size
    assert opened(found, key, portions) == plaintext(size)


@given(st.permutations(range(4)), st.integers(0, 4), st.integers(0, 3))
def test_segments_in_another_order_or_number_are_refused(order: list[int], count: int, repeated: int) -> None:
    parts = _parts(4)
    wanted = [parts[at] for at in order[:count]]
    for others in (wanted, [*parts[:repeated], parts[repeated], *parts[repeated:]]):
        if others == parts:
            continue
        with pytest.raises(MediaDamaged):
            opened(b"".join(others))


def _parts(count: int) -> list[bytes]:
    if count not in _made:
        data = sealed(plaintext((count - 1) * SEGMENT + 5))
        _made[count] = [data[at : at + SEGMENT + TAG] for at in range(0, len(data), SEGMENT + TAG)]
    return _made[count]


_made: dict[int, list[bytes]] = {}


@pytest.mark.parametrize("change", ["cut", "longer", "flipped", "empty", "wrong key"])
def test_a_file_that_was_changed_is_refused(change: str) -> None:
    for size in (0, 5, SEGMENT, SEGMENT + 5):
        data, key = sealed(plaintext(size)), KEY
        match change:
            case "cut":
                data = data[:-1]
            case "longer":
                data += b"\0"
            case "flipped":
                data = data[:-20] + bytes([data[-20] ^ 1]) + data[-19:] if size else b"\1" + data[1:]
            case "empty":
                data = b""
            case _:
                key = os.urandom(32)
        with pytest.raises(MediaDamaged):
            opened(data, key)


def test_a_segment_of_another_stream_with_the_same_key_is_refused() -> None:
    part = SegmentCipher(KEY, "240").seal(0, b"picture", True)
    with pytest.raises(MediaDamaged):
        SegmentCipher(KEY, "file").open(0, part, True)


@given(st.binary(max_size=300), st.integers(1, 50))
def test_a_whole_file_is_that_of_aes_gcm_in_one_piece(data: bytes, portions: int) -> None:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    iv, target = os.urandom(12), io.BytesIO()
    seal_whole(io.BytesIO(data), target, KEY, iv)
    assert target.getvalue() == AESGCM(KEY).encrypt(iv, data, None)
    reader, found = WholeReader(KEY, iv), b""
    for start in range(0, len(target.getvalue()), portions):
        found += reader.update(target.getvalue()[start : start + portions])
    assert found + reader.finish() == data


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_whole_file_that_was_changed_is_refused(data: bytes, draw: st.DataObject) -> None:
    iv, target = os.urandom(12), io.BytesIO()
    seal_whole(io.BytesIO(data), target, KEY, iv)
    right = target.getvalue()
    at = draw.draw(st.integers(0, len(right) - 1))
    for wrong in (right[:at], right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :], right + b"x"):
        reader = WholeReader(KEY, iv)
        reader.update(wrong)
        with pytest.raises(MediaDamaged):
            reader.finish()


def open_stream(one: dict[str, Any], folder: Path) -> bytes:
    (folder / "sealed").write_bytes(bytes.fromhex(one["blob"]))
    (folder / "plain").unlink(missing_ok=True)
    stream = Rendition(VECTORS["stream"]["name"], "https://x.example/m/a", "video/mp4", *one["index"])
    renditions.open_stream(folder / "sealed", folder / "plain", KEY, stream)
    return (folder / "plain").read_bytes()


def test_a_rendition_is_that_of_the_web_app(tmp_path: Path) -> None:
    wanted = b"".join(bytes.fromhex(part) for part, _ in VECTORS["stream"]["fragments"])
    assert open_stream(VECTORS["stream"], tmp_path) == wanted


@pytest.mark.parametrize("one", VECTORS["refused"], ids=lambda one: one["what"])
def test_a_rendition_that_was_changed_is_refused(one: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(MediaDamaged):
        open_stream(one, tmp_path)


def test_an_empty_plain_file_is_a_file() -> None:
    assert whole.copy_plain(io.BytesIO(), io.BytesIO()) == (0, hashlib.sha256().digest())
