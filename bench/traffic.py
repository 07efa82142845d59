"""What a phone sends and receives: bytes and packets, with TLS, of Kith and of Prosody in one run.

    python bench/traffic.py [--only NAME ...] [--quick]

Bytes are those of a data plan, with the headers of TCP and IP; packets are TCP segments both ways, bare
acknowledgements among them, of at most 1400 bytes. The kernel counts them, at the phone's socket.
An hour of silence takes a minute: all intervals, the servers' and the phone's, are divided by sixty.
"""

from __future__ import annotations

import argparse
import base64
import datetime
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import others
from lab import Server, free_port, kith
from phone import Phone, TCPLine, Ticket, Traffic, WebLine
from rich.console import Console
from rich.table import Table
from run import OUT, machine

CONTACTS = 20
#: What an hour takes here, in seconds, and the intervals that are an hour's part.
HOUR = 60.0
_SCALE = HOUR / 3600
KITH_ASKS, KITH_WAITS, PROSODY_ASKS = 420, 60, 840  # the defaults
PHONE_ASKS = 300  # Conversations
#: Of the contacts' chatter; longer than acknowledgements wait (40 ms), so that they are not spared.
_PAUSE = 0.2
_PAGE = 50
#: How often a phone is woken in a day.
WAKES = 24

ROWS = (
    ("first", "first login, with a password"),
    ("first_starttls", "… by STARTTLS"),
    ("again", "another login, with a token where there are tokens"),
    ("resume", "a lost connection is resumed"),
    ("resume_ticket", "… and TLS too, by a ticket"),
    ("sent", "a message of 1 kB is sent, and acknowledged"),
    ("received", "a message of 1 kB comes, and is acknowledged"),
    ("silent", "an hour, the phone says nothing"),
    ("asking", "an hour, the phone asks every five minutes"),
    (
        "woken",
        "a message wakes a phone without a connection: it resumes its session, TLS by a ticket",
    ),
    ("woken_login", "… the session had ended: a login with a token, and the archive since"),
    ("pocket", "a day in the pocket, a message an hour, each by a push; in between, there is no connection"),
    ("active", f"{CONTACTS} contacts chatter ({5 * CONTACTS} stanzas), the app is open"),
    ("inactive", "… the app rests"),
    ("looked", "… and what comes when it is opened"),
    ("web", f"a page in a browser: login, {_PAGE} messages of the archive"),
    ("web_plain", "… without compression"),
)
Found = dict[str, Traffic]
_chance = random.Random(1)


def _random(size: int) -> str:
    """Base64 that does not compress better than what is encrypted."""
    return base64.b64encode(_chance.randbytes(size * 3 // 4)).decode()


def message(to: str, id: str) -> str:
    """1 kB, encrypted for two devices and one of one's own."""
    keys = "".join(f"<key rid='{rid}'>{_random(176)}</key>" for rid in (1234567, 7654321, 1357911))
    return (
        f"<message xmlns='jabber:client' to='{to}@localhost' type='chat' id='{id}'>"
        f"<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='27182818'>{keys}"
        f"<iv>{_random(16)}</iv></header><payload>{_random(120)}</payload></encrypted>"
        "<encryption xmlns='urn:xmpp:eme:0' namespace='eu.siacs.conversations.axolotl' name='OMEMO'/>"
        f"<origin-id xmlns='urn:xmpp:sid:0' id='{id}'/><request xmlns='urn:xmpp:receipts'/>"
        "<store xmlns='urn:xmpp:hints'/></message>"
    )


def _online(server: Server, user: str) -> Phone:
    phone = Phone(user)
    phone.dial(TCPLine(server.secure))
    phone.log_in()
    return phone


def befriend(server: Server) -> list[Phone]:
    """``u0`` and all others see each other's presence. Returns the others, available."""

    def presence(type: str, number: int) -> str:
        return f"<presence xmlns='jabber:client' type='{type}' to='u{number}@localhost'/>"

    one = _online(server, "u0")
    contacts = [_online(server, f"u{number}") for number in range(1, CONTACTS + 1)]
    one.send(*(presence("subscribe", number) for number in range(1, CONTACTS + 1)))
    one.settle()
    for contact in contacts:
        contact.send(presence("subscribed", 0), presence("subscribe", 0))
    one.settle()
    one.send(*(presence("subscribed", number) for number in range(1, CONTACTS + 1)))
    one.settle()
    one.leave()
    return contacts


def measured(phone: Phone, work: Callable[[], object], before: Traffic | None = None) -> Traffic:
    """What passes while something is done, until it is quiet again."""
    start = before if before is not None else phone.traffic
    work()
    phone.settle()
    return phone.traffic.since(start)


def logins(server: Server) -> Found:
    """Connections of a phone whose contacts are away."""
    found: Found = {}
    for name, starttls in (("first_starttls", True), ("first", False)):
        phone = Phone("u0")
        phone.dial(TCPLine(server.port if starttls else server.secure, starttls))
        found[name] = measured(phone, phone.log_in, Traffic())
    for name, resume, by_ticket in (
        ("again", False, False),
        ("resume", True, False),
        ("resume_ticket", True, True),
    ):
        assert isinstance(phone.line, TCPLine)
        ticket = phone.line.ticket if by_ticket else None
        phone.lose()
        time.sleep(0.2)
        line = TCPLine(server.secure, ticket=ticket)
        phone.dial(line)
        traffic = measured(phone, partial(phone.log_in, resume), Traffic())
        if line.resumed == by_ticket:  # or the server gives no tickets
            found[name] = traffic
    phone.leave()
    return found


def messages(server: Server, contact: Phone) -> Found:
    phone = _online(server, "u0")
    phone.settle(0.5)
    names = [f"m{number}-{_chance.randbytes(4).hex()}" for number in range(2)]
    sent = measured(phone, lambda: phone.send(message(contact.user, names[0]), ask=True))
    phone.settle(0.5)

    def receive() -> None:
        contact.send(message("u0", names[1]))
        phone.wait_for("message", lambda stanza: stanza.get("id") == names[1])

    received = measured(phone, receive)
    phone.leave()
    return {"sent": sent, "received": received}


def woken(server: Server, contact: Phone) -> Found:
    """A push has woken the phone for a message: it comes, takes it, and its connection is lost again."""
    phone = _online(server, "u0")
    phone.settle(0.5)
    spent = [_wake(server, phone, contact, resume=True) for _ in range(WAKES)]
    day = Traffic(*(sum(one) for one in zip(*spent, strict=True)))
    found = {"woken": median([{"": one} for one in spent])[""], "pocket": day}
    phone.dial(TCPLine(server.secure))
    phone.log_in()  # for a ticket, and a session that ends now
    assert isinstance(phone.line, TCPLine)
    ticket = phone.line.ticket
    phone.leave()
    found["woken_login"] = _wake(server, phone, contact, resume=False, ticket=ticket)
    return found


def _wake(
    server: Server, phone: Phone, contact: Phone, resume: bool, ticket: Ticket | None = None
) -> Traffic:
    if resume:
        assert isinstance(phone.line, TCPLine)
        ticket = phone.line.ticket
        phone.lose()
        time.sleep(0.2)
    id = f"woken-{_chance.randbytes(6).hex()}"
    contact.send(message("u0", id), ask=True)
    phone.dial(TCPLine(server.secure, ticket=ticket))

    def work() -> None:
        phone.log_in(resume)
        if not resume:
            phone.send(
                "<iq xmlns='jabber:client' type='set' id='since'><query xmlns='urn:xmpp:mam:2'>"
                "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max><before/></set></query></iq>"
            )
            phone.wait_for("iq", lambda iq: iq.get("id") == "since")

    return measured(phone, work, Traffic())


def chatter(server: Server, contacts: list[Phone]) -> Found:
    """Presence and typing of all contacts, at an app that is open, and at one that rests."""
    phone = _online(server, "u0")

    def talk() -> None:
        for contact in contacts:
            state = "<{} xmlns='http://jabber.org/protocol/chatstates'/>"
            typing = "<message xmlns='jabber:client' to='u0@localhost' type='chat'>{}</message>"
            show = "<presence xmlns='jabber:client'><show>{}</show></presence>"
            for stanza in (
                show.format(_chance.choice(("away", "dnd"))),
                typing.format(state.format("composing")),
                typing.format(state.format("paused")),
                typing.format(state.format("composing")),
                typing.format(state.format("paused")),
            ):
                contact.send(stanza)
                phone.stay(_PAUSE)

    csi = "<{} xmlns='urn:xmpp:csi:0'/>"
    found = {"active": measured(phone, talk)}
    phone.send(csi.format("inactive"))
    phone.settle()
    found["inactive"] = measured(phone, talk)
    found["looked"] = measured(phone, lambda: phone.send(csi.format("active")))
    phone.leave()
    return found


def web(server: Server) -> Found:
    found: Found = {}
    for name, deflate in (("web_plain", False), ("web", True)):
        page = Phone("u0")
        line = WebLine(server.https, deflate)
        page.dial(line)

        def work(page: Phone = page) -> None:
            page.log_in()
            page.send(
                "<iq xmlns='jabber:client' type='set' id='page'><query xmlns='urn:xmpp:mam:2'>"
                f"<set xmlns='http://jabber.org/protocol/rsm'><max>{_PAGE}</max><before/></set></query></iq>"
            )
            page.wait_for("iq", lambda iq: iq.get("id") == "page")

        traffic = measured(page, work, Traffic())
        if deflate == line.compressed:
            found[name] = traffic
        page.leave()
    return found


def idle(server: Server) -> Found:
    """An hour of two phones: one is asked when the server wants it, the other asks the server."""
    phones = {"silent": _online(server, "u0"), "asking": _online(server, "u1")}
    for phone in phones.values():
        phone.settle()
    before = {name: phone.traffic for name, phone in phones.items()}
    end, asked = time.monotonic() + HOUR, time.monotonic()
    while time.monotonic() < end:
        phones["silent"].stay(0.05)
        phones["asking"].stay(0.05)
        if time.monotonic() - asked >= PHONE_ASKS * _SCALE:
            asked += PHONE_ASKS * _SCALE
            phones["asking"].send(ask=True)
    return {name: phone.traffic.since(before[name]) for name, phone in phones.items()}


def median(results: list[Found]) -> Found:
    names = dict.fromkeys(name for found in results for name in found)
    return {
        name: Traffic(
            *(
                round(statistics.median(one))
                for one in zip(*(f[name] for f in results if name in f), strict=True)
            )
        )
        for name in names
    }


def measure(server: Server, times: int) -> Found:
    """All but the hour."""
    contacts = befriend(server)
    correspondent = contacts[0]
    for number in range(_PAGE):
        correspondent.send(message("u0", f"old-{number}"))
    correspondent.settle()
    found = chatter(server, contacts)
    found |= median([messages(server, correspondent) for _ in range(times)])
    found |= woken(server, correspondent)
    for contact in contacts:
        contact.leave()
    time.sleep(1)
    found |= median([logins(server) for _ in range(times)])
    return found | median([web(server) for _ in range(times)])


Start = Callable[[bool], AbstractContextManager[Server]]


def servers(folder: Path) -> dict[str, Start]:
    """How to start each, with intervals as they are or scaled."""
    others.certificate(folder)
    files = {"certificate": str(folder / "certificate.pem"), "private_key": str(folder / "key.pem")}

    def start_kith(scaled: bool) -> AbstractContextManager[Server]:
        ports = {"xmpps_port": str(free_port()), "https_port": str(free_port())}
        ports |= {"media_http_port": "0", "media_https_port": "0"}
        times = {"ping_after": str(KITH_ASKS * _SCALE), "ping_timeout": str(KITH_WAITS * _SCALE)}
        return kith(folder / f"kith-{scaled}", CONTACTS + 1, **files, **ports, **(times if scaled else {}))

    def start_prosody(scaled: bool) -> AbstractContextManager[Server]:
        timeout = PROSODY_ASKS * (_SCALE if scaled else 1)
        return others.prosody(folder / f"prosody-{scaled}", CONTACTS + 1, archive=True, read_timeout=timeout)

    found: dict[str, Start] = {"Kith": start_kith}
    if others.has_prosody():
        found["Prosody"] = start_prosody
    return found


def rows(results: Mapping[str, Found]) -> Iterator[list[str]]:
    for name, title in ROWS:
        cells = (found.get(name) for found in results.values())
        yield [
            title,
            *("–" if cell is None else f"{cell.bytes:,} B, {cell.packets} packets" for cell in cells),
        ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="servers of these names")
    parser.add_argument("--quick", action="store_true", help="each once, without the hour")
    args = parser.parse_args()
    results: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, start in servers(Path(folder)).items():
            if args.only and name not in args.only:
                continue
            with start(False) as server:
                found = measure(server, 1 if args.quick else 5)
            if not args.quick:
                with start(True) as server:
                    found |= idle(server)
            results[name] = found
    table = Table("", *results)
    for line in rows(results):
        table.add_row(*line)
    Console().print(table)
    OUT.mkdir(exist_ok=True)
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    kept = {name: {row: t._asdict() for row, t in found.items()} for name, found in results.items()}
    (OUT / "traffic.json").write_text(
        json.dumps({"date": today, "machine": machine(), "results": kept}, indent=1)
    )
    lines = [["", *results], ["---"] * (len(results) + 1), *rows(results)]
    markdown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    (OUT / "traffic.md").write_text(f"Measured on {today} by `make bench`.\n\n{markdown}\n")


if __name__ == "__main__":
    main()
