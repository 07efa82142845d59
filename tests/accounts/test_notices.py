"""What the server tells a person reaches the devices that are there when it is stored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from kith.accounts.notices import tell
from kith.core.log.envelope import Envelope
from kith.ports.store import Append
from kith.wire.jid import parse_jid


def test_an_account_that_was_read_anew_meanwhile_gets_the_notice() -> None:
    told: list[Envelope] = []
    queued: list[Append] = []
    then: Any = SimpleNamespace(id=1, jid="ada@localhost", slot=3, address=parse_jid("ada@localhost"))
    now = SimpleNamespace()
    domain: Any = SimpleNamespace(
        name="localhost",
        ids=SimpleNamespace(next={3: 7}.get),
        store=SimpleNamespace(append=queued.append),
        accounts=SimpleNamespace(get={"ada@localhost": now}.get),
        post=SimpleNamespace(hand_over=lambda account, envelope: told.append(envelope)),
    )
    tell(domain, then, "A new device")
    assert not told  # nothing is shown before it is stored
    queued[0].done(None, None)
    assert [envelope.id for envelope in told] == [7]
