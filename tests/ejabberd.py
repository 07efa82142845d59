"""Debian's ejabberd as a process of a test, without its control program and Erlang's port mapper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def paths() -> list[str]:
    """Where its programs are; empty if the package is not installed."""
    return sorted(str(path) for path in Path("/usr/lib").glob("**/ejabberd-*/ebin"))


def settings(domain: str, port: int, more: str = "", listeners: str = "", modules: Iterable[str] = ()) -> str:
    """Settings with an archive for everybody, its default storage, and no limits of rate."""
    return f"""
hosts: [{domain}]
loglevel: error
{more}
listen:
  - {{port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, access: c2s}}
{listeners}
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
  mod_stream_mgmt: {{resend_on_timeout: if_offline}}
""" + "".join(f"  {module}: {{}}\n" for module in modules)


def program(folder: Path, domain: str, people: Sequence[str]) -> str:
    """Starts it, registers accounts with the password ``pw``, and writes the file ``ready``."""
    registered = ",".join(f'<<"{name}">>' for name in people)
    return (
        "ok = application:start(sasl), {ok, _} = application:ensure_all_started(ejabberd), "
        f'[ejabberd_auth:try_register(N, <<"{domain}">>, <<"pw">>) || N <- [{registered}]], '
        f'file:write_file("{folder}/ready", <<"ok">>).'
    )


def command(folder: Path, program: str) -> tuple[list[str], dict[str, str]]:
    """The command that runs a program with the settings in ``folder``, and its further environment."""
    found = paths()
    assert found, "Debian's package ejabberd is missing"
    (folder / "db").mkdir(exist_ok=True)
    line = ["erl", "-noinput", "+K", "true"]
    for path in found:
        line += ["-pa", path]
    line += ["-mnesia", "dir", f'"{folder}/db"', "-eval", program]
    environ = {
        "EJABBERD_CONFIG_PATH": str(folder / "ejabberd.yml"),
        "EJABBERD_LOG_PATH": str(folder / "ejabberd.log"),
        "ERL_CRASH_DUMP": str(folder / "crash"),
        "HOME": str(folder),
    }
    return line, environ
