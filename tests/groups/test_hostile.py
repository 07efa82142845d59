"""Whatever somebody sends to a group is answered, and breaks nothing."""

from __future__ import annotations

import random

import pytest

from tests.groups.test_entering import trio
from tests.groups.there import ADMIN, GROUP, GROUPS, OWNER, USER, There, conditions, texts
from tests.parts import DOMAIN

MUC = "http://jabber.org/protocol/muc"
SERVICE = f"groups.{DOMAIN}"
#: What requests and messages to groups are made of; each may be in any other.
_PIECES = (
    *(f"<x xmlns='{MUC}'/>", f"<x xmlns='{MUC}'><history seconds='1e9' since='x'/><password/></x>"),
    *(f"<x xmlns='{USER}'/>", f"<x xmlns='{USER}'><invite/><decline/></x>"),
    *(f"<x xmlns='{USER}'><invite to='{GROUP}'/></x>", f"<x xmlns='{USER}'><decline to='ada@{DOMAIN}'/></x>"),
    *(f"<query xmlns='{ADMIN}'/>", f"<query xmlns='{ADMIN}'><item/></query>"),
    f"<query xmlns='{ADMIN}'><item affiliation='owner' jid='{GROUP}'/></query>",
    f"<query xmlns='{ADMIN}'><item affiliation='member' nick='{'n' * 2000}' jid='x@y.example'/></query>",
    f"<query xmlns='{ADMIN}'><item affiliation='outcast' role='none' nick='ada' jid='ada'/></query>",
    *(f"<query xmlns='{OWNER}'/>", f"<query xmlns='{OWNER}'><destroy jid='@'/></query>"),
    f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data'/></query>",
    f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'>"
    "<field var='muc#roomconfig_whois'/></x></query>",
    f"<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'><field var='muc#roomconfig_maxusers'>"
    "<value>-1</value></field></x></query>",
    *("<query xmlns='jabber:iq:register'/>", "<query xmlns='jabber:iq:register'><remove/></query>"),
    "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'/></query>",
    *("<vCard xmlns='vcard-temp'/>", "<vCard xmlns='vcard-temp'><PHOTO><BINVAL>=</BINVAL></PHOTO></vCard>"),
    *("<moderate xmlns='urn:xmpp:message-moderate:1'/>", f"<unique xmlns='{MUC}#unique'/>"),
    *("<subject/>", "<body>hi</body>", "<retract xmlns='urn:xmpp:message-retract:1' id='0'/>"),
    *("<x xmlns='jabber:x:data'/>", "<x xmlns='jabber:x:data' type='submit'><field/></x>"),
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
    f"{MUC}#request</value></field><field var='muc#request_allow'/></x>",
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
    f"{MUC}#register</value></field></x>",
    *("<query xmlns='http://jabber.org/protocol/disco#info' node='x'/>", "<ping xmlns='urn:xmpp:ping'/>"),
    *("<query xmlns='urn:xmpp:mam:2'/>", "<metadata xmlns='urn:xmpp:mam:2'/>"),
    *(f"<{name} xmlns='{GROUPS}'/>" for name in ("group", "create", "add", "accept", "nick", "link", "join")),
    f"<for xmlns='{GROUPS}' number='x'/>",
    "<encrypted xmlns='eu.siacs.conversations.axolotl'><header><key rid='9'/></header></encrypted>",
)
_TYPES = {
    "iq": ("get", "set", "result", "error"),
    "message": ("groupchat", "chat", "normal", "error", "headline"),
    "presence": ("", "unavailable", "error", "subscribe", "probe"),
}
_PLACES = ("", f"{GROUP}", f"{GROUP}/ada", f"{GROUP}/nobody", f"new@{SERVICE}/x", SERVICE)


@pytest.mark.parametrize("seed", range(4))
async def test_nothing_that_a_person_sends_breaks_a_room(there: There, seed: int) -> None:
    ada, ben, cyd = await trio(there)
    dan = await there.person("dan/phone")
    await there.affiliate(ada, {"cyd": "admin"})
    failures: list[str] = []
    there.node.tasks.failed = lambda event, error: failures.append(f"{event}: {error!r}")  # type: ignore[method-assign]
    chance = random.Random(seed)
    for number in range(250):
        kind = chance.choice(tuple(_TYPES))
        type = chance.choice(_TYPES[kind])
        place = chance.choice(_PLACES[1:])
        inner = "".join(chance.sample(_PIECES, 1 if kind == "iq" else chance.randint(0, 2)))
        sender = chance.choice((ben, cyd, dan))
        typed = f" type='{type}'" if type else ""
        said = f"<{kind} id='{number}' to='{place}'{typed}>{inner}</{kind}>"
        found = conditions(await there.says(sender, said))
        assert "internal-server-error" not in found, said
        assert failures == [], said
    there.heard(ada)
    assert texts(await there.write(ada, "still here")) == ["still here"]
    assert (await there.log(GROUP))[-1] == "still here"
