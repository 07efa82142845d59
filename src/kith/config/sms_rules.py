"""The rules for the settings of text messages: gateways, countries, limits and prices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

from phonenumbers import SUPPORTED_REGIONS

from kith.config.errors import wrong
from kith.config.gateways import GatewaySettings
from kith.config.settings import Config

#: The name, in limits and prices, of all countries that are not named themselves.
OTHER = "other"


def check_sms(config: Config, places: Mapping[str, str]) -> None:
    """Checks the settings whose names begin with ``sms_``, and the country. Raises ConfigError."""
    if config.phone_country and config.phone_country not in SUPPORTED_REGIONS:
        reason = f"{config.phone_country!r} is not the two letters of a country, like DE"
        raise wrong("phone_country", places["phone_country"], reason)
    _check_first_gateway(config, places)
    _check_gateways(config, places)
    for name in ("sms_limits", "sms_prices"):
        for country in _unknown(key for key in getattr(config, name) if key != OTHER):
            reason = f"{country!r} is neither the two letters of a country, like DE, nor {OTHER!r}"
            raise wrong(name, places[name], reason)
    if config.sms_budget and OTHER not in config.sms_prices:
        reason = f"sms_prices does not say what a message to any {OTHER} country costs"
        raise wrong("sms_budget", places["sms_budget"], reason)


def _check_first_gateway(config: Config, places: Mapping[str, str]) -> None:
    if config.sms_url and (reason := _url_problem(config.sms_url)):
        raise wrong("sms_url", places["sms_url"], reason)
    place = places.get("sms_body", "by default")
    if config.sms_url and "{text}" not in config.sms_url + config.sms_body:
        raise wrong("sms_body", place, "neither it nor sms_url has a {text}")
    if config.sms_url and not _names_number(config.sms_url, config.sms_body, config.sms_headers):
        raise wrong("sms_body", place, "it has no {number} or {digits}, nor have sms_url and sms_headers")
    if reason := _json_problem(config.sms_headers, config.sms_body):
        raise wrong("sms_body", place, reason)
    if reason := _pattern_problem(config.sms_success_pattern):
        raise wrong("sms_success_pattern", places["sms_success_pattern"], reason)


def _check_gateways(config: Config, places: Mapping[str, str]) -> None:
    for index, gateway in enumerate(config.sms_gateways):
        if reason := _gateway_problem(gateway):
            raise wrong(f"sms_gateways[{index}]", places["sms_gateways"], reason)
    if config.sms_gateways and not config.sms_url:
        raise wrong("sms_gateways", places["sms_gateways"], "the first gateway belongs into sms_url")


def _gateway_problem(gateway: GatewaySettings) -> str:
    """What is wrong with a further gateway; empty if nothing is."""
    if reason := _url_problem(gateway.url):
        return f"its url: {reason}"
    if "{text}" not in gateway.url + gateway.body:
        return "neither its body nor its url has a {text}"
    if not _names_number(gateway.url, gateway.body, gateway.headers):
        return "it has no {number} or {digits}"
    if reason := _json_problem(gateway.headers, gateway.body):
        return f"its body: {reason}"
    if reason := _pattern_problem(gateway.success_pattern):
        return f"its success_pattern: {reason}"
    for country in _unknown(gateway.countries):
        return f"{country!r} in its countries is not the two letters of a country, like DE"
    return ""


def _url_problem(url: str) -> str:
    return "" if url.startswith(("https://", "http://")) else "it has to start with https:// or http://"


def _names_number(url: str, body: str, headers: Mapping[str, str]) -> bool:
    everything = " ".join((url, body, *headers.values()))
    return "{number}" in everything or "{digits}" in everything


def _json_problem(headers: Mapping[str, str], body: str) -> str:
    if not body or not is_json(headers, body):
        return ""
    filled = body.replace("{number}", "+1").replace("{digits}", "1").replace("{text}", "text")
    try:
        json.loads(filled)
    except ValueError as error:
        return f"not JSON: {error}"
    return ""


def _pattern_problem(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    return ""


def _unknown(countries: Iterable[str]) -> Iterable[str]:
    """Those that are no codes of countries (ISO 3166-1)."""
    return (country for country in countries if country not in SUPPORTED_REGIONS)


def is_json(headers: Mapping[str, str], body: str) -> bool:
    """Whether the body of a gateway's requests is JSON, by its headers or its first character."""
    for name, value in headers.items():
        if name.lower() == "content-type":
            return "json" in value
    return body.lstrip().startswith(("{", "["))
