"""Logging in, by both profiles of SASL: nobody gets in, and everything is answered as the standard has it.

A file of the corpus is what a client sends, step by step: a line with ``%%`` is where it waits for an answer.
What stands between ``[[`` and ``]]`` is sent in base64, with ``{nonce}`` for what the last challenge had.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from functools import cache
from xml.etree import ElementTree

from kith.base.attempts import Guesses
from tests.fuzz.world import HEADER, World, cut

_SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
#: RFC 6120 §6.5, and XEP-0484 §3.3.
CONDITIONS = frozenset(
    (
        "aborted",
        "account-disabled",
        "credentials-expired",
        "encryption-required",
        "incorrect-encoding",
        "invalid-authzid",
        "invalid-mechanism",
        "malformed-request",
        "mechanism-too-weak",
        "not-authorized",
        "temporary-auth-failure",
    )
)
_ENCODED = re.compile(rb"\[\[(.*?)\]\]", re.DOTALL)
_CHALLENGE = re.compile(rb"<challenge[^>]*>([^<]*)</challenge>")
_NONCE = re.compile(rb"r=([^,]*)")
_MOST = 64


@cache
def world() -> World:
    return World()


def run(data: bytes) -> None:
    world().do(_run(world(), data))


async def _run(world: World, data: bytes) -> None:
    world.domain.entrance.guesses = Guesses()  # what came before does not count
    connection, transport = world.tcp()
    await world.feed(transport, [HEADER])
    stream = connection._stream
    nonce = b""
    for step in data.split(b"\n%%\n")[:_MOST]:
        await world.feed(transport, cut(_filled(step, nonce)))
        await world.settle()
        for challenge in _CHALLENGE.findall(transport.sent):
            found = _NONCE.search(b64decode(challenge, validate=True))
            nonce = found[1] if found else nonce
    assert stream is not None
    assert not stream.authenticated, "nobody knows the password"
    await world.hang_up(transport)
    _check(transport.sent)


def _filled(step: bytes, nonce: bytes) -> bytes:
    return _ENCODED.sub(lambda found: b64encode(found[1].replace(b"{nonce}", nonce)), step)


def _check(sent: bytes) -> None:
    """It is one stream; it ends if it had to; failures have a condition of the standard."""
    ended = sent.endswith(b"</stream:stream>")
    root = ElementTree.fromstring(sent if ended else sent + b"</stream:stream>")
    for element in root:
        assert not element.tag.endswith("success")
        if element.tag.endswith("failure"):
            assert element[0].tag.removeprefix(f"{{{_SASL}}}") in CONDITIONS, sent
        elif element.tag.endswith("error"):
            assert element is root[-1]
            assert ended
            assert not element[0].tag.endswith("internal-server-error"), sent
