"""Several gateways: which of them gets a message, and what happens when one fails."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from kith.base.figures import Figures
from kith.base.randomness import Randomness
from kith.config import Config, ConfigError, load
from kith.config.gateways import GatewaySettings
from kith.ports.sms import SMSError
from kith.sms.choice import AVOIDED, TextMessages
from tests.api.person import Person
from tests.clocks import SetClock
from tests.conftest import running
from tests.sms.gateway import Gateway, gateway, hangs, says

GERMAN, FRENCH = "+491701234567", "+33612345678"
BODY = "to={number}&text={text}"


def more(there: Gateway, *countries: str, **settings: Any) -> GatewaySettings:
    return GatewaySettings(url=there.url, body=BODY, countries=list(countries), **settings)


def messages(first: Gateway, *others: GatewaySettings) -> TextMessages:
    config = Config(sms_url=first.url, sms_body=BODY, sms_gateways=list(others))
    return TextMessages(config, SetClock(1000.0), Randomness(), Figures())


async def test_a_message_that_the_first_gateway_refuses_goes_to_the_second() -> None:
    async with gateway(says(402, "no credit")) as first, gateway() as second:
        sms = messages(first, more(second))
        await sms.send(GERMAN, "123456")
        await sms.send(GERMAN, "234567")
        await sms.close()
        assert (len(first.requests), len(second.requests)) == (2, 2)
        assert "123456" in second.requests[0][3]


async def test_a_gateway_that_is_down_has_one_attempt_and_is_then_asked_last_for_a_minute() -> None:
    async with gateway(says(503), says(200)) as first, gateway() as second:
        config = Config(sms_url=first.url, sms_body=BODY, sms_gateways=[more(second)])
        clock, figures = SetClock(1000.0), Figures()
        sms = TextMessages(config, clock, Randomness(), figures)
        await sms.send(GERMAN, "1")
        await sms.send(GERMAN, "2")
        assert (len(first.requests), len(second.requests)) == (1, 2)
        clock.forward(AVOIDED)
        await sms.send(GERMAN, "3")
        await sms.close()
        assert (len(first.requests), len(second.requests)) == (2, 2)
        host = "127.0.0.1"
        assert figures.sms_gateways == {(host, "failed"): 1, (host, "sent"): 3}


async def test_a_gateway_for_some_countries_gets_their_messages_first_and_no_others() -> None:
    async with gateway() as first, gateway() as french:
        sms = messages(first, more(french, "FR", "BE"))
        await sms.send(FRENCH, "1")
        await sms.send(GERMAN, "2")
        await sms.close()
        assert [len(there.requests) for there in (first, french)] == [1, 1]
        assert "%2B33" in french.requests[0][3]
    async with gateway() as first, gateway(says(500)) as french:
        sms = messages(first, more(french, "FR"))
        await sms.send(FRENCH, "3")  # falls back to the first
        await sms.close()
        assert len(first.requests) == 1


async def test_if_all_gateways_fail_the_error_names_each_and_its_reason() -> None:
    async with gateway(says(402)) as first, gateway(says(503)) as second:
        sms = messages(first, more(second))
        for sender in [*sms._in_order("DE")]:  # without the waits between attempts
            sms._gateway(sender)._backoff = 0.01
        with pytest.raises(SMSError, match=r"refuses with 402.*; 127\.0\.0\.1: .*503, after 3 attempts"):
            await sms.send(GERMAN, "1")
        await sms.close()


async def test_a_hanging_gateway_costs_one_timeout_only(tmp_path: Path) -> None:
    async with gateway(hangs) as first, gateway() as second:
        sms = messages(first, more(second))
        sms._gateway(sms._in_order("DE")[0])._timeout = 0.2
        for count in range(5):
            await sms.send(GERMAN, str(count))
        await sms.close()
        assert (len(first.requests), len(second.requests)) == (1, 5)


def load_toml(tmp_path: Path, toml: str, **environ: str) -> Config:
    file = tmp_path / "kith.toml"
    file.write_text(toml)
    return load(file, environ)


FIRST = 'sms_url = "https://one.example/?to={number}&text={text}"\n'
SECOND = '[[sms_gateways]]\nurl = "https://two.example/?to={digits}&text={text}"\n'


def test_the_file_and_the_environment_name_further_gateways_limits_and_prices(tmp_path: Path) -> None:
    limits = "sms_limits = { DE = 500, other = 5 }\nsms_prices = { other = 0.2 }\nsms_budget = 50\n"
    config = load_toml(tmp_path, FIRST + limits + SECOND + 'countries = ["FR"]\n')
    (second,) = config.sms_gateways
    assert (second.host, second.countries) == ("two.example", ["FR"])
    assert (config.sms_limits, config.sms_budget) == ({"DE": 500, "other": 5}, 50)
    other = load_toml(
        tmp_path,
        FIRST,
        KITH_SMS_GATEWAYS=msgspec.json.encode(config.sms_gateways).decode(),
        KITH_SMS_LIMITS="DE=500,other=5",
        KITH_SMS_PRICES="other=0.2",
        KITH_SMS_BUDGET="50",
    )
    assert other == config


@pytest.mark.parametrize(
    ("toml", "reason"),
    [
        (SECOND, r"the first gateway belongs into sms_url"),
        (FIRST + '[[sms_gateways]]\nurl = "two.example"', r"sms_gateways\[0\].*its url.*https://"),
        (FIRST + '[[sms_gateways]]\nurl = "https://two.example/{number}"', r"\[0\].*no.*a \{text\}|neither"),
        (FIRST + '[[sms_gateways]]\nurl = "https://two.example/{text}"', r"\[0\].*no \{number\}"),
        (FIRST + SECOND + "body = '{\"a\": }'", r"\[0\].*body: not JSON"),
        (FIRST + SECOND + 'success_pattern = "("', r"\[0\].*not a regular expression"),
        (FIRST + SECOND + 'countries = ["Germany"]', r"\[0\].*'Germany'"),
        (FIRST + SECOND + "ulr = 1", r"sms_gateways.*unknown field"),
        (FIRST + "[[sms_gateways]]\nbody = 'x'", r"sms_gateways.*required field `url`, in sms_gateways\[0\]"),
        (FIRST + SECOND + 'method = "FETCH"', r"sms_gateways.*fetch.*in sms_gateways\[0\].method"),
        ("sms_limits = { Germany = 5 }", r"sms_limits.*'Germany'"),
        ("sms_limits = { DE = -1 }", r"sms_limits.*at least 0"),
        ("sms_limits = { DE = 'many' }", r"sms_limits.*a whole number"),
        ("sms_budget = 5", r"sms_budget.*sms_prices"),
        ("sms_budget = 5\nsms_prices = { DE = 1 }", r"sms_budget.*other"),
    ],
)
def test_wrong_settings_are_refused_with_one_line_that_says_which(
    tmp_path: Path, toml: str, reason: str
) -> None:
    with pytest.raises(ConfigError, match=reason) as error:
        load_toml(tmp_path, toml)
    assert "\n" not in str(error.value)


async def test_a_server_registers_people_by_its_second_gateway_while_the_first_is_down(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """And says so in its log, and counts it, without numbers and codes."""
    async with gateway(says(500)) as first, gateway() as second:
        gateways = f'[{{"url": "{second.url}", "body": "{BODY}"}}]'
        settings = {"sms_url": first.url, "sms_body": BODY, "sms_gateways": gateways}
        with running(tmp_path_factory.mktemp("gateways") / "data", **settings) as server:
            person = Person(server)
            sent = await person.ask("POST", "/api/register/code", {"number": person.number})
            assert sent.status == 202
            log = server.log.read_text()
            assert "gateway failed, the next is asked" in log
            assert person.number not in log
            assert len(second.requests) == 1
