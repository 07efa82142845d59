"""`kith device`: lists the devices of an account, and logs them out."""

from __future__ import annotations

from rich.table import Table

from kith.base.clock import Clock
from kith.base.randomness import Randomness
from kith.commands.audit import note
from kith.commands.fail import fail
from kith.commands.tables import show_table
from kith.commands.times import local_time
from kith.commands.users import checked_jid, with_store
from kith.config import Config
from kith.ports.store import Store
from kith.records.device import Device
from kith.records.devices import Devices
from kith.terminal import say


def show(config: Config, jid: str) -> None:
    """Lists an account's devices, the most recently used one last."""
    bare = checked_jid(config, jid)

    async def read(store: Store) -> list[Device] | None:
        record = await store.account(bare)
        return list((await _devices(store).all(record.id)).values()) if record is not None else None

    devices = with_store(config, read)
    if devices is None:
        fail(f"there is no account {bare}")
    if not devices:
        say(f"{bare} has no device with an id of its own.")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("DEVICE", "NAME", "PROGRAM", "LAST USED", "TOKEN"):
        table.add_column(column, no_wrap=column == "DEVICE", overflow="fold")
    for device in devices:
        token = "yes" if device.current or device.new else "no"
        table.add_row(device.id, device.name, device.software, local_time(device.used), token)
    show_table(table)


def revoke(config: Config, jid: str, id: str | None) -> None:
    """Revokes one device, or all. A running server ends their sessions."""
    bare = checked_jid(config, jid)

    async def work(store: Store) -> int | None:
        record = await store.account(bare)
        if record is None:
            return None
        revoked = await _devices(store).revoke(record.id, bare, id)
        if revoked:
            await note(store, "device.revoke", bare, id or "all")
        return revoked

    revoked = with_store(config, work, changes=True)
    if revoked is None:
        fail(f"there is no account {bare}")
    if id is not None and not revoked:
        fail(f"{bare} has no device {id}; see: kith device list {bare}")
    say(f"{revoked} device{'' if revoked == 1 else 's'} of {bare} revoked.")


def _devices(store: Store) -> Devices:
    return Devices(store, Clock(), Randomness())
