"""What a message costs, in what a busy machine does not change: Python calls, and looks at the store."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from kith.features import ALL
from kith.wire.stanza import Stanza
from tests.parts import room

MESSAGES = 400
#: From a session's stanza to the bytes of the other's connection, on the loop's thread; each is about 0.1 µs.
MOST_CALLS = 64.0


async def test_a_message_takes_so_many_calls_from_session_to_session(tmp_path: Path) -> None:
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call" and "/kith/" in frame.f_code.co_filename:
            calls[f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"] += 1

    async with room(tmp_path, *ALL) as there:
        ada, ben = await there.session("ada/phone"), await there.session("ben/phone")
        texts = [
            f"<message to='ben@localhost' type='chat' id='m{n}'><body>hello</body></message>".encode()
            for n in range(MESSAGES)
        ]
        stanzas = [Stanza.from_bytes(text) for text in texts]
        sys.setprofile(count)
        try:
            for stanza in stanzas:
                ada.receive(stanza)
            await there.settle()
        finally:
            sys.setprofile(None)
        assert sum(stanza.kind == "message" for stanza in there.heard(ben)) == MESSAGES
    each = sum(calls.values()) / MESSAGES
    assert each <= MOST_CALLS, [(name, number / MESSAGES) for name, number in calls.most_common(80)]
