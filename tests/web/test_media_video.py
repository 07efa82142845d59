"""Voice messages and videos in the web app, with a made-up camera and microphone."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.interop.converse import chromium as run_chromium
from tests.web.device import until
from tests.web.people import People
from tests.web.person import DESKTOP, PHONE, Someone

HEARS = ["microphone"]
RECORD = "[aria-label='Record a voice message']"
SEND = "[aria-label='Send voice message']"
SOUND = ".message .sound"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With a microphone that beeps once a second."""
    with run_chromium(tmp_path_factory.mktemp("chromium"), "--use-fake-device-for-media-stream") as where:
        yield where


async def recorded(person: Someone, ms: int) -> None:
    """Waits until so much is recorded."""
    await until(lambda: person.evaluate(f"{_SECONDS} >= {ms / 1000}"), 20)


_SECONDS = """(() => {
  const [minutes, seconds] = document.querySelector('.bar time').textContent.split(':').map(Number);
  return minutes * 60 + seconds;
})()"""


async def test_voice_message_is_recorded_listened_to_before_sending_and_marked_as_heard(
    people: People,
) -> None:
    ada, ben = await people.two({**DESKTOP, "permissions": HEARS}, {**PHONE, "permissions": HEARS})
    # hands-free: a tap begins, then it is paused, listened to, continued and sent
    await ada.on(RECORD, "click")
    await recorded(ada, 2000)
    await ada.press("Pause and listen")
    await ada.shows(".bar .waveform input:not(:disabled)")
    await ada.press("Play")
    await ada.press("Continue recording")
    await recorded(ada, 3000)
    await ada.on(SEND, "click")
    await ada.shows(f"{SOUND} >> text=/0:0[2-7]/")
    await ben.shows(f"{SOUND} >> text=/0:0[2-7]/")
    # the wave is that of a beep, not a flat line
    [message] = [one for one in await ben.stored("messages") if one.get("media")]
    assert message["media"]["type"] == "audio/ogg"
    assert 1900 < message["media"]["duration"] < 8000
    assert len(set(message["media"]["waveform"])) > 3
    await ada.shows(f"{SOUND} [title='Not listened to yet']")
    await ben.on(f"{SOUND} .main", "click")
    await ben.shows(f"{SOUND} [title='You listened to it']")
    await ada.shows(f"{SOUND} [title='They listened to it']")
    await ben.on(".rate", "click")
    await ben.shows(".rate:text-is('1.5×')")

    # held: it is sent when the finger is lifted; sliding cancels; too short says how it is done
    await ben.do("hold", RECORD, 1600)
    await ada.shows(f"{SOUND} >> nth=1")
    await ben.do("swipe", RECORD, -200, 1200)
    await ben.hides(".bar")
    await ben.shows("textarea")
    # the next one plays by itself, and is heard by that
    await ben.do("hold", RECORD, 1300)
    await ada.shows(f"{SOUND} >> nth=2")
    await ada.on(f"{SOUND} .main >> nth=1", "click")
    await ben.shows(f"{SOUND} [title='They listened to it'] >> nth=1")
    # within it, one moves by the keyboard
    await ada.on(f"{SOUND} input >> nth=0", "focus")
    await ada.do("key", "End")
    await until(lambda: ada.evaluate("document.querySelectorAll('.sound .mark.heard').length === 3"))


async def test_without_a_microphone_a_recording_from_elsewhere_can_be_sent(
    people: People, tmp_path: Path
) -> None:
    ada, ben = await people.two()
    await ada.on(RECORD, "click")
    await ada.shows("dialog:has-text('The microphone is blocked')")
    beep = tmp_path / "beep.wav"
    with wave.open(str(beep), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(16000))
    await ada.on("dialog input[type=file]", "setInputFiles", str(beep))
    await ben.shows(f"{SOUND}:has-text('beep.wav')")
    await ben.on(f"{SOUND} .main", "click")
    await ben.shows(f"{SOUND} >> text=/0:0[01]/")
    await ben.hides(f"{SOUND} .failed")


#: Films a canvas that moves, and gives the film to the field for pictures and videos. Noise makes it large,
#: however few frames a busy machine gets done.
FILM = """async (seconds, width = 1280, height = 720) => {
  const canvas = document.createElement('canvas'), drawn = canvas.getContext('2d');
  [canvas.width, canvas.height] = [width, height];
  const noise = [0, 1, 2, 3].map(() => {
    const pixels = new ImageData(width, height);
    for (let at = 0; at < pixels.data.length; at += 65536)
      crypto.getRandomValues(pixels.data.subarray(at, at + 65536));
    for (let at = 3; at < pixels.data.length; at += 4) pixels.data[at] = 255;
    const sheet = new OffscreenCanvas(width, height);
    sheet.getContext('2d').putImageData(pixels, 0, 0);
    return sheet;
  });
  const sound = new AudioContext(), tone = sound.createOscillator();
  const out = sound.createMediaStreamDestination();
  tone.connect(out); tone.start();
  const stream = canvas.captureStream(25);
  stream.addTrack(out.stream.getAudioTracks()[0]);
  const mimeType = 'video/mp4;codecs=avc1.42E01F,opus';
  const recorder = new MediaRecorder(stream, { mimeType, videoBitsPerSecond: 6e6 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  recorder.start();
  const begun = performance.now();
  for (let frame = 0; performance.now() - begun < seconds * 1000; frame++) {
    drawn.drawImage(noise[frame % 4], 0, 0);
    await new Promise((done) => setTimeout(done, 40));
  }
  await new Promise((done) => { recorder.onstop = done; recorder.stop() });
  const chosen = new DataTransfer();
  chosen.items.add(new File(parts, 'holiday.mp4', { type: 'video/mp4' }));
  const field = document.querySelector('.composer input[accept^="image/*,video"]');
  field.files = chosen.files;
  field.dispatchEvent(new Event('change', { bubbles: true }));
}"""
SHEET = "dialog[aria-label='Send files']"
PLAYER = ".player video"


async def test_video_is_cut_encoded_here_and_plays_while_it_comes(people: People) -> None:
    ada, ben = await people.two()
    await ada.evaluate(f"({FILM})(7)")
    await ada.shows(".strip .frames img >> nth=7")
    await ada.on("[aria-label='Start']", "focus")
    for _ in range(5):
        await ada.do("key", "ArrowRight")
    await ada.fill("Add a caption", "The sea")
    await ada.press("Send")
    await ada.shows(".encoding")
    await ada.shows(".message .tile")
    await ben.shows(".message:has-text('The sea') .tile img")
    [message] = [one for one in await ben.stored("messages") if one.get("media")]
    media = message["media"]
    assert media["type"] == "video/mp4"
    assert media["width"] == 1280
    assert [one["name"] for one in media["streams"]] == ["audio", "240", "480", "720"]
    # it plays from the streams: the whole file is not loaded
    await ben.on(".tile .press", "click")
    await until(lambda: ben.evaluate(f"document.querySelector('{PLAYER}')?.currentTime > 0.5"))
    assert not any(one["id"].startswith(media["key"]) for one in await ben.stored("files"))
    await ben.evaluate(f"document.querySelector('{PLAYER}').currentTime = 6")
    await until(lambda: ben.evaluate(f"document.querySelector('{PLAYER}').ended"), 30)
    assert await ben.evaluate(f"document.querySelector('{PLAYER}').videoHeight") in (240, 480, 720)


async def test_stickers_are_made_of_pictures_and_short_videos_repeat_as_gifs(
    people: People, tmp_path: Path
) -> None:
    ada, ben = await people.two(DESKTOP, DESKTOP)
    cat = tmp_path / "cat.png"
    Image.new("RGBA", (900, 700), (200, 90, 20, 120)).save(cat)
    await ada.on("[aria-label=Attach]", "click")
    await ada.press("Sticker", "menuitem")
    await ada.on("dialog input[type=file]", "setInputFiles", str(cat))
    await ada.on("dialog .sticker img", "waitFor")
    await ada.press("Send sticker")
    await ben.shows(".message .sticker img")
    [message] = [one for one in await ben.stored("messages") if one.get("media")]
    assert message["media"]["type"] == "image/webp"
    assert message["media"]["width"] == 512
    await ben.on(".message .sticker", "click")
    await ben.press("Add to favourites")
    await ben.on("[aria-label=Attach]", "click")
    await ben.press("Sticker", "menuitem")
    await ben.shows("dialog h3:text-is('Favourites')")
    await ben.press("Close")

    # a video that is short enough repeats by itself, without sound
    await ada.evaluate(f"({FILM})(2, 320, 240)")
    await ada.on(f"{SHEET} .gif", "click")
    await ada.press("Send")
    await ben.shows(".message .loop video")
    playing = "(({loop, muted, paused, currentTime}) => loop && muted && !paused && currentTime > 0)"
    await until(lambda: ben.evaluate(f"{playing}(document.querySelector('.loop video'))"))
    media = [one["media"] for one in await ben.stored("messages") if one.get("media")]
    assert [one["loop"] for one in media if one["kind"] == "video"] == [True]
    sound = "document.querySelector('.loop video').webkitAudioDecodedByteCount"
    assert await ben.evaluate(sound) == 0
