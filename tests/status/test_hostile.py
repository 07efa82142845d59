"""Whatever somebody sends to the service, the answer is the standard's error, and nothing broken goes on."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from tests.parts import DOMAIN
from tests.status.there import OMEMO, SERVICE, STATUS, There, conditions, kinds

ORIGIN = "<origin-id xmlns='urn:xmpp:sid:0' id='o'/>"
ENCRYPTED = f"<encrypted xmlns='{OMEMO}'><header sid='1'/><payload>x</payload></encrypted>"
SEALED = "<sealed xmlns='urn:kith:sealed:1' iv='x'>y</sealed>"
TO = f"<to jid='ben@{DOMAIN}'/>"


def post(inner: str = TO, attrs: str = "") -> str:
    return f"<post xmlns='{STATUS}'{attrs}>{inner}</post>"


@pytest.mark.parametrize(
    ("inner", "condition"),
    [
        ("", "bad-request"),
        ("<body>x</body>", "bad-request"),
        (post() + ENCRYPTED + SEALED, "bad-request"),
        (post() + ENCRYPTED + SEALED + ORIGIN + ORIGIN, "bad-request"),
        (post() + ENCRYPTED + SEALED + ORIGIN.replace("'o'", "''"), "bad-request"),
        (post() + ENCRYPTED + SEALED + ORIGIN.replace("'o'", f"'{'o' * 101}'"), "bad-request"),
        (post() + ENCRYPTED + ORIGIN, "bad-request"),
        (post() + SEALED + ORIGIN, "bad-request"),
        (post() + post() + ENCRYPTED + SEALED + ORIGIN, "bad-request"),
        (post() + ENCRYPTED + ENCRYPTED + SEALED + ORIGIN, "bad-request"),
        (post() + ENCRYPTED.replace("payload", "p") + SEALED + ORIGIN, "bad-request"),
        (post("") + ENCRYPTED + SEALED + ORIGIN, "bad-request"),
        (post("<to xmlns='x' jid='a@localhost'/>") + ENCRYPTED + SEALED + ORIGIN, "bad-request"),
        (post("<to/>") + ENCRYPTED + SEALED + ORIGIN, "jid-malformed"),
        (post("<to jid='a@b@c'/>") + ENCRYPTED + SEALED + ORIGIN, "jid-malformed"),
        (post(f"<to jid='{DOMAIN}'/>") + ENCRYPTED + SEALED + ORIGIN, "jid-malformed"),
        (post(f"<to jid='ben@{DOMAIN}/x'/>") + ENCRYPTED + SEALED + ORIGIN, "jid-malformed"),
        (post("<to jid='ben@elsewhere.test'/>") + ENCRYPTED + SEALED + ORIGIN, "jid-malformed"),
        *(
            (post(attrs=f" seconds='{bad}'") + ENCRYPTED + SEALED + ORIGIN, "bad-request")
            for bad in ("", "x", "-1", "59", "86401", "9" * 40)
        ),
        (
            post("".join(f"<to jid='a{n}@{DOMAIN}'/>" for n in range(1025))) + ENCRYPTED + SEALED + ORIGIN,
            "policy-violation",
        ),
        (post() + ENCRYPTED + SEALED.replace("y", "y" * 65_536) + ORIGIN, "policy-violation"),
        (post() + ENCRYPTED.replace("x</p", "x" * 65_536 + "</p") + SEALED + ORIGIN, "policy-violation"),
        # an element in an element of the same name, so that the first end tag is not that of the first one
        (
            post()
            + ENCRYPTED.replace("<payload", "<encrypted xmlns='x'></encrypted><payload")
            + SEALED
            + ORIGIN,
            "bad-request",
        ),
        (post() + ENCRYPTED + SEALED.replace("y", "<sealed xmlns='x'></sealed>") + ORIGIN, "bad-request"),
        (post(TO + "<post xmlns='x'></post>") + ENCRYPTED + SEALED + ORIGIN, "bad-request"),
        (f"<x xmlns='y'>{post()}</x>" + ENCRYPTED + SEALED + ORIGIN, "bad-request"),
        (f"<retract xmlns='{STATUS}'/>", "bad-request"),
        (f"<retract xmlns='{STATUS}' id='{'x' * 101}'/>", "bad-request"),
        (f"<retract xmlns='{STATUS}' id='x'/>", "item-not-found"),
        (f"<seen xmlns='{STATUS}' id='x'/>", "jid-malformed"),
        (f"<seen xmlns='{STATUS}' id='x' author='{DOMAIN}'/>", "jid-malformed"),
        (f"<seen xmlns='{STATUS}' id='x' author='ben@{DOMAIN}/x'/>", "jid-malformed"),
        (f"<seen xmlns='{STATUS}' author='ben@{DOMAIN}'/>", "bad-request"),
        (f"<seen xmlns='{STATUS}' id='x' author='ben@{DOMAIN}'/>", "item-not-found"),
        (f"<seen xmlns='{STATUS}' id='x' author='nobody@{DOMAIN}'/>", "item-not-found"),
        (f"<seen xmlns='{STATUS}' id='x' author='eve@elsewhere.test'/>", "item-not-found"),
    ],
)
async def test_what_is_no_status_is_refused(there: There, inner: str, condition: str) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    answers = await there.says(ada, f"<message id='m' to='{SERVICE}'>{inner}</message>")
    assert conditions(answers) == [condition]
    assert there.heard(ben) == []
    assert ada.handled == ada.received


@pytest.mark.parametrize(
    "inner",
    [
        f"<origin-id id='o' xmlns='urn:xmpp:sid:0'/>{SEALED}{ENCRYPTED}{post()}",
        post()
        + ENCRYPTED
        + SEALED.replace("xmlns='urn:kith:sealed:1' iv='x'", "iv='x' xmlns='urn:kith:sealed:1'")
        + ORIGIN,
        (post() + ENCRYPTED + SEALED + ORIGIN).replace("'", '"'),
        post() + ENCRYPTED.replace("x</p", "&lt;/encrypted&gt;</p") + SEALED + ORIGIN,
        post()
        + ENCRYPTED
        + SEALED
        + ORIGIN
        + "<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='ben@localhost'/>",
        post() + ENCRYPTED + SEALED + ORIGIN + "<body>a riddle</body><store xmlns='urn:xmpp:hints'/>",
        post(f"<to jid='BEN@{DOMAIN}'/>") + ENCRYPTED + SEALED + ORIGIN,
    ],
)
async def test_however_it_is_written_people_get_the_same(there: There, inner: str) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    assert await there.says(ada, f"<message id='m&apos;' to='{SERVICE}'>{inner}</message>") == []
    (entry,) = there.heard(ben)
    names = [child.tag.partition("}")[2] for child in ElementTree.fromstring(entry.to_bytes())]
    assert names == ["status", "encrypted", "sealed", "stanza-id"]
    assert f"by='ben@{DOMAIN}'".encode() in entry.inner
    (result, _) = await there.log(ben)
    assert ElementTree.fromstring(result.to_bytes()) is not None


async def test_only_accounts_speak_to_the_service_and_only_in_messages(there: There) -> None:
    ada = await there.person("ada/phone")
    for to in (f"x@{SERVICE}", f"{SERVICE}/x"):
        answers = await there.says(ada, f"<message id='m' to='{to}'>{post()}</message>")
        assert conditions(answers) == ["service-unavailable"]
    assert conditions(await there.says(ada, f"<iq type='get' id='i' to='{SERVICE}'><x xmlns='y'/></iq>"))
    assert await there.says(ada, f"<presence to='{SERVICE}'/>") == []
    assert await there.says(ada, f"<message type='error' to='{SERVICE}'>{post()}</message>") == []
    assert await there.foreign("far.test", there.status("x", "ada")) == ["service-unavailable"]


async def test_nobody_pretends_that_a_message_is_a_status(there: There) -> None:
    ada, ben = await there.person("ada/phone"), await there.person("ben/phone")
    await there.befriend("ada", "ben")
    forged = f"<status xmlns='{STATUS}' id='x' until='2999-01-01T00:00:00Z'/>"
    await there.says(
        ada, f"<message to='ben@{DOMAIN}' type='chat'><body>x</body>{forged}{ENCRYPTED}</message>"
    )
    (heard,) = there.heard(ben)
    assert f"{{{STATUS}}}status" not in heard.children
    assert b"<body>x</body>" in heard.inner


async def test_nobody_deletes_or_sees_what_is_not_theirs(there: There) -> None:
    ada, ben, eve = [await there.person(f"{name}/phone") for name in ("ada", "ben", "eve")]
    await there.befriend("ada", "ben", "eve")
    await there.post(ada, "x", "ada", "ben")
    there.heard(ben)
    assert conditions(await there.retract(eve, "x")) == ["item-not-found"]
    assert conditions(await there.retract(ben, "x")) == ["item-not-found"]
    assert conditions(await there.see(eve, "ada", "x")) == ["item-not-found"]
    assert kinds(there.heard(ada)) == kinds(there.heard(ben)) == []
    assert kinds(await there.log(ben)) == ["ada: x"]


async def test_unknown_queries_of_the_log_are_refused_and_bad_pages_too(there: There) -> None:
    ada = await there.person("ada/phone")
    query = "<iq type='set' id='q'><query xmlns='urn:xmpp:mam:2' node='urn:kith:status:0'>{}</query></iq>"
    form = "<x xmlns='jabber:x:data' type='submit'><field var='{}'><value>{}</value></field></x>"
    rsm = "<set xmlns='http://jabber.org/protocol/rsm'>{}</set>"
    for inner, condition in (
        (form.format("include-groupchat", "true"), "feature-not-implemented"),
        (form.format("start", "yesterday"), "bad-request"),
        (rsm.format("<after>x</after>"), "item-not-found"),
        (rsm.format("<max>x</max>"), "bad-request"),
    ):
        assert conditions(await there.says(ada, query.format(inner))) == [condition]
    (fin,) = await there.says(ada, query.format(rsm.format("<max>0</max>")))
    assert b"<count>0</count>" in fin.inner
