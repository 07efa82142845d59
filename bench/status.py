"""What a status costs the server: one post for many contacts, and a device's questions about what is new.

python -m bench.status [CONTACTS]
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import structlog

from kith.status.inboxes import Inboxes
from tests.parts import DOMAIN
from tests.status.there import There, ids, statuses

_KEY = "A" * 200


async def _cost(there: There, contacts: int) -> None:
    store = there.node.store
    ada = await there.person("ada/phone")
    names = [f"p{n}" for n in range(contacts)]
    await store.create_accounts([(f"{name}@{DOMAIN}", {}) for name in names])
    for name in names:
        there.node.accounts.appeared(f"{name}@{DOMAIN}")
    # each has one device, as if its list had been read
    logs = await there.node.get(Inboxes).of([f"{name}@{DOMAIN}" for name in names])
    for number, (account, _) in enumerate(logs.values()):
        there.service._devices._devices[account] = frozenset({number % 1000 + 1})
    roster = await there.node.accounts.roster(f"ada@{DOMAIN}")
    for name in names:
        item = roster[f"{name}@{DOMAIN}"]
        item.to = item.from_ = item.listed = True
        await roster.save(store, item)
    for text in ("first", "second", "third"):
        parts = [names[start : start + 1000] for start in range(0, contacts, 1000)]
        keys = "".join(f"<key rid='{n}'>{_KEY}</key>" for n in range(1, 1001))
        before, began = time.process_time(), time.perf_counter()
        size = 0
        for part in parts:
            xml = there.status(text, *part, keys=keys)
            size += len(xml)
            await there.says(ada, xml)
        cpu, took = time.process_time() - before, time.perf_counter() - began
        times = f"{cpu * 1000:.1f} ms CPU, {took * 1000:.0f} ms"
        print(f"{text}: {contacts} contacts, {size / 1024:.0f} KiB, {times}")
    reader = await there.person(f"{names[0]}/phone")
    await there.befriend("ada", names[0])
    log = await there.log(reader)
    print(f"read: {sum(len(one.to_bytes()) for one in log)} bytes for {len(log) - 1} statuses")
    nothing = await there.log(reader, after=ids(log)[-1])
    print(f"nothing new: {sum(len(one.to_bytes()) for one in nothing)} bytes")


async def _main() -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    with tempfile.TemporaryDirectory() as folder:
        async with statuses(Path(folder)) as there:
            await _cost(there, int(sys.argv[1]) if len(sys.argv) > 1 else 1000)


if __name__ == "__main__":
    asyncio.run(_main())
