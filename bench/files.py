"""Memory and time of the SDK with a large file: `python bench/files.py [--gigabytes 2]`.

A server, a sender and a receiver, each in a process of its own. What is measured is the largest resident size
of the sender while it encrypts and uploads, and of the receiver while it downloads and decrypts, beside what
each took before.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
_MEGABYTE = 1024 * 1024


def largest() -> float:
    """The largest resident size of this process, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def send(folder: Path, jid: str, peer: str, port: int, file: Path) -> None:
    """Sends the file, and prints what that took."""
    from kith.client import Client

    async with Client(jid, "pw", data=folder / "sender", host="127.0.0.1", port=port, auto_accept=True) as me:
        while not any(key.active for key in await me.fingerprints(peer)):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        (small := folder / "small").write_text("so that all libraries are loaded")
        await me.send_file(peer, small, as_document=True)
        before, began, cpu = largest(), time.monotonic(), time.process_time()
        await me.send_file(peer, file, as_document=True)
        report("up", before, began, cpu)


async def receive(folder: Path, jid: str, port: int) -> None:
    """Saves the files, and prints what the large one took."""
    from kith.client import Client

    async with Client(
        jid, "pw", data=folder / "receiver", host="127.0.0.1", port=port, auto_accept=True
    ) as me:
        print("ready", flush=True)
        before = 0.0
        async for message in me.messages():
            if message.media is None:
                continue
            if message.media.name == "small":
                await message.media.save(folder / "small-saved")
                before = largest()
                continue
            began, cpu = time.monotonic(), time.process_time()
            path = await message.media.save(folder / "saved")
            report("down", before, began, cpu)
            with path.open("rb") as saved:
                print(json.dumps({"sha256": hashlib.file_digest(saved, "sha256").hexdigest()}), flush=True)
            return


def report(way: str, before: float, began: float, cpu: float) -> None:
    found = {
        "way": way,
        "seconds": round(time.monotonic() - began, 1),
        "cpu_seconds": round(time.process_time() - cpu, 1),
        "mb_before": round(before),
        "mb_largest": round(largest()),
    }
    print(json.dumps(found), flush=True)


def main() -> None:
    """Measures, or is one of the two."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=1.99)
    parser.add_argument("--role", nargs="*")
    chosen = parser.parse_args()
    if chosen.role:
        role, folder, *more = chosen.role
        if role == "send":
            asyncio.run(send(Path(folder), more[0], more[1], int(more[2]), Path(more[3])))
        else:
            asyncio.run(receive(Path(folder), more[0], int(more[1])))
        return
    with tempfile.TemporaryDirectory() as name:
        measure(Path(name), int(chosen.gigabytes * 1024 * _MEGABYTE))


def measure(folder: Path, size: int) -> None:
    """One file of so many bytes, each way."""
    from tests.conftest import running

    file, digest = folder / "large", hashlib.sha256()
    with file.open("wb") as target:
        for left in range(size, 0, -_MEGABYTE):
            part = os.urandom(min(left, _MEGABYTE))
            digest.update(part)
            target.write(part)
    with running(folder / "data") as server:
        ada, ben, port = server.add_user("ada"), server.add_user("ben"), str(server.port)
        command = [sys.executable, __file__, "--role"]
        receiver = subprocess.Popen(
            [*command, "receive", str(folder), ben, port], stdout=subprocess.PIPE, text=True
        )
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
        try:
            subprocess.run([*command, "send", str(folder), ada, ben, port, str(file)], check=True)
            printed, _ = receiver.communicate(timeout=600)
        finally:
            receiver.kill()
    print(printed.rpartition("{")[0].strip())
    assert digest.hexdigest() in printed, "the file that was saved is another one"


if __name__ == "__main__":
    main()
