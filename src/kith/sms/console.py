"""Prints text messages to the server's output, for tests and for servers without a gateway."""

from __future__ import annotations

import json
from typing import TextIO

from kith.terminal import say


class ConsoleSMS:
    """An implementation of `kith.ports.sms.SMS`: the operator reads the codes and passes them on.

    ``as_json``: prints JSON, for an output that is for a program.
    """

    def __init__(self, out: TextIO | None = None, as_json: bool = False) -> None:
        self._out = out
        self._as_json = as_json

    async def send(self, number: str, text: str) -> None:
        if self._as_json:
            say(json.dumps({"event": "text message", "to": number, "text": text}), self._out)
            return
        line = " ".join(text.split("\n\n")[0].split())
        say(f"\n  ✉ Text message to {number}: {line}\n", self._out)

    async def close(self) -> None:
        pass
