"""What peers and files may do to the SDK: malformed descriptors, addresses, pictures, sounds and videos."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import wave
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, SubElement, fromstring

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from kith.client import MediaDamaged, MediaKind, MediaUnreachable, Place
from kith.client.extra import Extra, Upload
from kith.client.media import descriptor, plain, renditions
from kith.client.media.addresses import aesgcm, parse_aesgcm
from kith.client.media.http import MediaHTTP, _is_public
from kith.client.media.placing import placed
from kith.client.media.prepared import prepare
from kith.client.media.sounds import prepare_voice
from kith.client.media.values import Media, Rendition

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = (
    *("kind", "url", "key", "iv", "type", "name", "size", "digest", "width", "height", "duration", "once"),
    *("preview", "thumbnail", "caption", "album", "waveform", "segments", "streams", "card", "place"),
)
GOOD = Media(
    MediaKind.VIDEO,
    "a.mp4",
    "video/mp4",
    7,
    "https://x.example/m/a/b.mp4",
    bytes(32),
    bytes(12),
    digest=bytes(32),
    width=3,
    height=4,
    duration=5,
    preview=b"x",
    thumbnail=b"y",
    caption="c",
    album="d",
    waveform=(0, 31),
    once=True,
    streams=(Rendition("240", "https://x.example/m/c/d", "video/mp4", 9, 30, 1, 2, 3),),
)


@given(JSON, st.dictionaries(st.sampled_from(MEMBERS), JSON))
def test_no_descriptor_raises_and_what_has_not_the_right_form_is_left_out(
    anything: Any, members: dict[str, Any]
) -> None:
    Extra.unsealed(anything)
    Extra.unsealed({"media": anything, "caption": anything, "reupload": anything, "reuploaded": anything})
    found = descriptor.parse([descriptor.describe(GOOD) | members])
    if found is not None:
        assert Extra.parse(Extra(media=found).stored() or "").media == found
        assert found.url is None or found.url.startswith("http")
        assert found.size is None or found.size >= 0


def test_a_descriptor_comes_back_as_it_was() -> None:
    assert descriptor.parse([descriptor.describe(GOOD)]) == GOOD
    place = Media(MediaKind.LOCATION, place=Place(-1.5, 2.25, 3.0, "x"))
    assert descriptor.parse([descriptor.describe(place)]) == place


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://user:pw@x.example/a",
        "https://x.example/a b",
        "https://x.example/a#b",
        "https://x.example:99999/a",
        "https:///a",
        "https://[::1/a",
        "//x.example/a",
        "https://x.example/\u202e",
        "https://x.example/" + "a" * 3000,
        5,
    ],
)
def test_a_wrong_address_is_no_file(url: Any) -> None:
    members = descriptor.describe(GOOD) | {"url": url}
    del members["streams"]
    assert descriptor.parse([members]) is None


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=12, max_size=12))
def test_addresses_of_other_apps_are_read_as_they_are_written(key: bytes, iv: bytes) -> None:
    text = aesgcm("https://x.example:8444/m/a/photo.jpg", key, iv)
    found = parse_aesgcm(text)
    assert found is not None
    assert (found.url, found.key, found.iv) == ("https://x.example:8444/m/a/photo.jpg", key, iv)
    assert (found.kind, found.name) == (MediaKind.PICTURE, "photo.jpg")
    assert parse_aesgcm(f"look: {text}") is None
    assert parse_aesgcm(text[:-1]) is None


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading_of_addresses(text: str) -> None:
    parse_aesgcm(text)
    parse_aesgcm(f"aesgcm://{text}#{'0' * 88}")
    plain.shared(Element("message"), text)


def test_a_file_of_sims_is_read() -> None:
    message = fromstring(
        "<message><reference xmlns='urn:xmpp:reference:0' type='data'>"
        "<media-sharing xmlns='urn:xmpp:sims:1'><file xmlns='urn:xmpp:jingle:apps:file-transfer:5'>"
        "<media-type>image/png</media-type><name>../../x.png</name><size>5</size></file>"
        "<sources><reference xmlns='urn:xmpp:reference:0' type='data' uri='https://x.example/a/x.png'/>"
        "</sources></media-sharing></reference></message>"
    )
    found = plain.shared(message, "https://x.example/a/x.png")
    assert found is not None
    assert (found.kind, found.size, found.url) == (MediaKind.PICTURE, 5, "https://x.example/a/x.png")


@pytest.mark.parametrize(("size", "body"), [("-1", ""), ("9" * 40, ""), ("x", ""), ("5", "and more text")])
def test_hostile_plain_files_are_bounded(size: str, body: str) -> None:
    message = Element("message")
    oob = SubElement(message, f"{{{plain.OOB}}}x")
    SubElement(oob, f"{{{plain.OOB}}}url").text = "https://x.example/a.jpg"
    if body:
        assert plain.shared(message, body) is None
        return
    sharing = SubElement(message, f"{{{plain.SHARING}}}file-sharing")
    file = SubElement(sharing, f"{{{plain.METADATA}}}file")
    SubElement(file, f"{{{plain.METADATA}}}size").text = size
    sources = SubElement(sharing, f"{{{plain.SHARING}}}sources")
    for target in ("file:///etc/passwd", "https://x.example/a.jpg"):
        SubElement(sources, f"{{{plain.URL_DATA}}}url-data", target=target)
    found = plain.shared(message, "")
    assert found is not None
    assert (found.url, found.size) == ("https://x.example/a.jpg", None)


def test_requests_to_upload_again_are_read_as_they_are_written() -> None:
    for one in (
        Upload("1", "https://x.example/a"),
        Upload("1", "https://x.example/a", "https://x.example/b"),
    ):
        assert Extra.unsealed(json.loads(json.dumps(Extra(upload=one).sealed()))).upload == one
    assert Extra.unsealed({"reuploaded": {"id": "1", "url": "https://x.example/a", "at": "x"}}).upload is None


# addresses of the network


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.0.0.1"],
)
def test_addresses_that_are_not_public_are_known(address: str) -> None:
    assert not _is_public(address)


class _Pin:
    known = "ca"


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a",
        "https://[::1]/a",
        "https://localhost/a",
        "http://files.example/a",
        "https://0x7f000001/a",
    ],
)
async def test_a_peer_does_not_make_this_device_ask_its_own_network(url: str) -> None:
    http = MediaHTTP("kith.example", None, _Pin(), False)  # type: ignore[arg-type]
    try:
        with pytest.raises(MediaUnreachable):
            await anext(http.fetch(url, 100))
    finally:
        await http.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kith.client.media.http._ATTEMPTS", 1)


# files that are sent


def prepared(path: Path, folder: Path) -> tuple[MediaKind, bytes]:
    found = prepare(path, folder, as_document=False, high_quality=False)
    return found.media.kind, found.path.read_bytes()


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.gif", "a.webp", "a.mp4", "a.mov", "a.ogg", "a.m4a"])
@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff\xe0 broken", b"#EXTM3U\nfile:///etc/passwd\n", b"<svg/>"]
)
def test_what_is_not_what_its_name_says_is_sent_as_a_document(name: str, data: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    assert prepared(tmp_path / name, tmp_path) == (MediaKind.FILE, data)


def test_a_picture_of_too_many_pixels_is_sent_as_a_document(tmp_path: Path) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "bomb.png")
    assert prepared(tmp_path / "bomb.png", tmp_path)[0] is MediaKind.FILE


def test_transparency_and_animations_stay_and_comments_go(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (20, 10), (255, 0, 0, 100))
    clear.save(tmp_path / "clear.png")
    kind, data = prepared(tmp_path / "clear.png", tmp_path)
    assert (kind, data[:4]) == (MediaKind.PICTURE, b"\x89PNG")
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue", "green")]
    frames[0].save(
        tmp_path / "moves.gif",
        save_all=True,
        append_images=frames[1:],
        comment=b"a secret place",
        duration=70,
    )
    kind, data = prepared(tmp_path / "moves.gif", tmp_path)
    (tmp_path / "again.gif").write_bytes(data)
    with Image.open(tmp_path / "again.gif") as again:
        assert (kind, getattr(again, "n_frames", 1)) == (MediaKind.PICTURE, 3)
    assert b"secret" not in data


def video(path: Path) -> Path:
    with av.open(str(path), "w") as output:
        stream: Any = output.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        output.metadata["location"] = "+48.1374+011.5755/"
        output.metadata["comment"] = "a secret place"
        for number in range(10):
            picture = Image.new("RGB", (64, 48), (number * 20, 100, 50))
            for packet in stream.encode(av.VideoFrame.from_image(picture)):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    return path


def test_a_video_gets_a_poster_and_loses_its_metadata(tmp_path: Path) -> None:
    file = video(tmp_path / "a.mp4")
    assert b"secret" in file.read_bytes()
    found = prepare(file, tmp_path, as_document=False, high_quality=False)
    media = found.media
    assert (media.kind, media.width, media.height, media.duration) == (MediaKind.VIDEO, 64, 48, 1000)
    assert media.thumbnail.startswith(b"\xff\xd8")
    assert len(media.thumbnail) <= 8192
    data = found.path.read_bytes()
    assert b"secret" not in data
    assert b"48.13" not in data
    with av.open(str(found.path)) as copy:
        assert sum(1 for _ in copy.decode(video=0)) == 10


def test_a_recording_becomes_a_voice_message_with_its_waveform(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "a.wav"), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(16_000)
        quiet, loud = bytes(32_000), b"\x00\x40\x00\xc0" * 8_000
        sound.writeframes(quiet + loud)
    found = prepare_voice(tmp_path / "a.wav", tmp_path)
    media = found.media
    assert (media.kind, media.type, len(media.waveform)) == (MediaKind.VOICE, "audio/ogg", 64)
    assert media.duration == pytest.approx(2000, abs=50)
    assert max(media.waveform[:28]) <= 2
    assert max(media.waveform[36:]) == 31
    assert found.path.read_bytes().startswith(b"OggS")


def test_a_file_that_could_not_be_finished_leaves_nothing(tmp_path: Path) -> None:
    with contextlib.suppress(MediaDamaged), placed(tmp_path / "a") as target:
        target.write(b"half")
        raise MediaDamaged("cut off")
    assert os.listdir(tmp_path) == []


def test_a_video_of_a_phone_that_was_held_upright_stays_so(tmp_path: Path) -> None:
    file = video(tmp_path / "a.mp4")
    data = bytearray(file.read_bytes())
    matrix = data.index(b"tkhd") + 44  # ISO/IEC 14496-12 §8.3.2, version 0
    turned = (0, 1 << 16, 0, -(1 << 16), 0, 0, 48 << 16, 0, 1 << 30)
    data[matrix : matrix + 36] = struct.pack(">9i", *turned)
    file.write_bytes(data)
    found = prepare(file, tmp_path, as_document=False, high_quality=False)
    assert (found.media.width, found.media.height) == (48, 64)
    with av.open(str(found.path)) as copy, av.open(str(file)) as before:
        turns = [next(one.decode(video=0)).rotation for one in (copy, before)]
    assert turns[0] == turns[1] != 0


def test_picture_and_sound_of_renditions_become_one_video(tmp_path: Path) -> None:
    sound = tmp_path / "sound.mp4"
    with av.open(str(sound), "w") as output:
        stream: Any = output.add_stream("libopus", rate=48_000, layout="mono")
        for number in range(50):
            frame = av.AudioFrame(format="s16", layout="mono", samples=960)
            frame.sample_rate, frame.pts = 48_000, number * 960
            frame.planes[0].update(bytes(1920))
            for packet in stream.encode(frame):
                output.mux(packet)
        for packet in stream.encode(None):
            output.mux(packet)
    renditions._join([video(tmp_path / "picture.mp4"), sound], tmp_path / "joined.mp4")
    with av.open(str(tmp_path / "joined.mp4")) as joined:
        assert [one.type for one in joined.streams] == ["video", "audio"]
        assert sum(1 for _ in joined.decode(video=0)) == 10
    (tmp_path / "wrong").write_bytes(b"no video")
    with pytest.raises(MediaDamaged):
        renditions._join([tmp_path / "wrong", sound], tmp_path / "again.mp4")
