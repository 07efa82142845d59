"""Two people and their devices, at which calls ring."""

from __future__ import annotations

from typing import Any

from kith.client import Client
from tests.client.conftest import People


class Callers(People):
    """As `People`, with calls."""

    def device(self, jid: str, device: str = "phone", **settings: Any) -> Client:
        return super().device(jid, device, **({"calls": True} | settings))
