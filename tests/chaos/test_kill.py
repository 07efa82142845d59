"""Promises 1 and 2 when the server is killed: what was acknowledged is there, once and in order."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.conftest import RunningServer, running
from tests.raw import CLIENT, Gone, RawClient, body, online

SM = "urn:xmpp:sm:3"
SENDERS = 8
ROUNDS = 4


class Sender:
    """Sends numbered messages; those that the server has not acknowledged go out again."""

    def __init__(self, server: RunningServer, number: int) -> None:
        self.server = server
        self.name = f"sender{number}"
        self.acknowledged = 0
        self.sent = 0

    def message(self, number: int) -> str:
        origin = f"<origin-id xmlns='urn:xmpp:sid:0' id='{self.name}-{number}'/>"
        text = f"<body>{self.name} {number}</body>"
        return f"<message to='receiver@localhost' type='chat'>{text}{origin}</message>"

    async def run(self, stop: asyncio.Event) -> None:
        """One connection: first what is unacknowledged, then on and on, until the server is gone."""
        client = RawClient(self.server.port)
        try:
            await client.connect()
            await client.login(self.name)
            await client.bind("device")
            client.send(f"<enable xmlns='{SM}'/>")
            await client.tag("enabled")
            base = self.acknowledged
            for number in range(self.acknowledged, self.sent):
                client.send(self.message(number))
            while not stop.is_set():
                for _ in range(5):
                    client.send(self.message(self.sent))
                    self.sent += 1
                client.send(f"<r xmlns='{SM}'/>")
                answer = await client.tag("a")
                self.acknowledged = base + int(answer.get("h") or 0)
        except (Gone, OSError):
            pass
        finally:
            client.abort()


async def test_message_acked_before_kill_is_delivered_after_restart(tmp_path: Path) -> None:
    with running(tmp_path / "data") as server:
        server.add_user("receiver")
        senders = [Sender(server, number) for number in range(SENDERS)]
        for sender in senders:
            server.add_user(sender.name)
        for round in range(ROUNDS):
            stop = asyncio.Event()
            work = [asyncio.create_task(sender.run(stop)) for sender in senders]
            await asyncio.sleep(0.4 + 0.13 * round)
            server.kill()
            await asyncio.gather(*work)
            server.start()
        # the last time the senders get to the end
        for sender in senders:
            stop = asyncio.Event()
            task = asyncio.create_task(sender.run(stop))
            await asyncio.sleep(0.3)
            stop.set()
            await task
            assert sender.acknowledged == sender.sent > 20 * ROUNDS
        receiver = await online(server.port, "receiver", presence=None)
        received = await archive(receiver)
        for sender in senders:
            mine = [text for text in received if text.startswith(f"{sender.name} ")]
            assert mine == [f"{sender.name} {number}" for number in range(sender.sent)]
        assert len(received) == sum(sender.sent for sender in senders)


async def test_a_receiver_that_lost_the_server_finds_the_rest_in_its_log(tmp_path: Path) -> None:
    """What was delivered live before the kill and what the log holds after it make the whole, once."""
    with running(tmp_path / "data") as server:
        for name in ("receiver", "sender0"):
            server.add_user(name)
        receiver = await online(server.port, "receiver", "phone")
        sender = Sender(server, 0)
        task = asyncio.create_task(sender.run(asyncio.Event()))
        seen: list[tuple[str, str]] = []

        async def listen() -> None:
            while True:
                message = await receiver.message()
                stanza_id = message.find("{urn:xmpp:sid:0}stanza-id")
                assert stanza_id is not None
                seen.append((stanza_id.get("id") or "", body(message)))

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0.6)
        server.kill()
        await task
        await asyncio.gather(listener, return_exceptions=True)
        assert seen
        server.start()
        acknowledged = sender.acknowledged
        again = await online(server.port, "receiver", "phone", presence=None)
        after = await archive(again, seen[-1][0])
        texts = [text for _, text in seen] + after
        assert texts[:acknowledged] == [f"sender0 {number}" for number in range(acknowledged)]
        assert len(texts) == len(set(texts))
        # the archive was read before the first presence, so nothing comes a second time
        await again.available()
        await again.nothing()


async def archive(client: RawClient, after: str = "") -> list[str]:
    """The texts of the archive, page by page."""
    texts: list[str] = []
    while True:
        position = f"<after>{after}</after>" if after else ""
        paging = f"<set xmlns='http://jabber.org/protocol/rsm'><max>100</max>{position}</set>"
        answer = await client.iq("set", f"<query xmlns='urn:xmpp:mam:2'>{paging}</query>")
        for message in [e for e in client.inbox if e.tag == CLIENT + "message"]:
            client.inbox.remove(message)
            texts.append(message.findtext(f".//{CLIENT}body") or "")
        fin = answer[0]
        after = fin.findtext(".//{http://jabber.org/protocol/rsm}last") or after
        if fin.get("complete") == "true":
            return texts
