"""What the server tells a person reaches the devices that are there when it is stored."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

from kith.base.domain import Domain
from kith.base.randomness import Randomness
from kith.core.log.envelope import Envelope
from kith.core.routing.server_messages import ServerMessages
from kith.ports.store import Append
from kith.wire.jid import parse_jid


def test_an_account_that_was_read_anew_meanwhile_gets_the_notice() -> None:
    told: list[tuple[object, Envelope]] = []
    queued: list[Append] = []
    then: Any = SimpleNamespace(id=1, jid="ada@localhost", slot=3, address=parse_jid("ada@localhost"))
    now = SimpleNamespace()
    ids: Any = SimpleNamespace(next={3: 7}.get)
    store: Any = SimpleNamespace(append=queued.append)
    accounts: Any = SimpleNamespace(get={"ada@localhost": now}.get)
    post: Any = SimpleNamespace(
        hand_over=lambda account, envelope: told.append((account, envelope)),
        wake=lambda account, envelope: None,
    )
    messages = ServerMessages(Domain("localhost"), ids, Randomness(Random(1)), store, accounts, post)
    messages.tell(then, "A new device")
    assert not told  # nothing is shown before it is stored
    queued[0].done(None, None)
    ((account, envelope),) = told
    assert (account, envelope.id) == (now, 7)
