"""What Prometheus would read of a running server."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable

from prometheus_client.parser import text_string_to_metric_families


class Figures(dict[tuple[str, tuple[tuple[str, str], ...]], float]):
    """Samples by name and labels; one that is not there is 0."""

    def get_one(self, name: str, **labels: str) -> float:
        return self.get((name, tuple(sorted(labels.items()))), 0.0)


def read(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


def figures(text: str) -> Figures:
    found = Figures()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name, tuple(sorted(sample.labels.items()))] = sample.value
    return found


async def scrape(port: int) -> Figures:
    return figures(await asyncio.to_thread(read, port))


async def until(port: int, holds: Callable[[Figures], bool], seconds: float = 20) -> Figures:
    """The first figures for which it holds."""
    async with asyncio.timeout(seconds):
        while not holds(found := await scrape(port)):
            await asyncio.sleep(0.1)
    return found
