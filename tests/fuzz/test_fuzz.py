"""Everything that was ever found stays found; and a few seconds of looking for more."""

from __future__ import annotations

import importlib
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import forms, sasl, websocket
from tests.fuzz.run import CORPUS, TARGETS

#: For atheris to look at each target; `make fuzz` gives it longer.
SECONDS = 4
FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
_FILES = [path for target in TARGETS for path in sorted((CORPUS / target).iterdir())]


@pytest.mark.parametrize("file", _FILES, ids=lambda file: f"{file.parent.name}-{file.name}")
def test_what_is_in_the_corpus_keeps_the_promises(file: Path) -> None:
    importlib.import_module(f"tests.fuzz.{file.parent.name}").run(file.read_bytes())


if sys.platform == "linux" and platform.machine() == "x86_64":  # where there is an atheris

    @pytest.fixture(scope="module")
    def looking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
        """One process for each target, all at the same time; what they say is beside what they find."""
        found = {}
        for target in TARGETS:
            folder = tmp_path_factory.mktemp(target)
            arguments = [target, "--seconds", str(SECONDS), "--keep", str(folder / "found")]
            with (folder / "said").open("wb") as said:
                found[target] = subprocess.Popen(
                    [sys.executable, "-m", "tests.fuzz.run", *arguments],
                    cwd=CORPUS.parents[2],
                    stdout=said,
                    stderr=said,
                )
            found[target].said = folder / "said"  # type: ignore[attr-defined]
        yield found
        for process in found.values():
            process.kill()
            process.wait()

    @pytest.mark.parametrize("target", TARGETS)
    def test_atheris_finds_nothing_in_a_few_seconds(
        looking: dict[str, subprocess.Popen[bytes]], target: str
    ) -> None:
        status = looking[target].wait(100)
        said = looking[target].said.read_text(errors="replace")  # type: ignore[attr-defined]
        assert status == 0, said[-4000:]
        runs = int(said.rpartition("number_of_executed_units:")[2].split()[0])
        assert runs > len(list((CORPUS / target).iterdir()))


_TEXT = st.text(max_size=20)
_NAME = st.sampled_from(["ada", "ada@localhost", "nobody", "ADA", ""]) | _TEXT
_MECHANISM = st.sampled_from(
    [
        "PLAIN",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "SCRAM-SHA-256-PLUS",
        "SCRAM-SHA-512",
        "HT-SHA-256-NONE",
        "EXTERNAL",
    ]
)
_PAYLOAD = st.one_of(
    st.tuples(_NAME, _NAME, _TEXT).map("\0".join),
    st.tuples(_NAME, _TEXT).map("\0".join),
    st.tuples(st.sampled_from(["n", "y", "p=tls-server-end-point"]), _TEXT, _NAME, _TEXT).map(
        lambda parts: f"{parts[0]},{parts[1]},n={parts[2]},r={parts[3]}"
    ),
    st.tuples(_TEXT, st.sampled_from(["", "x"]), _TEXT).map(
        lambda parts: f"c={parts[0]},r={{nonce}}{parts[1]},p={parts[2]}"
    ),
    _TEXT,
)
_STEP = st.one_of(
    st.tuples(_MECHANISM, _PAYLOAD).map(
        lambda it: f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='{it[0]}'>[[{it[1]}]]</auth>"
    ),
    _PAYLOAD.map(lambda it: f"<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>[[{it}]]</response>"),
    st.tuples(_MECHANISM, _PAYLOAD).map(
        lambda it: (
            f"<authenticate xmlns='urn:xmpp:sasl:2' mechanism='{it[0]}'>"
            f"<initial-response>[[{it[1]}]]</initial-response>"
            "<user-agent id='d4565fa7-4d72-4749-b3d3-740edbf87770'/><fast xmlns='urn:xmpp:fast:0'/>"
            "</authenticate>"
        )
    ),
    _PAYLOAD.map(lambda it: f"<response xmlns='urn:xmpp:sasl:2'>[[{it}]]</response>"),
    st.sampled_from(["<abort xmlns='urn:xmpp:sasl:2'/>", "<iq type='get' id='a'><b xmlns='c'/></iq>"]),
)


@FEW
@given(st.lists(_STEP, max_size=6))
def test_no_conversation_logs_in_without_the_password(steps: list[str]) -> None:
    sasl.run("\n%%\n".join(steps).encode(errors="replace"))


_VAR = st.sampled_from(
    [
        "FORM_TYPE",
        "with",
        "start",
        "end",
        "ids",
        "before-id",
        "after-id",
        "pubsub#access_model",
        "pubsub#max_items",
        "pubsub#send_last_published_item",
        "pubsub#roster_groups_allowed",
        "pubsub#item_expire",
        "accountjid",
    ]
)
_VALUE = st.one_of(
    _TEXT,
    st.integers().map(str),
    st.datetimes().map(lambda moment: f"{moment.isoformat()}Z"),
    st.sampled_from(["max", "true", "0", "open", "roster", "ben@localhost", "urn:xmpp:mam:2"]),
)


@FEW
@given(
    st.sampled_from(sorted(forms.REQUESTS)), st.lists(st.tuples(_VAR | _TEXT, st.lists(_VALUE, max_size=3)))
)
def test_every_form_is_answered(request: str, fields: list[tuple[str, list[str]]]) -> None:
    lines = [request]
    for var, values in fields:
        lines += [f"{var}{'+' if number else ''}={value}" for number, value in enumerate(values)] or [var]
    forms.run("\n".join(lines).encode(errors="replace"))


def _frame(opcode: int, fin: bool, payload: bytes, mask: bytes) -> bytes:
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + len(payload).to_bytes(2, "big")
    return bytes([(0x80 if fin else 0) | opcode]) + size + mask + masked


_FRAMES = st.builds(
    _frame,
    st.sampled_from([0, 1, 1, 1, 2, 8, 9, 10, 11]),
    st.booleans() | st.just(True),
    st.binary(max_size=140)
    | st.sampled_from(
        [
            b"<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='localhost' version='1.0'/>",
            b"<close xmlns='urn:ietf:params:xml:ns:xmpp-framing'/>",
            b"<presence/>",
            b"\x03\xe8bye",
        ]
    ),
    st.binary(min_size=4, max_size=4),
)
_FIELDS = (
    b"Host: localhost",
    b"Upgrade: websocket",
    b"Connection: keep-alive, Upgrade",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Protocol: other, xmpp",
)


@FEW
@given(st.none() | st.integers(0, len(_FIELDS) - 1), st.binary(max_size=12), st.lists(_FRAMES, max_size=6))
def test_frames_get_frames_and_requests_that_are_none_get_an_error(
    missing: int | None, odd: bytes, frames: list[bytes]
) -> None:
    fields = [field for number, field in enumerate(_FIELDS) if number != missing] + [b"X-Odd: " + odd]
    head = b"GET /xmpp-websocket HTTP/1.1\r\n" + b"\r\n".join(fields) + b"\r\n\r\n"
    websocket.run(head + b"".join(frames))
