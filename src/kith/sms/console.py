"""Prints text messages to the server's output, for tests and for servers without a gateway."""

from __future__ import annotations

from typing import TextIO

from kith.terminal import say


class ConsoleSMS:
    """An implementation of `kith.ports.sms.SMS`: the operator reads the codes and passes them on."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out

    async def send(self, number: str, text: str) -> None:
        line = " ".join(text.split("\n\n")[0].split())
        say(f"\n  ✉ Text message to {number}: {line}\n", self._out)

    async def close(self) -> None:
        pass
