"""Debian's ejabberd as another server, with its certificate, in the small internet of the tests."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.conftest import free_ports
from tests.federation.world import Names, World


def paths() -> list[str]:
    """Where its programs are; empty if the package is not installed."""
    return sorted(str(path) for path in Path("/usr/lib").glob("**/ejabberd-*/ebin"))


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
        (self.folder / "ejabberd.yml").write_text(
            f"""
hosts: [{domain}]
loglevel: info
certfiles: ["{both}"]
ca_file: "{here.authority.file}"
s2s_cafile: "{here.authority.file}"
s2s_use_starttls: required
outgoing_s2s_families: [ipv4]
listen:
  - {{port: {self.port}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, access: c2s}}
  - {{port: {self.s2s_port}, ip: "127.0.0.1", module: ejabberd_s2s_in, max_stanza_size: 262144}}
auth_method: internal
auth_password_format: plain
acl: {{local: {{user_regexp: ""}}}}
access_rules: {{local: {{allow: local}}, c2s: {{allow: all}}}}
shaper: {{}}
shaper_rules: {{max_user_sessions: 10, max_user_offline_messages: 1000000}}
default_db: mnesia
modules:
  mod_carboncopy: {{}}
  mod_disco: {{}}
  mod_mam: {{assume_mam_usage: true, default: always, db_type: mnesia}}
  mod_offline: {{access_max_user_messages: max_user_offline_messages}}
  mod_ping: {{}}
  mod_roster: {{}}
  mod_s2s_dialback: {{}}
  mod_stream_mgmt: {{resend_on_timeout: if_offline}}
"""
        )
        (self.folder / "db").mkdir(exist_ok=True)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        folder = self.folder
        (folder / "ready").unlink(missing_ok=True)
        registered = ",".join(f'<<"{name}">>' for name in self.people)
        boot = (
            "ok = application:start(sasl), {ok, _} = application:ensure_all_started(ejabberd), "
            f'[ejabberd_auth:try_register(N, <<"{self.domain}">>, <<"pw">>) || N <- [{registered}]], '
            f'file:write_file("{folder}/ready", <<"ok">>).'
        )
        command = ["erl", "-noinput", "+K", "true"]
        for path in paths():
            command += ["-pa", path]
        command += ["-mnesia", "dir", f'"{folder}/db"', "-eval", boot]
        environ = {
            "EJABBERD_CONFIG_PATH": str(folder / "ejabberd.yml"),
            "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
            "ERL_CRASH_DUMP": str(folder / "crash"),
            "ERL_INETRC": str(folder / "inetrc"),
            "HOME": str(folder),
        }
        with (folder / "out").open("ab") as out:
            self._process = subprocess.Popen(
                command,
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
