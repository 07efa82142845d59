"""Every setting of the server: its type, its default, and one sentence for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, get_type_hints

import msgspec
from msgspec import Meta
from msgspec.structs import force_setattr

from kith.config import values
from kith.config.gateways import GatewaySettings
from kith.config.relays import RelaySettings
from kith.config.sfus import SFUSettings

_Port = Annotated[int, Meta(ge=0, le=65535)]
_Count = Annotated[int, Meta(ge=0)]
_Positive = Annotated[int, Meta(ge=1)]
_Seconds = Annotated[float, Meta(gt=0, le=86400)]
_Amount = Annotated[float, Meta(ge=0)]


class Setting(NamedTuple):
    """What help texts and documents say of a setting. ``default`` is text, empty if there is none."""

    name: str
    variable: str
    default: str
    meaning: str


def _about(meaning: str) -> Meta:
    return Meta(description=meaning)


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of one server. `kith.config.load` makes one from a file and the environment.

    Only `take_over` changes them.

    In the environment, ``data_dir`` is ``KITH_DATA_DIR``, and so on. Relative paths start at the working
    directory. A port of 0 is not listened on.
    """

    domain: Annotated[str, _about("The domain of the accounts: the part after the @.")] = "localhost"
    data_dir: Annotated[
        Path, _about("The folder for the database and the self-signed certificate. Created if missing.")
    ] = Path("data")
    listen: Annotated[
        list[str], _about("IP addresses to listen on. In the environment, separate them by commas.")
    ] = msgspec.field(default_factory=lambda: ["0.0.0.0", "::"])
    xmpp_port: Annotated[_Port, _about("XMPP with STARTTLS. For every port, 0 switches it off.")] = 5222
    xmpps_port: Annotated[_Port, _about("XMPP with TLS from the first byte (XEP-0368).")] = 5223
    http_port: Annotated[
        _Port,
        _about("HTTP for the web app, the API and WebSocket: for this machine and for a reverse proxy."),
    ] = 8080
    https_port: Annotated[_Port, _about("The same over TLS.")] = 8443
    media_http_port: Annotated[
        _Port, _about("Files that people send, over HTTP: for this machine and for a reverse proxy.")
    ] = 8081
    media_https_port: Annotated[_Port, _about("The same over TLS.")] = 8444
    media_url: Annotated[
        str,
        _about(
            "The address of the media server, if a proxy or another machine serves it. A name of its own."
        ),
    ] = ""
    media_dir: Annotated[
        Path | None, _about("The folder for the files that people send. By default, media in data_dir.")
    ] = None
    media_file_bytes: Annotated[_Positive, _about("Size of the largest file that may be uploaded.")] = 2**31
    media_day_bytes: Annotated[
        _Count, _about("Bytes that one account may upload per day (UTC). 0: no limit.")
    ] = 4 * 2**30
    media_account_bytes: Annotated[
        _Count, _about("Bytes of all files that one account keeps on the server. 0: no limit.")
    ] = 20 * 2**30
    media_total_bytes: Annotated[
        _Count, _about("Bytes of all files together. 0: as many as the disk has room for.")
    ] = 0
    media_free_bytes: Annotated[
        _Count, _about("Bytes that stay free on the disk: nothing is uploaded that would take them.")
    ] = 2**30
    media_days: Annotated[
        _Count, _about("Days after which files are removed, unless somebody sends them again. 0: never.")
    ] = 365
    media_secret: Annotated[
        str,
        _about(
            "What a message server and a media server of its own share (kith serve --role media): at least 32"
            " random characters, the same for both."
        ),
    ] = ""
    media_control_url: Annotated[
        str,
        _about(
            "The control port of the media server, like http://10.0.0.3:8082, if that is a server of its own."
            " Without it, the media server is a part of the message server."
        ),
    ] = ""
    media_control_port: Annotated[
        _Port, _about("Where a media server of its own answers message servers, usually 8082. Not encrypted.")
    ] = 0
    media_control_listen: Annotated[list[str], _about("IP addresses to listen on for message servers.")] = (
        msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])
    )
    media_accel: Annotated[
        str,
        _about(
            "If nginx is before the media server, the path there that leads to the folder blobs in media_dir:"
            " files are then sent by nginx (X-Accel-Redirect)."
        ),
    ] = ""
    media_proxy: Annotated[
        Literal["on", "off", "private"],
        _about(
            "Whether people get files from other servers through this one. Only public addresses are"
            " connected; with private also others, for tests and closed networks."
        ),
    ] = "on"
    media_store: Annotated[
        Literal["folder", "s3"], _about("Where files are kept: in media_dir (folder), or in a bucket (s3).")
    ] = "folder"
    media_s3_bucket: Annotated[str, _about("The name of the bucket.")] = ""
    media_s3_endpoint: Annotated[
        str, _about("The address of a store that speaks S3's protocol. Empty: Amazon's.")
    ] = ""
    media_s3_region: Annotated[str, _about("The region of the bucket, like eu-central-1.")] = ""
    media_s3_prefix: Annotated[str, _about("What the names of all objects begin with, like kith.")] = ""
    media_s3_key_id: Annotated[
        str,
        _about("The id of the access key. Empty: found as AWS tools find it, like a role of the machine."),
    ] = ""
    media_s3_secret: Annotated[str, _about("The secret of the access key.")] = ""
    media_s3_direct: Annotated[
        bool,
        _about("Whether downloads come from the bucket, at signed addresses, and not through the server."),
    ] = True
    media_cdn_url: Annotated[
        str, _about("The address of a CDN before the files. Downloads are redirected to signed addresses.")
    ] = ""
    media_cdn_kind: Annotated[
        Literal["cloudfront", "cloudfront-custom", "hmac"],
        _about("How addresses at the CDN are signed: for CloudFront, or with an HMAC of path and expiry."),
    ] = "cloudfront"
    media_cdn_key_id: Annotated[str, _about("The id that CloudFront gave to the public key.")] = ""
    media_cdn_key: Annotated[
        Path | None, _about("File with the private key for CloudFront (PEM), or with the secret of the HMAC.")
    ] = None
    federation: Annotated[
        bool,
        _about("Whether people here can reach people on other servers. Needs a certificate that is valid."),
    ] = False
    federation_port: Annotated[_Port, _about("Where other servers connect, if federation is on.")] = 5269
    federation_ca: Annotated[
        Path | None,
        _about("PEM file of authorities to trust for other servers, besides the system's."),
    ] = None
    federation_queue_hours: Annotated[
        float,
        Meta(gt=0, le=24 * 30),
        _about(
            "For how many hours messages wait for another server, or node, that is down. Then they are"
            " returned to their senders with an error."
        ),
    ] = 48.0
    push_services: Annotated[
        list[str],
        _about(
            "Domains of other clients' push services (XEP-0357), like p2.siacs.eu. Empty: all if federation"
            " is on, else none. With federation off, the server connects to these alone."
        ),
    ] = msgspec.field(default_factory=list)
    push_networks: Annotated[
        list[str],
        _about(
            "Networks that are not public in which the push services of apps may be (RFC 8030), like"
            " 10.20.0.0/16. Others are never connected to."
        ),
    ] = msgspec.field(default_factory=list)
    push_ca: Annotated[
        Path | None,
        _about("PEM file of authorities to trust for push services, besides the system's."),
    ] = None
    push_fcm_key: Annotated[
        Path | None,
        _about("JSON file of the Google service account that pushes to native apps on Android (FCM)."),
    ] = None
    push_fcm_url: Annotated[str, _about("Address of FCM.")] = "https://fcm.googleapis.com"
    push_apns_key: Annotated[
        Path | None, _about("Key file (.p8) of Apple that pushes to native apps on iOS and macOS (APNs).")
    ] = None
    push_apns_key_id: Annotated[str, _about("Id of push_apns_key, ten characters.")] = ""
    push_apns_team_id: Annotated[str, _about("Id of the team that the key is of, ten characters.")] = ""
    push_apns_topic: Annotated[str, _about("Bundle id of the app, like org.example.chat.")] = ""
    push_apns_url: Annotated[str, _about("Address of APNs.")] = "https://api.push.apple.com"
    push_apns_sandbox_url: Annotated[str, _about("Address of APNs for apps in development.")] = (
        "https://api.sandbox.push.apple.com"
    )
    dns_server: Annotated[
        str, _about("Name server for finding other servers, as address:port. Empty: the system's.")
    ] = ""
    component_port: Annotated[
        _Port, _about("Where external components connect (XEP-0114), usually 5347. Not encrypted.")
    ] = 0
    component_listen: Annotated[list[str], _about("IP addresses to listen on for components.")] = (
        msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])
    )
    metrics_port: Annotated[_Port, _about("Metrics for Prometheus over HTTP at /metrics, usually 9464.")] = 0
    metrics_listen: Annotated[
        list[str], _about("IP addresses to listen on for Prometheus. Metrics are not for everybody.")
    ] = msgspec.field(default_factory=lambda: ["127.0.0.1", "::1"])
    components: Annotated[
        dict[str, str],
        _about("Domains of components and their secrets. In the environment: domain=secret, by commas."),
    ] = msgspec.field(default_factory=dict)
    public_url: Annotated[
        str, _about("The address of the reverse proxy, like https://chat.example.org; host-meta names it.")
    ] = ""
    trusted_proxies: Annotated[
        list[str],
        _about(
            "IP addresses or networks of reverse proxies on other machines whose X-Forwarded-For and"
            " X-Forwarded-Proto are believed. Those on this machine always are."
        ),
    ] = msgspec.field(default_factory=list)
    web_dir: Annotated[
        Path | None, _about("The folder with the built web app. By default, the one that comes with Kith.")
    ] = None
    create_groups: Annotated[bool, _about("Whether accounts of this server may create groups.")] = True
    group_messages_per_second: Annotated[
        _Count, _about("Messages that one person may send to one group per second, on average. 0: no limit.")
    ] = 20
    stun_port: Annotated[
        _Port,
        _about("STUN over UDP: devices in a call learn their addresses by it. Unused with relays."),
    ] = 3478
    relays: Annotated[
        list[RelaySettings],
        _about("Relays for calls (coturn): tables with urls, secret and prefixes. In the environment, JSON."),
    ] = msgspec.field(default_factory=list)
    relay_seconds: Annotated[
        int,
        Meta(ge=60, le=86400),
        _about("For how many seconds the credentials of a relay are valid. Apps renew them during a call."),
    ] = 600
    sfus: Annotated[
        list[SFUSettings],
        _about("Servers of group calls (LiveKit): tables with url, key, secret. In the environment, JSON."),
    ] = msgspec.field(default_factory=list)
    registration: Annotated[
        Literal["phone", "invite", "open", "closed"],
        _about(
            "Who may create an account: phone (with a code sent to a number), invite (kith invite),"
            " open (anybody, with a name and a password) or closed (kith user add)."
        ),
    ] = "phone"
    user_invites: Annotated[
        bool,
        _about("Whether everybody here may invite people from a client, not only operators."),
    ] = False
    phone_country: Annotated[
        str, _about("The country of numbers that are written without a country code, like DE.")
    ] = ""
    sms_url: Annotated[
        str,
        _about("HTTP gateway for text messages. Without one, codes appear in the server's output."),
    ] = ""
    sms_method: Annotated[Literal["POST", "GET", "PUT"], _about("Method of the gateway's requests.")] = "POST"
    sms_headers: Annotated[
        dict[str, str],
        _about("Headers of the gateway's requests. In the environment: name=value, by commas."),
    ] = msgspec.field(default_factory=dict)
    sms_body: Annotated[
        str, _about("Body of the gateway's requests, JSON or a form, with {number}, {digits} and {text}.")
    ] = ""
    sms_success_pattern: Annotated[
        str, _about("Regular expression that the gateway's answer has to match if the message was accepted.")
    ] = ""
    sms_gateways: Annotated[
        list[GatewaySettings],
        _about(
            "More gateways: tables with url, method, headers, body, success_pattern and countries. In the"
            " environment, JSON."
        ),
    ] = msgspec.field(default_factory=list)
    sms_per_hour: Annotated[_Positive, _about("Text messages per hour, to all people together.")] = 1000
    sms_limits: Annotated[
        dict[str, _Count],
        _about(
            "Text messages per day by country, like { DE = 500, other = 50 }. 0: none. In the environment:"
            " DE=500, by commas."
        ),
    ] = msgspec.field(default_factory=dict)
    sms_prices: Annotated[
        dict[str, _Amount],
        _about("The price of a text message by country, like { DE = 0.08, other = 0.3 }, for sms_budget."),
    ] = msgspec.field(default_factory=dict)
    sms_budget: Annotated[
        _Amount,
        _about("What all text messages of a month may cost, in the currency of sms_prices. 0: anything."),
    ] = 0.0
    ldap_url: Annotated[
        str,
        _about(
            "Servers of an organisation's directory, whose people may log in with their passwords there, like"
            " ldaps://ldap.example.org; several separated by blanks. With ldap://, STARTTLS is used."
        ),
    ] = ""
    ldap_base: Annotated[
        str, _about("Where people are in the directory, like ou=people,dc=example,dc=org.")
    ] = ""
    ldap_filter: Annotated[
        str,
        _about(
            "How a person is found there by the name that they log in with. Who does not match can't log in."
        ),
    ] = "(uid={name})"
    ldap_user: Annotated[
        str, _about("The entry as which the server searches the directory. Empty: anonymously.")
    ] = ""
    ldap_password: Annotated[str, _about("Its password.")] = ""
    ldap_ca: Annotated[
        Path | None,
        _about("PEM file of the authority of the directory's certificate. Empty: the system's."),
    ] = None
    ldap_check_seconds: Annotated[
        _Positive,
        _about("How often people who have left the directory are looked for, to log them out."),
    ] = 300
    operators: Annotated[
        list[str], _about("Accounts that may run operator commands from a client (XEP-0133).")
    ] = msgspec.field(default_factory=list)
    contacts: Annotated[
        dict[str, str],
        _about(
            "Contact addresses to publish (XEP-0157): abuse, admin, feedback, sales, security, status or"
            " support, each with URIs separated by blanks. In the environment: abuse=mailto:me@example.org,"
            " by commas."
        ),
    ] = msgspec.field(default_factory=dict)
    allow_plaintext: Annotated[
        bool, _about("Allow logins without TLS from this machine, for benchmarks and tests.")
    ] = False
    certificate: Annotated[
        Path | None, _about("PEM file of the certificate and its chain. Without it, one is self-signed.")
    ] = None
    private_key: Annotated[Path | None, _about("PEM file of its key, without a passphrase.")] = None
    retention_days: Annotated[
        _Count, _about("Days after which delivered messages are removed from the archive. 0: never.")
    ] = 0
    keep_addresses_days: Annotated[
        _Count,
        _about("Days for which operators see the network addresses that people connected from. 0: none."),
    ] = 7
    stanza_bytes: Annotated[
        int, Meta(ge=10_000), _about("Size of the largest stanza. A client that sends more is disconnected.")
    ] = 512 * 1024
    rate_bytes: Annotated[
        _Count,
        _about("Bytes per second that one connection may send in the long run. 0: no limit."),
    ] = 4 * 1024 * 1024
    connections_per_address: Annotated[
        _Count,
        _about("Connections from one IP address (IPv6: one /64). 0: no limit. Loopback is not limited."),
    ] = 1000
    unauthenticated_connections: Annotated[
        _Positive, _about("Connections that have not logged in yet. Beyond it, the oldest one is closed.")
    ] = 4000
    auth_timeout: Annotated[_Positive, _about("Seconds within which a connection has to log in.")] = 30
    ping_after: Annotated[
        float,
        Meta(ge=0, le=86400),
        _about(
            "Seconds of silence after which a client is pinged: twice as many if its session can be resumed,"
            " and twice as many again on a phone or while it is inactive. 0: never."
        ),
    ] = 420.0
    ping_timeout: Annotated[
        _Seconds, _about("Seconds to wait for the answer to a ping before the connection counts as lost.")
    ] = 60.0
    proxy_timeout: Annotated[
        _Seconds,
        _about("Seconds after which a proxy before the HTTP port cuts silent connections; pinged in time."),
    ] = 60.0
    resume_timeout: Annotated[
        _Count, _about("Seconds that a session waits for its lost connection. 0: sessions can't be resumed.")
    ] = 300
    websocket_compression: Annotated[
        bool, _about("Whether WebSocket clients may compress (RFC 7692). Costs CPU; no memory while idle.")
    ] = True
    strangers_per_hour: Annotated[
        _Count, _about("New people that one account may write to, and ask about, per hour. 0: no limit.")
    ] = 200
    resume_stanzas: Annotated[_Positive, _about("Stanzas held for one session that waits.")] = 1000
    max_sessions: Annotated[_Positive, _about("Devices of one account that can be online at once.")] = 32
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], _about("debug, info, warning or error.")
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        _about("Format of the log: text (key=value, on standard error) or json (alone on standard output)."),
    ] = "text"

    def take_over(self, new: Config) -> tuple[list[str], list[str]]:
        """Takes over the values of other settings, as far as a running server can (`LIVE`).

        Returns the names of the settings that have changed, and of those that differ but need a restart.
        """
        differ = [name for name in self.__struct_fields__ if getattr(self, name) != getattr(new, name)]
        changed = [name for name in differ if name in LIVE]
        for name in changed:
            force_setattr(self, name, getattr(new, name))
        return changed, [name for name in differ if name not in LIVE]

    @property
    def invites(self) -> bool:
        """Whether an invitation can be used: it creates an account in-band (XEP-0077)."""
        return self.registration in ("invite", "open")

    @property
    def has_media(self) -> bool:
        """Whether people can send files: whether there is a media server."""
        return bool(self.media_http_port or self.media_https_port or self.media_url)

    @property
    def media_folder(self) -> Path:
        """The folder of the media server."""
        return self.media_dir or self.data_dir / "media"

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data_dir / "kith.sqlite"


#: The settings that a running server takes over (SIGHUP). Parts must read them whenever they need them.
LIVE = frozenset(
    (
        "public_url",
        "trusted_proxies",
        "registration",
        "user_invites",
        "phone_country",
        "relays",
        "relay_seconds",
        "sfus",
        "sms_url",
        "sms_method",
        "sms_headers",
        "sms_body",
        "sms_success_pattern",
        "sms_gateways",
        "sms_per_hour",
        "sms_limits",
        "sms_prices",
        "sms_budget",
        "operators",
        "contacts",
        "retention_days",
        "keep_addresses_days",
        "rate_bytes",
        "connections_per_address",
        "max_sessions",
        "log_level",
    )
)

#: The ports for clients.
CLIENT_PORTS = ("xmpp_port", "xmpps_port", "http_port", "https_port")
#: The settings that are ports.
PORTS = (
    *CLIENT_PORTS,
    "media_http_port",
    "media_https_port",
    "media_control_port",
    "component_port",
    "metrics_port",
    "federation_port",
)


def all_settings() -> list[Setting]:
    """All settings in order, for help texts and documents."""
    hints = get_type_hints(Config, include_extras=True)
    defaults = Config()
    return [
        Setting(
            name, f"KITH_{name.upper()}", values.to_text(getattr(defaults, name)), _description(hints[name])
        )
        for name in Config.__struct_fields__
    ]


def _description(hint: Any) -> str:
    return str(next(meta.description for meta in hint.__metadata__ if meta.description))
