"""Passwords and their SCRAM keys."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scramp import ScramClient, ScramMechanism

from kith.accounts.credentials import WeakPassword, check_password, make_keys
from kith.base.randomness import Randomness
from kith.records.passwords import new_salts


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_the_keys_let_a_scram_client_in(mechanism: str) -> None:
    keys = make_keys("pencil", new_salts(Randomness()))[mechanism.removeprefix("SCRAM-")]
    info = (keys.salt, keys.stored_key, keys.server_key, keys.iterations)
    server = ScramMechanism(mechanism).make_server(lambda _: info)
    client = ScramClient([mechanism], "user", "pencil")
    server.set_client_first(client.get_client_first())
    client.set_server_first(server.get_server_first())
    server.set_client_final(client.get_client_final())
    client.set_server_final(server.get_server_final())


def test_the_keys_are_those_of_the_standard() -> None:
    keys = make_keys("pencil", new_salts(Randomness()))["SHA-256"]
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", keys.salt, keys.iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    assert keys.stored_key == hashlib.sha256(client_key).digest()
    assert keys.server_key == hmac.digest(salted, b"Server Key", "sha256")
    assert keys.iterations >= 4096


def test_only_the_password_itself_fits() -> None:
    keys = make_keys("correct horse", new_salts(Randomness()))
    assert check_password(keys, "correct horse")
    for other in ("", "Correct horse", "correct horse ", "correct\u0000horse", "\udcff", "x" * 10_000):
        assert not check_password(keys, other)


def test_passwords_are_prepared_so_that_every_keyboard_gives_the_same() -> None:
    keys = make_keys("re\u0301sume\u0301\u00a0IX", new_salts(Randomness()))
    assert check_password(keys, "résumé IX")
    assert check_password(keys, "résumé Ⅸ")


def test_the_same_password_has_other_keys_each_time() -> None:
    first, second = make_keys("same", new_salts(Randomness())), make_keys("same", new_salts(Randomness()))
    assert not {keys.stored_key for keys in first.values()} & {keys.stored_key for keys in second.values()}
    assert first["SHA-1"].salt != first["SHA-256"].salt


@pytest.mark.parametrize("password", ["", "bell\u0007", "\u0000", "\udcff", "\u200b"])
def test_a_password_that_can_not_be_prepared_is_refused(password: str) -> None:
    with pytest.raises(WeakPassword, match="password"):
        make_keys(password, new_salts(Randomness()))


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40))
def test_any_text_is_a_password_that_fits_or_is_refused(password: str) -> None:
    try:
        keys = make_keys(password, new_salts(Randomness()))
    except WeakPassword:
        return
    assert check_password(keys, password)
    assert not check_password(keys, "")
