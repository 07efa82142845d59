"""Debian's Prosody as another server, with its certificate, in the small internet of the tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.conftest import free_ports
from tests.federation.world import World

_PLUGINS = Path(__file__).parent
#: What every one of them has; tests add to it.
_MODULES = "roster saslauth tls dialback disco ping pep presence test_names"

_ROOMS = 'Component "conference.{domain}" "muc"\nmodules_enabled = {{ "muc_mam"; }}\n'


class Prosody:
    """A Prosody of one domain. It finds other servers by ``names``: domains and ports.

    ``modules``: more of them. ``without``: some less. ``people``: its accounts. ``certificate``: other files
    than those of a certificate for the domain. ``options``: more lines of its settings. ``rooms``: it has
    rooms at ``conference.DOMAIN``.
    """

    def __init__(
        self,
        here: World,
        domain: str,
        names: Mapping[str, int],
        modules: str = "",
        without: str = "",
        people: Sequence[str] = ("pam",),
        certificate: tuple[Path, Path] | None = None,
        options: str = "",
        rooms: bool = False,
    ) -> None:
        self.domain = domain
        self.folder = here.folder / domain
        self.port, self.s2s_port = free_ports(2)
        self._process: subprocess.Popen[bytes] | None = None
        chain, key = certificate or here.authority.certificate(domain, names=domain)
        accounts = self.folder / "data" / domain.replace(".", "%2e") / "accounts"
        accounts.mkdir(parents=True)
        for name in people:
            (accounts / f"{name}.dat").write_text('return { ["password"] = "pw"; };\n')
        known = " ".join(f'["{name}"] = {port};' for name, port in names.items())
        enabled = [name for name in f"{_MODULES} {modules}".split() if name not in without.split()]
        quoted = " ".join(f'"{name}";' for name in enabled)
        (self.folder / "prosody.cfg.lua").write_text(
            f"""
run_as_root = true
data_path = "{self.folder}/data"
pidfile = "{self.folder}/pid"
plugin_paths = {{ "{_PLUGINS}" }}
modules_enabled = {{ {quoted} }}
modules_disabled = {{ "s2s_auth_dane_in" }}
default_archive_policy = true
archive_expires_after = "never"
max_archive_query_results = 250
{options}
test_names = {{ {known} }}
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {self.port} }}
s2s_ports = {{ {self.s2s_port} }}
c2s_direct_tls_ports = {{ }}
s2s_direct_tls_ports = {{ }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
s2s_require_encryption = true
s2s_secure_auth = true
authentication = "internal_plain"
ssl = {{ certificate = "{chain}"; key = "{key}"; cafile = "{here.authority.file}" }}
log = {{ debug = "{self.folder}/log" }}
VirtualHost "{domain}"
"""
            + (_ROOMS.format(domain=domain) if rooms else "")
        )

    def start(self) -> None:
        program = shutil.which("prosody", path="/usr/bin:/usr/local/bin:/usr/sbin")
        assert program is not None, "Debian's prosody is missing: `make test` installs it"
        self._process = subprocess.Popen(
            [program, "-F", "--config", str(self.folder / "prosody.cfg.lua")],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise RuntimeError((self.folder / "log").read_text()[-4000:])

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10)
            self._process = None

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text()


@contextlib.contextmanager
def prosody(
    here: World,
    domain: str,
    names: Mapping[str, int],
    modules: str = "",
    without: str = "",
    people: Sequence[str] = ("pam",),
    certificate: tuple[Path, Path] | None = None,
    options: str = "",
    rooms: bool = False,
) -> Iterator[Prosody]:
    made = Prosody(here, domain, names, modules, without, people, certificate, options, rooms)
    here.names.add(domain, made.s2s_port)
    if rooms:
        here.names.add(f"conference.{domain}", made.s2s_port)
    made.start()
    try:
        yield made
    finally:
        made.stop()
