"""Runs a schedule: nodes, people, and what befalls them; then says which promises were broken."""

from __future__ import annotations

import functools
import random
from xml.etree.ElementTree import Element

import msgspec

from kith.base.slots import slot_of
from kith.core.actors.roster import SPACE, Item
from kith.core.peers.notices import PERIOD
from tests.raw import body
from tests.simulation import promises
from tests.simulation.clock import Journal, Loop, Stuck, Time
from tests.simulation.cluster import Cluster
from tests.simulation.disk import Disk
from tests.simulation.node import CONFIG, DOMAIN, KEYS, Common, SimulatedNode
from tests.simulation.people import NODE, SILENCE, Device, Said
from tests.simulation.schedule import ACCOUNTS, DEVICES, Event, Schedule

#: How long presence may take to settle after the bus has lost something, in seconds.
SETTLING = PERIOD + 8.0
#: How long everything may take to come to rest once nothing goes wrong any more, in seconds.
REST = 120.0


@functools.cache
def _template() -> Disk:
    """Everybody has an account, and is everybody's contact."""
    disk = Disk()
    disk.create_accounts([(f"{name}@{DOMAIN}", KEYS) for name in ACCOUNTS])
    for account in list(disk.accounts.values()):
        for other in disk.accounts:
            if other != account.jid:
                item = Item(other, to=True, from_=True, listed=True)
                disk.put(account.id, SPACE, other, msgspec.msgpack.encode(item))
    return disk


class World:
    """One run of one schedule."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.rng = random.Random(schedule.seed)
        self.time = Time(self.rng)
        self.home = self.time.loop("home")
        self.disk = _template().copy()
        self.nodes = [
            SimulatedNode(self.time, self.home, self.disk, self.rng, f"node{number}")
            for number in range(schedule.nodes)
        ]
        self.cluster: Cluster | None = None
        if len(self.nodes) > 1:
            names = [f"{name}@{DOMAIN}" for name in ACCOUNTS]
            self.cluster = Cluster(self.home, self.rng, names)
            self.cluster.nodes = self.nodes
            for node in self.nodes:
                node.cluster = self.cluster
                node.skew = self.rng.uniform(-2, 2)
        self.devices = {name: self._device(name) for name in DEVICES}
        self.broken: list[str] = []
        self.said: dict[str, Said] = {}
        self.notices: list[tuple[str, Said, float, str]] = []  # who noticed what, when; and what it was
        self.heard_live: list[tuple[Device, str]] = []
        self.asked: dict[str, str] = {}  # accounts that were asked, by the id of the question
        self._changes = 0

    def _device(self, name: str) -> Device:
        account, kind = name.split(".")
        return Device(
            self,
            account,
            kind,
            manages=kind != "reader",
            reads=kind not in ("sleeper", "tablet"),
            eager=name == "ada.phone",
            modern=kind in ("desk", "phone"),
        )

    # -- what people ask ------------------------------------------------------------------------------

    def node_for(self, device: Device) -> SimulatedNode:
        """The node that a device's next connection goes to."""
        owner = self.cluster.owner(device.bare) if self.cluster is not None else None
        return owner or self.rng.choice(self.nodes)

    def heard(self, device: Device, message: Element) -> None:
        """A device got a message as it was sent."""
        self.heard_live.append((device, body(message)))

    def noticed(self, device: Device, id: str) -> None:
        """A device got something that another one has said."""
        said = self.said.get(id)
        if said is not None:
            self.notices.append((device.account, said, self.time.now, id))

    def noticed_answer(self, device: Device, id: str) -> None:
        """A device got the answer to a question, which does not say who has answered."""
        said = self.said.get(id)
        if said is not None and (asked := self.asked.get(id)) is not None:
            answer = Said("answer", asked, said.first, said.last)
            self.notices.append((device.account, answer, self.time.now, f"the answer to {id}"))

    def noticed_mood(self, device: Device, account: str, value: str) -> None:
        """A device got an event."""
        for other in self.devices.values():
            for change in (*other.done, *other.changes):
                if other.account == account and change.what == ("mood",) and change.value == value:
                    last = change.ended if change.ended is not None else 1e9
                    said = Said("mood", account, change.begun, last)
                    self.notices.append((device.account, said, self.time.now, f"mood {value}"))

    def complain(self, what: str) -> None:
        self.broken.append(what)

    # -- the run --------------------------------------------------------------------------------------

    def run(self) -> list[str]:
        """Returns what was broken, as sentences; nothing if all promises were kept."""
        with Journal() as journal, Common():
            try:
                self._run()
            except Stuck as stuck:
                self.complain(f"stuck: {stuck}")
            finally:
                for node in self.nodes:
                    node.kill()
                    self.broken += [f"{node.name}: {failure}" for failure in node.failures]
                self.broken += [f"people: {failure}" for failure in self.home.failures]
                self.broken += [f"logged: {error}" for error in journal.errors]
                self.time.end(self.home)
        return self.broken

    def _run(self) -> None:
        for node in self.nodes:
            node.start()
        if self.cluster is not None:
            self.cluster.start()
        for device in self.devices.values():
            self.home.create_task(device.live())
        self.time.run(lambda: all(device.ready for device in self.devices.values()), 10)
        for event in self.schedule.events:
            self.time.sleep(event.after / 1000)
            self._do(event)
        self._heal()
        away = self._away()
        if away:
            self.time.sleep(SILENCE)  # so long it may take until a node learns that a device is gone
            self.come_to_rest()
            if self._away() == away:  # or somebody is coming just now
                promises.presence_settles(self)
        for device in self.devices.values():
            device.come()
        # sessions that nobody resumes end, and what is on its way arrives
        self.come_to_rest()
        promises.check(self)

    def _away(self) -> list[str]:
        return [device.name for device in self.devices.values() if not device.online]

    @property
    def _quiet(self) -> float:
        """How long it is quiet until presence has to be right."""
        least = CONFIG.resume_timeout + 6.0
        if self.cluster is None:
            return least
        return max(least, self.cluster.troubled + SETTLING - self.time.now)

    def _heal(self) -> None:
        """From here on nothing goes wrong."""
        for node in self.nodes:
            node.heal()
        if self.cluster is not None:
            self.cluster.calm()
            self.cluster.apart.clear()
        for device in self.devices.values():
            device.rest(False)

    def come_to_rest(self) -> None:
        """Until everybody has said and heard all, and a while longer."""
        if not self.time.run(lambda: not self._restless(), REST):
            raise Stuck(f"{', '.join(self._restless())} did not come to rest")
        self.time.sleep(self._quiet)

    def _restless(self) -> list[str]:
        """Who is not there, or has something to say."""
        nodes = [node.name for node in self.nodes if not node.up]
        awake = [device for device in self.devices.values() if device.online]
        return nodes or [device.name for device in awake if not (device.ready and device.rests)]

    # -- events ---------------------------------------------------------------------------------------

    def _do(self, event: Event) -> None:
        arguments = event.arguments
        first = arguments[0] if arguments else ""
        if first in self.devices:
            self._person(event.name, self.devices[first], arguments[1:])
            return
        if event.name in ("move", "part", "noise"):
            self._network(event.name, arguments)
            return
        node = self.nodes[int(first) % len(self.nodes)]
        node.befall(event.name, float(arguments[1]))

    def _network(self, name: str, arguments: tuple[str, ...]) -> None:
        cluster = self.cluster
        if cluster is None:
            return
        if name == "move":
            cluster.give(slot_of(f"{arguments[0]}@{DOMAIN}"), self.nodes[int(arguments[1])])
        elif name == "part":
            apart = self.nodes[int(arguments[0])].name
            cluster.apart.add(apart)
            self.home.call_later(float(arguments[1]), cluster.apart.discard, apart)
        else:
            cluster.noisy = True
            self.home.call_later(float(arguments[0]), cluster.calm)

    def _person(self, name: str, device: Device, arguments: tuple[str, ...]) -> None:
        self._changes += 1
        value = str(self._changes)
        argument = arguments[0] if arguments else ""
        other = f"{argument}@{DOMAIN}"
        if name == "write":
            target = self.devices.get(argument)
            account = target.account if target is not None else argument
            device.write(account, target.jid if target is not None else "", int(arguments[1]))
        elif name == "cut":
            device.cut(float(argument))
        elif name == "leave":
            device.leave(argument == "politely")
        elif name == "nap":
            device.leave(politely=False)
            self.home.call_later(float(argument), device.come)
        elif name == "come":
            device.come()
        elif name in ("block", "unblock"):
            if argument != device.account:
                child = f"<{name} xmlns='urn:xmpp:blocking'><item jid='{other}'/></{name}>"
                device.change(("blocked", argument), str(name == "block"), child)
        elif name == "rename":
            if argument != device.account:
                child = f"<query xmlns='jabber:iq:roster'><item jid='{other}' name='{value}'/></query>"
                device.change(("roster", argument), value, child)
        elif name == "mood":
            child = (
                f"<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{NODE}'>"
                f"<item id='current'><mood xmlns='urn:sim'>{value}</mood></item></publish></pubsub>"
            )
            device.change(("mood",), value, child)
        elif name in ("typing", "receipt", "question"):
            target = self.devices.get(argument)
            device.hint(name, other if target is None else target.jid or target.bare)
        elif name == "show":
            device.show(value)
        elif name in ("inactive", "active"):
            device.rest(name == "inactive")
        else:
            raise ValueError(f"no event {name}")


def run(schedule: Schedule) -> list[str]:
    """What a schedule breaks, as sentences."""
    return World(schedule).run()


__all__ = ["Loop", "World", "run"]
