"""One login, step by step, without a stream around it (RFC 6120 §6, RFC 4616, RFC 5802)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any

import pytest
from scramp import ScramClient, ScramException

from kith.accounts.credentials import make_keys
from kith.base.randomness import Randomness
from kith.core.login.sasl import (
    BASIC_HASHES,
    HASHES,
    MAX_STEP,
    Authentication,
    BindingRefused,
    SASLError,
    decode,
    mechanisms,
)
from kith.ports.connection import Security
from kith.ports.store import AccountRecord, Keys
from kith.records.passwords import Candidate, new_salts

KEYS = make_keys("pencil", new_salts(Randomness()))
ADA = AccountRecord(7, "ada@localhost", KEYS, 0)
APP = {name: make_keys("of an app", {name: keys.salt})[name] for name, keys in KEYS.items()}
EXPORTED, POINT = b"e" * 32, b"p" * 32
TLS = Security(encrypted=True, bindings={"tls-exporter": EXPORTED}, tolerated={"tls-server-end-point": POINT})
BARE = Security(encrypted=True)


class Known:
    """What the server knows: passwords by the name that was asked for, and what was asked."""

    def __init__(self, *apps: tuple[str, dict[str, Keys]]) -> None:
        self.apps = apps
        self.asked: list[str] = []
        self.named: list[str] = []

    async def lookup(self, user: str) -> AccountRecord | None:
        self.asked.append(user)
        return ADA if user in ("ada", "a,d=a") else None

    def naming(self, user: str) -> str:
        return f"{user}@localhost"

    async def fits(self, bare: str, record: AccountRecord | None, password: str) -> str | None:
        self.named.append(bare)
        return {"pencil": "", "of an app": "app1"}.get(password)

    async def candidates(self, bare: str, record: AccountRecord | None, name: str) -> Sequence[Candidate]:
        self.named.append(bare)
        return [Candidate("", KEYS[name]), *(Candidate(id, keys[name]) for id, keys in self.apps)]


def begin(
    mechanism: str, security: Security = TLS, known: Known | None = None, **other: Any
) -> tuple[Authentication, Known]:
    known = known or Known()
    given: Any = known
    login = Authentication(
        mechanism, security, list(KEYS), known.lookup, known.naming, given, Randomness(), **other
    )
    return login, known


async def refusal(login: Authentication, *steps: bytes) -> SASLError:
    for step in steps[:-1]:
        assert await login.step(step) is not None
    with pytest.raises(SASLError) as error:
        await login.step(steps[-1])
    assert login.account is None
    return error.value


# -- base64 -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "data"), [("", b""), ("=", b""), (" =\n", b""), ("YQ==", b"a"), ("\n YWI= \t", b"ab")]
)
def test_base64_is_read_as_it_stands_in_an_element(text: str, data: bytes) -> None:
    assert decode(text) == data


@pytest.mark.parametrize("text", ["a", "YQ", "Y Q==", "YQ==YQ==!", "é", "\u0661\u0661\u0661\u0661", "=="])
def test_what_is_no_base64_is_an_incorrect_encoding(text: str) -> None:
    with pytest.raises(SASLError) as error:
        decode(text)
    assert (error.value.condition, error.value.text, error.value.guess) == ("incorrect-encoding", "", True)


def test_a_step_has_a_bound() -> None:
    assert MAX_STEP == 16384
    assert len(decode("A" * 16384)) == 12288
    with pytest.raises(SASLError) as error:
        decode("A" * 16388)
    assert error.value.condition == "malformed-request"


# -- what is offered --------------------------------------------------------------------------------------

SCRAM_ALL = ["SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1"]


@pytest.mark.parametrize(
    ("security", "hashes", "classic", "offered"),
    [
        (Security(), BASIC_HASHES, False, []),
        (Security(bindings={"tls-exporter": b"x"}), BASIC_HASHES, False, []),
        (Security(trusted=True), BASIC_HASHES, False, ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]),
        (BARE, BASIC_HASHES, False, ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]),
        (BARE, list(KEYS), True, [*SCRAM_ALL, "PLAIN"]),
        (TLS, list(KEYS), False, [*(f"{name}-PLUS" for name in SCRAM_ALL), *SCRAM_ALL, "PLAIN"]),
        (TLS, list(KEYS), True, [*(f"{name}-PLUS" for name in SCRAM_ALL), *SCRAM_ALL, "PLAIN"]),
        (TLS, ["SHA-1"], False, ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-1", "PLAIN"]),
        (TLS, [], False, ["PLAIN"]),
    ],
)
def test_mechanisms_are_offered_best_first(
    security: Security, hashes: Sequence[str], classic: bool, offered: list[str]
) -> None:
    assert mechanisms(security, hashes, classic=classic) == offered


def test_channel_binding_is_left_out_of_the_older_profile_where_the_connection_says_so() -> None:
    security = Security(encrypted=True, bindings={"tls-exporter": b"x"}, classic_plus=False)
    assert mechanisms(security) == [
        *("SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN")
    ]
    assert mechanisms(security, classic=True) == ["SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"]
    with pytest.raises(SASLError) as error:
        begin("SCRAM-SHA-256-PLUS", security, classic=True)
    assert error.value.condition == "invalid-mechanism"
    begin("SCRAM-SHA-256-PLUS", security)


def test_hashes_have_the_names_of_the_standard() -> None:
    assert {f"SCRAM-{name}": name for name in KEYS} == HASHES
    assert BASIC_HASHES == ("SHA-256", "SHA-1")


@pytest.mark.parametrize("mechanism", ["", "plain", "SCRAM-MD5", "EXTERNAL", "SCRAM-SHA-256-PLUS-PLUS"])
def test_another_mechanism_is_refused(mechanism: str) -> None:
    with pytest.raises(SASLError) as error:
        begin(mechanism)
    assert error.value.condition == "invalid-mechanism"


# -- PLAIN ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("authzid", "password", "credential"),
    [
        ("", "pencil", ""),
        ("ada@localhost", "pencil", ""),
        ("ADA@Localhost", "pencil", ""),
        ("", "of an app", "app1"),
    ],
)
async def test_a_password_logs_in(authzid: str, password: str, credential: str) -> None:
    login, known = begin("PLAIN", BARE)
    assert (login.account, login.credential, login.final) == (None, "", b"")
    assert await login.step(f"{authzid}\0ada\0{password}".encode()) is None
    assert login.account is ADA
    assert (login.credential, login.final, login.mechanism) == (credential, b"", "PLAIN")
    assert (known.asked, known.named) == (["ada"], ["ada@localhost"])


@pytest.mark.parametrize(
    ("data", "condition"),
    [
        (b"\0ada\0wrong", "not-authorized"),
        (b"\0nobody\0pencil", "not-authorized"),
        (b"ben@localhost\0ada\0pencil", "invalid-authzid"),
        (b"ada@localhost/x\0ada\0pencil", "invalid-authzid"),
        (b"a@b@c\0ada\0pencil", "invalid-authzid"),
        (b"ben@localhost\0ada\0wrong", "not-authorized"),
        (b"ada\0pencil", "malformed-request"),
        (b"\0ada\0pencil\0", "malformed-request"),
        (b"", "malformed-request"),
        (b"\0ada\0\xff", "malformed-request"),
    ],
)
async def test_anything_else_is_refused(data: bytes, condition: str) -> None:
    login, known = begin("PLAIN", BARE)
    error = await refusal(login, data)
    assert (error.condition, error.guess) == (condition, True)
    if condition == "malformed-request":
        assert known.asked == []


# -- SCRAM ------------------------------------------------------------------------------------------------


async def scram(
    mechanism: str,
    password: str = "pencil",
    user: str = "ada",
    known: Known | None = None,
    security: Security = TLS,
    binding: tuple[str, bytes] | None = None,
) -> tuple[Authentication, Known]:
    """A whole exchange with scramp's client, to the server's signature. Raises SASLError."""
    login, known = begin(mechanism, security, known)
    client = ScramClient([mechanism], user, password, channel_binding=binding)
    challenge = await login.step(client.get_client_first().encode())
    assert challenge is not None
    client.set_server_first(challenge.decode())
    assert await login.step(client.get_client_final().encode()) is None
    client.set_server_final(login.final.decode())
    return login, known


@pytest.mark.parametrize("mechanism", SCRAM_ALL)
async def test_a_client_that_has_the_password_and_the_server_show_it_to_each_other(mechanism: str) -> None:
    login, known = await scram(mechanism, security=BARE)
    assert login.account is ADA
    assert login.credential == ""
    assert (known.asked, known.named) == (["ada"], ["ada@localhost"])


@pytest.mark.parametrize("mechanism", [f"{name}-PLUS" for name in SCRAM_ALL])
@pytest.mark.parametrize("binding", [("tls-exporter", EXPORTED), ("tls-server-end-point", POINT)])
async def test_what_is_bound_to_the_connection_logs_in(mechanism: str, binding: tuple[str, bytes]) -> None:
    login, _ = await scram(mechanism, binding=binding)
    assert login.account is ADA


async def test_what_is_bound_to_another_connection_does_not() -> None:
    with pytest.raises(SASLError) as error:
        await scram("SCRAM-SHA-256-PLUS", binding=("tls-exporter", b"another" * 5))
    assert (error.value.condition, error.value.guess) == ("not-authorized", True)


@pytest.mark.parametrize("mechanism", SCRAM_ALL)
async def test_each_password_of_an_account_is_tried(mechanism: str) -> None:
    known = Known(("app1", make_keys("another", new_salts(Randomness()))), ("app2", APP))
    login, _ = await scram(mechanism, "of an app", known=known, security=BARE)
    assert (login.account, login.credential) == (ADA, "app2")
    with pytest.raises(SASLError) as error:
        await scram(mechanism, "none of them", known=known, security=BARE)
    assert error.value.condition == "not-authorized"


async def test_nobody_gets_in_even_with_keys_that_fit() -> None:
    """Keys are made up for an account that does not exist; the answer is that of a wrong password."""
    with pytest.raises(SASLError) as error:
        await scram("SCRAM-SHA-256", user="nobody", security=BARE)
    assert (error.value.condition, error.value.text) == ("not-authorized", "")


async def test_a_name_is_unescaped() -> None:
    login, known = await scram("SCRAM-SHA-256", user="a,d=a", security=BARE)
    assert login.account is ADA
    assert (known.asked, known.named) == (["a,d=a"], ["a,d=a@localhost"])


@pytest.mark.parametrize(
    "first", [b"", b"x,,n=ada,r=abcdefgh", b"n,,n=ada", b"n,,", b"\xff", b"p=tls-exporter,,n=ada,r=abcdefgh"]
)
async def test_a_first_message_that_is_none_is_malformed(first: bytes) -> None:
    login, _ = begin("SCRAM-SHA-256", BARE)
    error = await refusal(login, first)
    assert (error.condition, error.guess) == ("malformed-request", True)
    if first.startswith(b"n,"):
        assert error.text  # of scramp, for who writes a client


@pytest.mark.parametrize(
    "first", [b"p=tls-unique,,n=ada,r=abcdefgh", b"n,,n=ada,r=abcdefgh", b"p,,n=ada,r=abcdefgh"]
)
async def test_a_binding_that_can_not_be_had_is_no_guess(first: bytes) -> None:
    login, known = begin("SCRAM-SHA-256-PLUS")
    error = await refusal(login, first)
    assert isinstance(error, BindingRefused)
    assert (error.condition, error.guess, known.asked) == ("malformed-request", False, [])


async def test_who_was_told_of_no_binding_though_there_is_one_is_warned() -> None:
    """RFC 5802 §6: somebody in between has taken it off the list."""
    login, _ = begin("SCRAM-SHA-256")
    error = await refusal(login, b"y,,n=ada,r=abcdefgh")
    assert isinstance(error, BindingRefused)
    assert error.condition == "not-authorized"
    login, _ = begin("SCRAM-SHA-256", BARE)
    assert await login.step(b"y,,n=ada,r=abcdefgh") is not None


async def test_the_name_has_a_bound() -> None:
    login, known = begin("SCRAM-SHA-256", BARE)
    assert await login.step(b"n,,n=" + b"x" * 1023 + b",r=abcdefgh") is not None
    login, known = begin("SCRAM-SHA-256", BARE)
    assert (await refusal(login, b"n,,n=" + b"x" * 1024 + b",r=abcdefgh")).condition == "malformed-request"
    assert known.asked == []
    login, _ = begin("SCRAM-SHA-256", BARE)
    assert (
        await refusal(login, b"n,,n=" + "é".encode() * 512 + b",r=abcdefgh")
    ).condition == "malformed-request"


async def test_the_challenge_has_a_nonce_of_the_servers_own_the_salt_and_the_count() -> None:
    seen = set()
    for _ in range(3):
        login, _ = begin("SCRAM-SHA-256", BARE)
        challenge = await login.step(b"n,,n=ada,r=abcdefgh")
        assert challenge is not None
        parts = dict(part.split("=", 1) for part in challenge.decode().split(","))
        assert parts["r"].startswith("abcdefgh")
        own = parts["r"].removeprefix("abcdefgh")
        assert len(base64.urlsafe_b64decode(own)) == 18
        seen.add(own)
        assert base64.b64decode(parts["s"]) == KEYS["SHA-256"].salt
        assert int(parts["i"]) == KEYS["SHA-256"].iterations
    assert len(seen) == 3


@pytest.mark.parametrize(
    "last", [b"", b"c=biws", b"c=biws,r=wrong,p=AAAA", b"x", b"c=biws,r={nonce}", b"\xff"]
)
async def test_a_last_message_that_is_none_is_malformed(last: bytes) -> None:
    login, _ = begin("SCRAM-SHA-256", BARE)
    challenge = await login.step(b"n,,n=ada,r=abcdefgh")
    assert challenge is not None
    nonce = challenge.split(b",")[0].removeprefix(b"r=")
    assert (await refusal(login, last.replace(b"{nonce}", nonce))).condition == "malformed-request"


async def test_a_proof_of_another_exchange_is_worth_nothing() -> None:
    def proof(first: bytes, challenge: bytes) -> bytes:
        nonce = challenge.split(b",")[0].removeprefix(b"r=")
        bare = b"c=biws,r=" + nonce
        salted = hashlib.pbkdf2_hmac("sha256", b"pencil", KEYS["SHA-256"].salt, KEYS["SHA-256"].iterations)
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(
            hashlib.sha256(key).digest(), b",".join((first[3:], challenge, bare)), "sha256"
        )
        mixed = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        return bare + b",p=" + base64.b64encode(mixed)

    first = b"n,,n=ada,r=abcdefgh"
    login, _ = begin("SCRAM-SHA-256", BARE)
    challenge = await login.step(first)
    assert challenge is not None
    right = proof(first, challenge)
    again, _ = begin("SCRAM-SHA-256", BARE)
    assert (await refusal(again, first, right)).condition == "malformed-request"  # another nonce
    assert await login.step(right) is None
    assert login.account is ADA


async def test_a_client_is_shown_that_the_server_has_the_keys() -> None:
    login, _ = begin("SCRAM-SHA-256", BARE)
    client = ScramClient(["SCRAM-SHA-256"], "ada", "pencil")
    challenge = await login.step(client.get_client_first().encode())
    assert challenge is not None
    client.set_server_first(challenge.decode())
    await login.step(client.get_client_final().encode())
    with pytest.raises(ScramException):
        client.set_server_final("v=" + base64.b64encode(b"x" * 32).decode())


def test_a_failure_says_what_it_is() -> None:
    error = SASLError("not-authorized", "why")
    assert (str(error), error.condition, error.text, error.guess) == (
        "not-authorized",
        "not-authorized",
        "why",
        True,
    )
    assert SASLError("aborted").text == ""
    assert not BindingRefused("not-authorized").guess
