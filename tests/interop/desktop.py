"""A desktop without a screen: an X server, a session bus, a window manager, and somebody who uses it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

_HANDS = Path(__file__).with_name("hands.py")
_PATH = "/usr/bin:/bin"
_GTK = "[Settings]\ngtk-enable-animations=0\n"
_ROOT = os.geteuid() == 0
#: Runs a command with files of a folder in place of the system's, as the user who calls it.
_OVERLAY = """
mount --bind "$1/hosts" /etc/hosts && mount --bind "$1/resolv.conf" /etc/resolv.conf &&
mount --bind "$1/certs" /etc/ssl/certs && user=$2 && group=$3 && shift 3 &&
exec unshare --user --map-user="$user" --map-group="$group" -- "$@"
"""
#: desktop programs refuse to run as root
_USER: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if _ROOT else {}


def world(folder: Path, domain: str, address: str, authority: Path) -> Path:
    """Files for a desktop on which a domain is at an address of this machine, and no other is known.

    ``authority``: the root certificate in PEM, the only one that programs trust. Returns the folder.
    """
    (folder / "certs").mkdir(parents=True)
    (folder / "hosts").write_text(f"127.0.0.1 localhost\n{address} {domain}\n")
    (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
    shutil.copy(authority, folder / "certs" / "authority.pem")
    subprocess.run(["/usr/bin/openssl", "rehash", folder / "certs"], check=True)
    shutil.copy(authority, folder / "certs" / "ca-certificates.crt")
    return folder


class Desktop:
    """Programs on a screen of their own, and the hands that use them (`hands.py`).

    ``home`` is the folder of the user whose they are; ``shots`` the one for screenshots.
    """

    def __init__(
        self, home: Path, shots: Path, answers: asyncio.StreamReader, calls: asyncio.StreamWriter
    ) -> None:
        self.home = home
        self.shots = shots
        self._answers = answers
        self._calls = calls

    async def start(self, *command: str) -> None:
        """Starts a program of Debian's. What it writes goes to ``home``, into a log of its name."""
        program = shutil.which(command[0], path=_PATH)
        assert program, f"{command[0]} is missing: `make test` installs it (debian-packages.txt)"
        await self.do("start", name=command[0], command=[program, *command[1:]])

    async def ended(self, program: str) -> None:
        """Waits until a program has ended."""
        await self.until("ended", name=program)

    async def do(self, call: str, **arguments: Any) -> Any:
        """One call of the hands. Raises LookupError with what they say if it fails."""
        self._calls.write(json.dumps({"do": call, **arguments}).encode() + b"\n")
        answer = await asyncio.wait_for(self._answers.readline(), 60)
        assert answer, f"the hands have gone: see {self.shots / 'desktop.log'}"
        result = json.loads(answer)
        if isinstance(result, dict):
            raise LookupError(result["error"])
        return result

    async def until(
        self, call: str, right: Callable[[Any], object] = bool, timeout: float = 60, **arguments: Any
    ) -> Any:
        """Repeats a call until its result is right. Returns that."""
        result: object = None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            try:
                result = await self.do(call, **arguments)
            except LookupError as error:  # a widget went away while it was looked at, for one
                result = error
            else:
                if right(result):
                    return result
            await asyncio.sleep(0.15)
        picture = await self.picture("failed")
        raise AssertionError(f"{call} {arguments}: {str(result)[:200]}\n{await self.text()}\n{picture}")

    async def sees(self, role: str, pattern: str = "", **other: Any) -> list[str]:
        """Waits until a widget is on the screen. Returns its texts."""
        return list((await self.until("see", role=role, pattern=pattern, **other))[0])

    async def gone(self, role: str, pattern: str = "", timeout: float = 60) -> None:
        """Waits until no such widget is on the screen."""
        await self.until("see", right=lambda found: not found, timeout=timeout, role=role, pattern=pattern)

    async def dismiss(self, title: str) -> None:
        """Closes a dialog with Escape, once it has the focus."""
        await self.until("active", role="frame", pattern=title)
        await self.press("Escape")
        await self.gone("frame", title)

    async def click(self, role: str, pattern: str = "", **other: Any) -> None:
        """Waits for a widget that can be used, and clicks it."""
        await self.until("click", role=role, pattern=pattern, **other)

    async def write(self, text: str, role: str, pattern: str = "", **other: Any) -> None:
        """Waits for a field and fills it."""
        await self.until("write", text=text, role=role, pattern=pattern, **other)

    async def press(self, key: str) -> None:
        """Presses a key, by its name in X11."""
        await self.do("press", key=key)

    async def type(self, text: str) -> None:
        """Types a text into what has the focus."""
        await self.do("type", text=text)

    async def point(self, x: int, y: int) -> None:
        """Clicks a place of the screen."""
        await self.do("point", x=x, y=y)

    async def picture(self, name: str) -> Path:
        """A screenshot. Returns its file."""
        made = self.home / f"{name}.png"
        await self.do("picture", file=str(made))
        return Path(shutil.copy(made, self.shots))

    def lend(self, file: Path) -> None:
        """Puts a copy into ``home``, where the programs find it."""
        Path(shutil.copy(file, self.home)).chmod(0o644)

    async def text(self) -> str:
        """All that is written on the screen, a line for each widget."""
        return "\n".join(f"{role} {texts} {place}" for role, texts, place in await self.do("tree") if texts)


def _home(overlay: Path | None, files: Path | None) -> Path:
    home = Path(tempfile.mkdtemp(prefix="kith-desktop-"))
    if files is not None:
        shutil.copytree(files, home, dirs_exist_ok=True)
    if overlay is not None:
        shutil.copytree(overlay, home / "world")
    (home / ".config" / "gtk-3.0").mkdir(parents=True, exist_ok=True)
    (home / ".config" / "gtk-3.0" / "settings.ini").write_text(_GTK)
    (home / "run").mkdir(mode=0o700)
    shutil.copy(_HANDS, home)  # where it is, its user may not read it
    if _USER:
        owner = pwd.getpwnam(_USER["user"])
        for path in (home, *home.rglob("*")):
            os.chown(path, owner.pw_uid, owner.pw_gid)
    return home


async def _spawn(*command: str, share: int, group: int, log: int, **other: Any) -> Process:
    """A process in that group, 0 for a new one, that has a file descriptor of ours."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=[share],
        process_group=group,
        **_USER,
        **other,
    )


async def _screen(log: int) -> tuple[Process, str]:
    """An X server, once it listens, and the name of its display."""
    reading, writing = os.pipe()
    size = ("-screen", "0", "1100x720x24")
    try:
        server = await _spawn(
            *("/usr/bin/Xvfb", "-displayfd", str(writing), *size, "-nolisten", "tcp", "-noreset"),
            share=writing,
            group=0,
            log=log,
        )
    finally:
        os.close(writing)
    number = await asyncio.to_thread(_all_of, reading)
    assert number, "the X server did not start"
    return server, f":{number.strip()}"


def _all_of(descriptor: int) -> str:
    with open(descriptor) as file:
        return file.read()


@asynccontextmanager
async def desktop(
    shots: Path, overlay: Path | None = None, files: Path | None = None
) -> AsyncIterator[Desktop]:
    """An empty screen of 1100 by 720 pixels. At the end all that runs on it is ended, its home removed.

    ``overlay``: what its programs see of the network (`world`). ``files``: what is in its home at the start.
    """
    home = _home(overlay, files)
    user = pwd.getpwnam(_USER["user"]) if _USER else pwd.getpwuid(os.geteuid())
    apart = ("/usr/bin/unshare", "--map-root-user", "--mount", "--", "/bin/sh", "-c", _OVERLAY, "sh")
    prefix = (*apart, str(home / "world"), str(user.pw_uid), str(user.pw_gid)) if overlay else ()
    ours, theirs = socket.socketpair()
    with (shots / "desktop.log").open("ab") as log:
        server, display = await _screen(log.fileno())
        hands = await _spawn(
            *(
                *prefix,
                "/usr/bin/dbus-run-session",
                "--",
                "/usr/bin/python3",
                _HANDS.name,
                str(theirs.fileno()),
            ),
            share=theirs.fileno(),
            group=server.pid,
            log=log.fileno(),
            cwd=home,
            env={
                "DISPLAY": display,
                "GSK_RENDERER": "cairo",
                "GSETTINGS_BACKEND": "memory",
                "HOME": str(home),
                "LANG": "C.UTF-8",
                "LIBGL_ALWAYS_SOFTWARE": "1",
                "PATH": _PATH,
                "QT_LINUX_ACCESSIBILITY_ALWAYS_ON": "1",
                "QT_QUICK_BACKEND": "software",
                "XDG_RUNTIME_DIR": str(home / "run"),
            },
        )
    theirs.close()
    answers, calls = await asyncio.open_connection(sock=ours, limit=2**24)
    made = Desktop(home, shots, answers, calls)
    try:
        await made.start("matchbox-window-manager")
        yield made
    finally:
        calls.close()
        await _end(server, hands)
        for file in home.glob("*.log"):
            shutil.copy(file, shots)
        shutil.rmtree(home, ignore_errors=True)


async def _end(server: Process, hands: Process) -> None:
    """Ends all that was started, the services of the session among it: they are one group of processes."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, ending)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(server.wait(), hands.wait()), 5)
