"""Whether the relays for calls work: `kith doctor` asks each for what a call would need."""

from __future__ import annotations

import asyncio
import ssl

from aioice import stun, turn

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.calls.relays import SharedSecretRelays
from kith.commands.finding import Finding, Verdict
from kith.config import Config
from kith.ports.relay import RelayService

#: How long a relay may take to answer, in seconds.
_SECONDS = 5.0
#: What the errors of a relay mean (RFC 8656 §18), and what to do.
_MEANING = {
    401: ("it refuses our credentials", "give it the secret of the setting relays as static-auth-secret"),
    403: ("it forbids allocations", "look at its settings"),
    437: ("it has an allocation of this address", "try again"),
    441: ("it refuses our credentials", "give it the secret of the setting relays as static-auth-secret"),
    442: ("it does not relay UDP", "look at its settings"),
    486: ("the quota of a user is reached", "raise user-quota"),
    508: ("it has no free ports, or reached its total quota", "raise total-quota, or max-port"),
}


async def check_relays(config: Config, context: ssl.SSLContext | None = None) -> list[Finding]:
    """Makes an allocation at each relay, or asks for an address by STUN. ``context``: TLS towards them."""
    if not config.relays:
        if not config.stun_port:
            return [Finding("calls", Verdict.NOTE, "there is no STUN and no relay", "see docs/calls.md")]
        todo = "calls from behind strict networks fail without one: see docs/calls.md"
        return [Finding("calls", Verdict.NOTE, "there is no relay", todo)]
    services = SharedSecretRelays(config, Clock(), Randomness()).services("")
    context = context or ssl.create_default_context()
    return await asyncio.gather(*(_check(service, context) for service in services))


async def _check(service: RelayService, context: ssl.SSLContext) -> Finding:
    url = service.url
    what = str(url)
    try:
        async with asyncio.timeout(_SECONDS):
            told = await (_allocate if url.scheme.startswith("turn") else _ask)(service, context)
    except stun.TransactionFailed as error:
        code = error.response.error_code
        meaning, todo = _MEANING.get(code or 0, (f"it answers with the error {code}", "look at its log"))
        return Finding(what, Verdict.BAD, meaning, todo)
    except (TimeoutError, stun.TransactionTimeout):
        way = "UDP" if url.transport == "udp" else "TCP"
        todo = f"see whether it runs, and whether firewalls let {way} pass to port {url.port}"
        return Finding(what, Verdict.BAD, "it does not answer", todo)
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason
        return Finding(what, Verdict.BAD, f"no TLS: {reason}", "give it a certificate for this name")
    except OSError as error:
        reason = error.strerror or str(error)
        return Finding(what, Verdict.BAD, f"not reached: {reason}", "see whether it runs")
    return Finding(what, Verdict.GOOD, told)


async def _allocate(service: RelayService, context: ssl.SSLContext) -> str:
    """Makes an allocation (RFC 8656 §7), and gives it back. Returns what to say of it."""
    if service.url.scheme == "turns" and service.url.transport == "udp":
        return "not tried: DTLS"
    transport, _ = await turn.create_turn_endpoint(
        asyncio.DatagramProtocol,
        (service.url.host, service.url.port),
        service.username,
        service.password,
        ssl=context if service.url.scheme == "turns" else None,
        transport=service.url.transport,
    )
    address: tuple[str, int] = transport.get_extra_info("sockname")
    transport.close()
    return f"relays at {address[0]}"


class _Asking(asyncio.DatagramProtocol):
    """Waits for the answer to a request."""

    def __init__(self) -> None:
        self.answered: asyncio.Future[stun.Message] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.answered.done():
            self.answered.set_result(stun.parse_message(data))

    def error_received(self, exc: Exception) -> None:
        if not self.answered.done():
            self.answered.set_exception(exc)


async def _ask(service: RelayService, context: ssl.SSLContext) -> str:
    """Asks for our address. Returns what to say of it."""
    if service.url.transport != "udp":
        return "not tried: STUN over TCP"
    loop = asyncio.get_running_loop()
    to = (service.url.host, service.url.port)
    transport, asking = await loop.create_datagram_endpoint(_Asking, remote_addr=to)
    try:
        transport.sendto(bytes(stun.Message(stun.Method.BINDING, stun.Class.REQUEST)))
        address = (await asking.answered).attributes["XOR-MAPPED-ADDRESS"]
    finally:
        transport.close()
    return f"sees us at {address[0]}"
