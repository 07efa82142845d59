"""Every setting: typed, with its default, from a TOML file and from ``KITH_*`` in the environment."""

from __future__ import annotations

import difflib
import ipaddress
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_args, get_type_hints

import msgspec
from msgspec import Meta
from phonenumbers import SUPPORTED_REGIONS

from kith.wire.jid import JID, parse_jid


class ConfigError(Exception):
    """A setting is unknown or wrong; the text is one line for a person."""


class Setting(NamedTuple):
    """What a person is told of a setting. ``default`` as text; empty: none."""

    name: str
    variable: str
    default: str
    meaning: str


_Port = Annotated[int, Meta(ge=0, le=65535)]
_Count = Annotated[int, Meta(ge=0)]
_Some = Annotated[int, Meta(ge=1)]
_Seconds = Annotated[float, Meta(gt=0, le=86400)]


def _about(meaning: str) -> Meta:
    return Meta(description=meaning)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings. In the environment ``data_dir`` is ``KITH_DATA_DIR``, and so on.

    The environment wins over the file. Relative paths start at the working directory.
    """

    domain: Annotated[str, _about("The domain of the accounts: the part after the @.")] = "localhost"
    data_dir: Annotated[
        Path, _about("The folder with the database and the self-signed certificate; made if missing.")
    ] = Path("data")
    listen: Annotated[
        list[str], _about("The IP addresses to listen on. In the environment: separated by commas.")
    ] = msgspec.field(default_factory=lambda: ["0.0.0.0", "::"])
    xmpp_port: Annotated[_Port, _about("XMPP with STARTTLS. For every port: 0 switches it off.")] = 5222
    xmpps_port: Annotated[_Port, _about("XMPP in TLS from the first byte (XEP-0368).")] = 5223
    http_port: Annotated[
        _Port,
        _about("HTTP: the web app, the API, WebSocket: for this machine, or a reverse proxy to pass on."),
    ] = 8080
    https_port: Annotated[_Port, _about("The same in TLS.")] = 8443
    federation: Annotated[
        bool,
        _about("Whether people here and on other servers can reach each other. Needs a real certificate."),
    ] = False
    federation_port: Annotated[_Port, _about("Where other servers connect, if federation is on.")] = 5269
    federation_ca: Annotated[
        Path | None,
        _about("Certificates of authorities, PEM, to trust in other servers besides the system's."),
    ] = None
    dns_server: Annotated[
        str, _about("The name server for finding other servers, address:port. Empty: the system's.")
    ] = ""
    component_port: Annotated[
        _Port, _about("Where external components connect (XEP-0114), usually 5347. Without TLS.")
    ] = 0
    component_listen: Annotated[list[str], _about("The IP addresses for components.")] = msgspec.field(
        default_factory=lambda: ["127.0.0.1", "::1"]
    )
    metrics_port: Annotated[_Port, _about("Figures for Prometheus, over HTTP at /metrics; usually 9464.")] = 0
    metrics_listen: Annotated[
        list[str], _about("The IP addresses for Prometheus: what it reads is not for everybody.")
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])
    components: Annotated[
        dict[str, str],
        _about("Domains of components and their secrets. In the environment: name=secret, by commas."),
    ] = msgspec.field(default_factory=dict)
    public_url: Annotated[
        str, _about("What a reverse proxy is reached at, like https://chat.example.org; host-meta says it.")
    ] = ""
    trusted_proxies: Annotated[
        list[str],
        _about(
            "Reverse proxies on other machines before the HTTP port: IP addresses or networks. What they say"
            " in X-Forwarded-For and X-Forwarded-Proto is believed, as on this machine itself."
        ),
    ] = msgspec.field(default_factory=list)
    web_dir: Annotated[
        Path | None, _about("The folder with the built web app. Without it: the one that comes with Kith.")
    ] = None
    registration: Annotated[
        Literal["phone", "invite", "open", "closed"],
        _about(
            "Who may make an account: phone (who has a number gets a code), invite (kith invite),"
            " open (anybody, with a name and a password) or closed (kith user add)."
        ),
    ] = "phone"
    user_invites: Annotated[
        bool,
        _about("Whether everybody here may invite people to an account from a client, not only operators."),
    ] = False
    phone_country: Annotated[
        str, _about("The country of numbers that are written without their country's code, like DE.")
    ] = ""
    sms_url: Annotated[
        str,
        _about("The HTTP gateway that sends text messages. Without it the codes are in the server's output."),
    ] = ""
    sms_method: Annotated[Literal["POST", "GET", "PUT"], _about("The method of its requests.")] = "POST"
    sms_headers: Annotated[
        dict[str, str], _about("Headers of its requests. In the environment: name=value, by commas.")
    ] = msgspec.field(default_factory=dict)
    sms_body: Annotated[
        str, _about("The body of its requests, JSON or a form, with {number}, {digits} and {text} in it.")
    ] = ""
    sms_answer: Annotated[
        str, _about("A regular expression: what the answer has to say when the message is on its way.")
    ] = ""
    sms_per_hour: Annotated[_Some, _about("Text messages that are sent in an hour, to all people.")] = 1000
    operators: Annotated[
        list[str], _about("Accounts that may run the operator's commands from a client (XEP-0133).")
    ] = msgspec.field(default_factory=list)
    contacts: Annotated[
        dict[str, str],
        _about(
            "Who to write to (XEP-0157): abuse, admin, feedback, sales, security, status or support, and"
            " URIs with blanks between them. In the environment: abuse=mailto:me@example.org, by commas."
        ),
    ] = msgspec.field(default_factory=dict)
    allow_plaintext: Annotated[
        bool, _about("Logins without TLS from this machine itself: for benchmarks and test suites.")
    ] = False
    certificate: Annotated[
        Path | None, _about("The certificate with its chain, PEM. Without it: a self-signed one is made.")
    ] = None
    private_key: Annotated[Path | None, _about("Its key, PEM, without a passphrase.")] = None
    retention_days: Annotated[_Count, _about("Messages older than that are removed. 0: kept for ever.")] = 0
    stanza_bytes: Annotated[
        int, Meta(ge=10_000), _about("The largest stanza; a client that sends more is disconnected.")
    ] = 512 * 1024
    rate_bytes: Annotated[
        _Count,
        _about("Bytes a second that one connection may send for long; past it, it waits. 0: no bound."),
    ] = 4 * 1024 * 1024
    connections_per_address: Annotated[
        _Count,
        _about("Connections from one address (IPv6: one /64 network). 0: no bound. This machine has none."),
    ] = 1000
    waiting_connections: Annotated[
        _Some, _about("Connections that have not logged in; past it, the oldest of them is closed.")
    ] = 4000
    auth_timeout: Annotated[_Some, _about("Seconds that a connection has to log in.")] = 30
    ping_after: Annotated[
        float,
        Meta(ge=0, le=86400),
        _about(
            "Seconds of silence after which a client is asked whether it is there: twice as many if its"
            " session can be resumed, and twice as many again on a phone or while it is inactive. 0: never."
        ),
    ] = 420.0
    ping_timeout: Annotated[
        _Seconds, _about("Seconds that it then has to show itself, before its connection counts as lost.")
    ] = 60.0
    proxy_timeout: Annotated[
        _Seconds,
        _about("Seconds after which a proxy before the HTTP port cuts what is silent: pinged in time."),
    ] = 60.0
    resume_timeout: Annotated[
        _Count, _about("Seconds that a session waits for a lost connection to come back. 0: not at all.")
    ] = 300
    websocket_compression: Annotated[
        bool, _about("Whether WebSocket clients may compress (RFC 7692); costs CPU, and no memory when idle.")
    ] = True
    strangers_per_hour: Annotated[
        _Count, _about("New people that one account may write to, and ask about, in an hour. 0: no bound.")
    ] = 200
    resume_stanzas: Annotated[_Some, _about("Stanzas that it holds meanwhile.")] = 1000
    max_sessions: Annotated[_Some, _about("Devices that one account can have online at once.")] = 32
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _about("debug, info, warning or error.")
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"], _about("How a line of the log looks: text (key=value) or json.")
    ] = "text"

    @classmethod
    def load(cls, file: Path | None, environ: Mapping[str, str]) -> Config:
        """Reads the file, if one is given or named by ``KITH_CONFIG``, and the environment.

        A variable that is empty counts as not set. Raises ConfigError.
        """
        if file is None and environ.get("KITH_CONFIG"):
            file = Path(environ["KITH_CONFIG"])
        values = _read(file) if file is not None else {}
        places = {name: str(file) for name in values}
        for variable, text in environ.items():
            name = variable.removeprefix("KITH_").lower()
            if variable.startswith("KITH_") and variable not in CLIENT_VARIABLES and text:
                places[name] = f"{variable} in the environment"
                values[name] = _from_text(name, text)
        for name, value in values.items():
            _check(name, value, places[name])
        config = msgspec.convert(values, cls, dec_hook=_path)
        config._check_together(places)
        return config

    @classmethod
    def settings(cls) -> list[Setting]:
        """All of them in order, for help texts and documents."""
        hints = get_type_hints(cls, include_extras=True)
        plain = cls()
        return [
            Setting(name, f"KITH_{name.upper()}", _as_text(getattr(plain, name)), _description(hints[name]))
            for name in cls.__struct_fields__
        ]

    def _check_together(self, places: Mapping[str, str]) -> None:
        def named(name: str) -> str:
            return f"{name} ({places.get(name, 'by default')})"

        try:
            jid = parse_jid(self.domain)
        except ValueError:
            raise _wrong("domain", places["domain"], f"{self.domain!r} is not a domain") from None
        if jid.local or jid.resource:
            raise _wrong("domain", places["domain"], f"only {jid.domain!r}, nothing before or after it")
        if jid.domain != self.domain:
            raise _wrong("domain", places["domain"], f"write it as {jid.domain!r}")
        for name in ("listen", "component_listen", "metrics_listen"):
            if not getattr(self, name):
                raise _wrong(name, places[name], "no address to listen on")
            for address in getattr(self, name):
                try:
                    ipaddress.ip_address(address)
                except ValueError:
                    raise _wrong(name, places[name], f"{address!r} is not an IP address") from None
        for proxy in self.trusted_proxies:
            try:
                ipaddress.ip_network(proxy, strict=False)
            except ValueError:
                reason = f"{proxy!r} is neither an IP address nor a network, as 10.0.0.0/24 is"
                raise _wrong("trusted_proxies", places["trusted_proxies"], reason) from None
        for operator in self.operators:
            if not _is_account(operator, self.domain):
                reason = f"{operator!r} is not the address of an account here"
                raise _wrong("operators", places["operators"], reason)
        for host, secret in self.components.items():
            if not _is_domain(host) or host == self.domain:
                raise _wrong("components", places["components"], f"{host!r} is not another domain")
            if not secret:
                raise _wrong("components", places["components"], f"{host} has no secret")
        for kind, addresses in self.contacts.items():
            if kind not in _CONTACTS or not all(":" in address for address in addresses.split()):
                raise _wrong("contacts", places["contacts"], f"{kind} = {addresses!r} is not a kind and URIs")
        ports: dict[int, str] = {}
        for name in PORTS:
            port = getattr(self, name)
            if port and port in ports:
                raise ConfigError(f"settings {named(ports[port])} and {named(name)} are both {port}")
            ports[port] = name
        if (self.certificate is None) != (self.private_key is None):
            given = "private_key" if self.certificate is None else "certificate"
            raise ConfigError(
                f"settings certificate and private_key belong together, only {named(given)} is set"
            )
        if self.phone_country and self.phone_country not in SUPPORTED_REGIONS:
            reason = f"{self.phone_country!r} is not a country's two letters, as DE is"
            raise _wrong("phone_country", places["phone_country"], reason)
        if self.sms_url and not self.sms_url.startswith(("https://", "http://")):
            raise _wrong("sms_url", places["sms_url"], "it starts with https:// or http://")
        if self.sms_url and "{text}" not in self.sms_url + self.sms_body:
            place = places.get("sms_body", "by default")
            raise _wrong("sms_body", place, "neither it nor sms_url has a {text}")
        try:
            re.compile(self.sms_answer)
        except re.error as error:
            raise _wrong("sms_answer", places["sms_answer"], f"not a regular expression: {error}") from None
        if self.public_url and not self.public_url.startswith(("https://", "http://")):
            raise _wrong("public_url", places["public_url"], "it starts with https:// or http://")

    @property
    def invites(self) -> bool:
        """Whether invitations are good for something: accounts are made in-band (XEP-0077)."""
        return self.registration in ("invite", "open")

    @property
    def database(self) -> Path:
        return self.data_dir / "kith.sqlite"


_CONTACTS = frozenset(("abuse", "admin", "feedback", "sales", "security", "status", "support"))
PORTS = (
    "xmpp_port",
    "xmpps_port",
    "http_port",
    "https_port",
    "component_port",
    "metrics_port",
    "federation_port",
)
#: Variables of the environment that are not the server's.
CLIENT_VARIABLES = frozenset(
    ("KITH_CONFIG", "KITH_JID", "KITH_PASSWORD", "KITH_HOST", "KITH_PORT", "KITH_DATA", "KITH_SERVER")
)


def _is_domain(text: str) -> bool:
    try:
        return parse_jid(text) == JID("", text)
    except ValueError:
        return False


def _is_account(text: str, domain: str) -> bool:
    try:
        jid = parse_jid(text)
    except ValueError:
        return False
    return bool(jid.local) and jid.domain == domain and str(jid) == text


def _read(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as error:
        raise ConfigError(f"can't read {file}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _wrong(name: str, place: str, reason: str) -> ConfigError:
    return ConfigError(f"setting {name} is wrong ({place}): {reason}")


def _check(name: str, value: object, place: str) -> None:
    """Whether there is such a setting, and whether it can have this value."""
    if name not in Config.__struct_fields__:
        close = difflib.get_close_matches(name, Config.__struct_fields__, 1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ConfigError(f"unknown setting: {name!r} ({place}){hint}")
    try:
        msgspec.convert({name: value}, Config, dec_hook=_path)
    except msgspec.ValidationError as error:
        shown = "" if isinstance(value, (dict, list)) else f", not {value!r}"
        raise _wrong(name, place, _reason(name, str(error)) + shown) from None


_WORDS = {
    "`int`": "a whole number",
    "`float`": "a number",
    "`bool`": "true or false",
    "`str`": "text in quotes",
    "`array`": "a list",
    "`object`": "a table",
    "`path | null`": "a path in quotes",
    "`path`": "a path in quotes",
}


def _reason(name: str, error: str) -> str:
    """What msgspec says, for a person."""
    if error.startswith("Invalid enum value"):
        return "expected one of " + ", ".join(get_args(get_args(_hint(name))[0]))
    reason = error.partition(" - at")[0].partition(", got")[0].lower()
    for word, plain in _WORDS.items():
        reason = reason.replace(word, plain)
    return reason.replace(" >= ", " of at least ").replace(" <= ", " of at most ").replace(" > ", " above ")


def _hint(name: str) -> Any:
    return get_type_hints(Config, include_extras=True)[name]


def _description(hint: Any) -> str:
    return str(next(meta.description for meta in hint.__metadata__ if meta.description))


def _as_text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "on" if value else "off"
        case float():
            return f"{value:g}"
        case list():
            return ",".join(value)
        case dict():
            return ",".join(value)  # what belongs to the names may be secret
    return str(value)


def _path(kind: type, value: object) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value).expanduser()
    raise msgspec.ValidationError(f"Expected `{kind.__name__.lower()}`")


_SWITCH = {"on": True, "true": True, "yes": True, "1": True} | dict.fromkeys(
    ("off", "false", "no", "0"), False
)


def _from_text(name: str, text: str) -> Any:
    """A value from the environment, in the type of the setting; as it is if it can't be one."""
    default = getattr(Config(), name, None)
    if isinstance(default, bool):
        return _SWITCH.get(text.lower(), text)
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            return text
    if isinstance(default, float):
        try:
            return float(text)
        except ValueError:
            return text
    if isinstance(default, dict):
        parts = [part.partition("=") for part in text.split(",") if part.strip()]
        return {name.strip(): value.strip() for name, _, value in parts}
    if isinstance(default, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return text
