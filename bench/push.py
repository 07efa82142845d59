"""How long a storm of pushes takes: many registered devices, and one message to a large group of them.

Everything runs in this process, with the node and its database; the push service only counts. Example:
``python bench/push.py --devices 10000 --members 1000``
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from kith import groups
from kith.features import ALL
from kith.groups.service import GroupService
from kith.push.carrier import Wake
from kith.push.pushing import Pushing
from kith.push.registration import MARKS, SPACE, Marks, Registration, encode
from tests.parts import DOMAIN, Room, make

GROUP = f"storm@groups.{DOMAIN}"
OWNER = "http://jabber.org/protocol/muc#admin"


class Counted:
    """Notes when each device was pushed to."""

    name = "counted"

    def __init__(self) -> None:
        self.devices: Counter[str] = Counter()

    def place(self, registration: Registration) -> str:
        return registration.service

    async def push(self, owner: str, registration: Registration, wake: Wake) -> None:
        await asyncio.sleep(0.02)  # what a push service takes to answer
        self.devices[registration.node] += 1


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def run(devices: int, members: int, folder: Path) -> None:
    node = make(folder, [*ALL, *groups.ALL, Pushing])
    await node.start()
    names = [f"person{number}" for number in range(devices)]
    await node.store.create_accounts([(f"{name}@{DOMAIN}", {}) for name in names])
    settled = node.ids.next(0)
    for name in names:
        record = await node.store.account(f"{name}@{DOMAIN}")
        assert record is not None
        registration = Registration("counted", "push.example", name, resource="phone")
        node.store.put_soon(record.id, SPACE, registration.id, encode(registration))
        node.store.put_soon(record.id, MARKS, registration.id, encode(Marks(settled)))
    there = Room(node)
    ada = await there.session("ada/desktop")
    await there.says(
        ada, f"<presence to='{GROUP}/ada'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
    )
    await there.says(
        ada,
        f"<iq type='set' id='c' to='{GROUP}'><query xmlns='http://jabber.org/protocol/muc#owner'>"
        "<x xmlns='jabber:x:data' type='submit'/></query></iq>",
    )
    for start in range(0, members, 50):
        items = "".join(
            f"<item jid='{name}@{DOMAIN}' affiliation='member'/>"
            for name in names[start : min(start + 50, members)]
        )
        await there.says(
            ada, f"<iq type='set' id='a' to='{GROUP}'><query xmlns='{OWNER}'>{items}</query></iq>"
        )
    tea = await node.get(GroupService).groups.load(GROUP)
    assert tea is not None
    print(f"{len(tea.members.recipients)} members")
    await node.stop()

    node = make(folder, [*ALL, *groups.ALL, Pushing])
    carrier = Counted()
    node.get(Pushing).carriers["counted"] = carrier
    began, used = time.perf_counter(), cpu()
    await node.start()
    pushing = node.get(Pushing)
    while not pushing.restored:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    print(
        f"start: {pushing.count} registrations in {time.perf_counter() - began:.2f} s, "
        f"{cpu() - used:.2f} s of CPU"
    )
    await asyncio.sleep(1)
    there = Room(node)
    ada = await there.session("ada/desktop")
    began, used = time.perf_counter(), cpu()
    first = 0.0
    for number in range(20):
        await there.says(
            ada, f"<message type='groupchat' id='m{number}' to='{GROUP}'><body>hello</body></message>"
        )
        first = first or time.perf_counter() - began
    while len(carrier.devices) < members:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    print(
        f"storm: 20 messages to {members} members; all woken after {time.perf_counter() - began:.2f} s, "
        f"{cpu() - used:.2f} s of CPU; the first message took {first * 1000:.0f} ms"
    )
    await asyncio.sleep(1)
    print(f"pushed twice: {sum(count > 1 for count in carrier.devices.values())}")
    await node.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=10_000)
    parser.add_argument("--members", type=int, default=1000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(arguments.devices, arguments.members, Path(folder)))


if __name__ == "__main__":
    main()
