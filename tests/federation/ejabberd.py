"""Debian's ejabberd as another server, with its certificate, in the small internet of the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence

from tests.conftest import free_ports
from tests.ejabberd import command, program, settings
from tests.federation.world import Names, World


class Ejabberd:
    """An ejabberd of one domain with these accounts, which finds one other server.

    It asks a name server of its own for SRV records, and the system for the addresses of hosts: so they name
    localhost.
    """

    def __init__(self, here: World, domain: str, people: Sequence[str], other: str, other_port: int) -> None:
        self.names = Names()
        self.names.zone[f"_xmpp-server._tcp.{other}", "SRV"] = [f"0 5 {other_port} localhost."]
        self.domain = domain
        self.folder = here.folder / domain
        self.folder.mkdir(exist_ok=True)
        self.people = people
        self.port, self.s2s_port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        certificate, key = here.authority.certificate(domain, names=domain)
        both = self.folder / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        (self.folder / "inetrc").write_text(
            f'{{resolv_conf,""}}.\n{{hosts_file,""}}.\n{{nameserver,{{127,0,0,1}},{self.names.port}}}.\n'
            "{lookup,[file,dns]}.\n{cache_size,0}.\n"
        )
        authority = here.authority.file
        more = (
            f'certfiles: ["{both}"]\nca_file: "{authority}"\ns2s_cafile: "{authority}"\n'
            "s2s_use_starttls: required\noutgoing_s2s_families: [ipv4]"
        )
        servers = (
            f'{{port: {self.s2s_port}, ip: "127.0.0.1", module: ejabberd_s2s_in, max_stanza_size: 262144}}'
        )
        (self.folder / "ejabberd.yml").write_text(
            settings(domain, self.port, more, f"  - {servers}", ["mod_s2s_dialback"])
        )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        folder = self.folder
        (folder / "ready").unlink(missing_ok=True)
        line, environ = command(folder, program(folder, self.domain, self.people))
        environ["ERL_INETRC"] = str(folder / "inetrc")
        with (folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                line,
                env=os.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            if (folder / "ready").exists():
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                    return
            time.sleep(0.1)
        raise RuntimeError((folder / "out").read_text()[-4000:])

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
            self._process = None


@contextlib.contextmanager
def ejabberd(
    here: World, domain: str, people: Sequence[str], other: str, other_port: int
) -> Iterator[Ejabberd]:
    made = Ejabberd(here, domain, people, other, other_port)
    here.names.add(domain, made.s2s_port)
    made.names.start()
    made.start()
    try:
        yield made
    finally:
        made.kill()
        made.names.stop()
