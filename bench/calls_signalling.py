"""What a call costs the server, which only passes its signalling on: `python bench/calls_signalling.py`.

Each call has all messages of XEP-0353, a session with descriptions of 4 kB, requests with further candidates
from each side (`--candidates`), and its end, between two accounts, of which the callee has two devices. Its
messages are stored. The CPU is that of the server's process, all threads, with TLS off.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.conftest import running
from tests.raw import CLIENT, RawClient, online

_JMI, _JINGLE = "urn:xmpp:jingle-message:0", "urn:xmpp:jingle:1"
_DESCRIPTION = "".join(
    f"<payload-type xmlns='urn:xmpp:jingle:apps:rtp:1' id='{number}' name='codec{number}' clockrate='90000'>"
    "<parameter name='level-asymmetry-allowed' value='1'/><parameter name='packetization-mode' value='1'/>"
    "</payload-type>"
    for number in range(20)
)


async def _say(sender: RawClient, receiver: RawClient, name: str, to: str, id: str) -> None:
    sender.send(
        f"<message to='{to}' type='chat' id='{name}{id}'><{name} xmlns='{_JMI}' id='{id}'/>"
        "<store xmlns='urn:xmpp:hints'/></message>"
    )
    await receiver.take(lambda e: e.tag == f"{CLIENT}message" and e.find(f"{{{_JMI}}}{name}") is not None)


async def _ask(sender: RawClient, receiver: RawClient, action: str, id: str, inside: str = "") -> None:
    sender.send(
        f"<iq type='set' to='{receiver.jid}' id='{id}'>"
        f"<jingle xmlns='{_JINGLE}' action='{action}' sid='{id}'>"
        f"<content creator='initiator' name='0'>{inside}</content></jingle></iq>"
    )
    await receiver.take(lambda e: e.get("id") == id and e.get("type") == "set")
    receiver.send(f"<iq type='result' to='{sender.jid}' id='{id}'/>")
    await sender.take(lambda e: e.get("id") == id and e.get("type") == "result")


async def _call(caller: RawClient, callee: RawClient, other: RawClient, id: str, candidates: int) -> None:
    await _say(caller, callee, "propose", callee.bare, id)
    await _say(callee, caller, "ringing", caller.jid, id)
    await _say(callee, caller, "proceed", caller.jid, id)
    await _ask(caller, callee, "session-initiate", f"{id}i", _DESCRIPTION)
    await _ask(callee, caller, "session-accept", f"{id}a", _DESCRIPTION)
    for number in range(candidates):
        for one, another in ((caller, callee), (callee, caller)):
            await _ask(one, another, "transport-info", f"{id}{one.jid[:2]}{number}", "<candidate/>" * 2)
    await _say(caller, callee, "finish", callee.bare, id)
    await _ask(caller, callee, "session-terminate", f"{id}t")
    other.inbox.clear()


async def measure(pairs: int, calls: int, candidates: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder) / "data") as server:
        assert server._process is not None
        process = psutil.Process(server._process.pid)
        people = []
        for number in range(pairs):
            for name in (f"caller{number}", f"callee{number}"):
                server.add_user(name)
            people.append(
                (
                    await online(server.port, f"caller{number}"),
                    await online(server.port, f"callee{number}"),
                    await online(server.port, f"callee{number}"),
                )
            )
            await people[-1][2].result("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
        await _call(*people[0], "warm", candidates)

        def used() -> float:
            times = process.cpu_times()
            return times.user + times.system

        before = used()
        await asyncio.gather(*(_several(*one, calls, candidates) for one in people))
        spent = used() - before
        for one in people:
            for client in one:
                client.abort()
        return {
            "calls": pairs * calls,
            "CPU of the server, ms for a call": round(spent / pairs / calls * 1000, 2),
        }


async def _several(
    caller: RawClient, callee: RawClient, other: RawClient, calls: int, candidates: int
) -> None:
    for number in range(calls):
        await _call(caller, callee, other, f"call{number}", candidates)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what a call costs the server.")
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument(
        "--calls", type=int, default=4, help="of each pair; the server allows six in two minutes"
    )
    parser.add_argument("--candidates", type=int, default=3, help="requests with candidates, from each side")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(measure(options.pairs, options.calls, options.candidates)), indent=2))


if __name__ == "__main__":
    main()
