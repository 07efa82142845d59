"""Every setting: typed, with its default, from a TOML file and from ``KITH_*`` in the environment."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from kith.wire.jid import parse_jid


class ConfigError(Exception):
    """A setting is unknown or wrong; the text is one line for a person."""


_Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
_Count = Annotated[int, msgspec.Meta(ge=0)]
_Some = Annotated[int, msgspec.Meta(ge=1)]


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings. In the environment ``data_dir`` is ``KITH_DATA_DIR``, and so on. Port 0: off.

    The environment wins over the file.
    """

    domain: str = "localhost"
    data_dir: Path = Path("data")
    listen: list[str] = msgspec.field(default_factory=lambda: ["0.0.0.0", "::"])
    xmpp_port: _Port = 5222
    xmpps_port: _Port = 5223
    http_port: _Port = 8080
    https_port: _Port = 8443
    public_url: str = ""
    allow_plaintext: bool = False
    certificate: Path | None = None
    private_key: Path | None = None
    retention_days: _Count = 0
    stanza_bytes: Annotated[int, msgspec.Meta(ge=10_000)] = 512 * 1024
    rate_bytes: _Count = 4 * 1024 * 1024
    auth_timeout: _Some = 30
    resume_timeout: _Count = 300
    resume_stanzas: _Some = 1000
    max_sessions: _Some = 32
    log_level: Annotated[str, msgspec.Meta(pattern="^(debug|info|warning|error)$")] = "info"

    @classmethod
    def load(cls, file: Path | None, environ: Mapping[str, str]) -> Config:
        """Reads the file, if one is given or named by ``KITH_CONFIG``, and the environment.

        Raises ConfigError.
        """
        if file is None and environ.get("KITH_CONFIG"):
            file = Path(environ["KITH_CONFIG"])
        values: dict[str, Any] = {}
        if file is not None:
            values.update(_read(file))
            cls._check(values, str(file))
        named = {
            name.removeprefix("KITH_").lower(): value
            for name, value in environ.items()
            if name.startswith("KITH_") and name not in CLIENT_VARIABLES
        }
        for name, value in named.items():
            cls._known(name, f"KITH_{name.upper()} in the environment")
            values[name] = _from_text(name, value)
            cls._check({name: values[name]}, f"KITH_{name.upper()} in the environment")
        config = msgspec.convert(values, cls, strict=True, dec_hook=_path)
        config._validate()
        return config

    @classmethod
    def _known(cls, name: str, where: str) -> None:
        if name not in cls.__struct_fields__:
            close = difflib.get_close_matches(name, cls.__struct_fields__, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise ConfigError(f"unknown setting: {name} ({where}){hint}")

    @classmethod
    def _check(cls, values: Mapping[str, Any], where: str) -> None:
        for name, value in values.items():
            cls._known(name, where)
            try:
                msgspec.convert({name: value}, cls, strict=True, dec_hook=_path)
            except msgspec.ValidationError as error:
                reason = str(error).partition(" - at")[0].lower()
                raise ConfigError(f"setting {name} is wrong ({where}): {reason}") from None

    def _validate(self) -> None:
        try:
            jid = parse_jid(self.domain)
        except ValueError:
            raise ConfigError(f"setting domain is wrong: {self.domain!r} is not a domain") from None
        if jid.local or jid.resource or jid.domain != self.domain:
            raise ConfigError(f"setting domain is wrong: write {jid.domain!r}")
        ports: dict[int, str] = {}
        for name in ("xmpp_port", "xmpps_port", "http_port", "https_port"):
            port = getattr(self, name)
            if port and port in ports:
                raise ConfigError(f"settings {ports[port]} and {name} are both {port}")
            ports[port] = name
        if (self.certificate is None) != (self.private_key is None):
            raise ConfigError("settings certificate and private_key belong together: set both or none")

    @property
    def database(self) -> Path:
        return self.data_dir / "kith.sqlite"


#: Variables of the environment that are not the server's.
CLIENT_VARIABLES = frozenset(
    ("KITH_CONFIG", "KITH_JID", "KITH_PASSWORD", "KITH_HOST", "KITH_PORT", "KITH_DATA")
)


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"can't read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise NotImplementedError(kind)


_SWITCH = {
    "1": True,
    "on": True,
    "true": True,
    "yes": True,
    "0": False,
    "off": False,
    "false": False,
    "no": False,
}


def _from_text(name: str, text: str) -> Any:
    """A value from the environment, in the type of the setting; as it is if it can't be one."""
    default = Config.__struct_defaults__[Config.__struct_fields__.index(name)]
    if isinstance(default, bool):
        return _SWITCH.get(text.lower(), text)
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            return text
    if name == "listen":
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
