"""Servers without the half second that each takes to import itself: they are forked from a process that has.

What runs in them is the `kith` command with its arguments and its environment, as if it had been started.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from typing import IO

_LARGEST = 2**18


class Forked:
    """A process of the nursery; it has of `subprocess.Popen` what the tests use."""

    def __init__(self, pid: int, status: int) -> None:
        """``status``: a pipe from which its exit status comes when it has ended."""
        self.pid = pid
        self._status = status
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, or None while it runs; as `subprocess` has it: minus the signal that ended it."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            if not select.select([self._status], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
            self.returncode = int(os.read(self._status, 32) or -signal.SIGKILL)
            os.close(self._status)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def fork(arguments: list[str], environ: Mapping[str, str], output: IO[bytes]) -> Forked:
    """Runs `kith` with these arguments; what it writes goes to a file."""
    reading, writing = os.pipe()
    try:
        request = json.dumps([arguments, dict(environ)]).encode()
        nursery, _ = _nursery()
        socket.send_fds(nursery, [request], [output.fileno(), writing])
        pid = int(nursery.recv(32))
    finally:
        os.close(writing)
    return Forked(pid, reading)


@functools.cache
def _nursery() -> tuple[socket.socket, subprocess.Popen[bytes]]:
    """Started when it is needed first; ends with this process, and all that it has forked with it."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", __name__, str(theirs.fileno())]
        process = subprocess.Popen(command, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL)
    return ours, process


def _keep(wire: int) -> tuple[list[str], dict[str, str], int] | None:
    """Forks whenever it is asked to. Returns twice, as fork does: None at the end, and in each new process.

    There it says what to run, and where its output goes. No object may hold a descriptor: the new process
    would close it once more when it forgets the object.
    """
    children: dict[int, int] = {}
    waking, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # those that use the servers end them
    while True:
        ready = select.select([wire, waking], [], [])[0]
        if waking in ready:
            os.read(waking, 4096)
            _reap(children)
        if wire not in ready:
            continue
        there = socket.socket(fileno=wire)
        request, descriptors, _, _ = socket.recv_fds(there, _LARGEST, 2)
        there.detach()
        if not request:
            for pid in children:
                os.kill(pid, signal.SIGKILL)
            return None
        output, status = descriptors
        pid = os.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            for descriptor in (wire, waking, woken, status, *children.values()):
                os.close(descriptor)
            arguments, environ = json.loads(request)
            return arguments, environ, output
        os.close(output)
        children[pid] = status
        os.write(wire, str(pid).encode())


def _reap(children: dict[int, int]) -> None:
    """Says of all that have ended how."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        pipe = children.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(pipe, str(os.waitstatus_to_exitcode(status)).encode())
        os.close(pipe)


def _main() -> None:
    import kith.cli
    import kith.cli.server
    import kith.process

    started = _keep(int(sys.argv[1]))
    if started is None:
        return
    arguments, environ, output = started
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)
    os.environ.clear()
    os.environ.update(environ)
    time.tzset()
    sys.argv[:] = ["kith", *arguments]
    kith.cli.main()


if __name__ == "__main__":
    _main()
