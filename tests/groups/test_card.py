"""The picture of a group (XEP-0054, XEP-0153, XEP-0486)."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from kith.core.actors.account import Session
from tests.groups.test_entering import trio
from tests.groups.test_listing import info
from tests.groups.there import GROUP, There, codes, conditions

PICTURE = b"\x89PNG not quite"
HASH = hashlib.sha1(PICTURE).hexdigest()
CARD = (
    "<vCard xmlns='vcard-temp'><FN>Tea</FN><PHOTO><TYPE>image/png</TYPE>"
    f"<BINVAL>{b64encode(PICTURE).decode()}</BINVAL></PHOTO></vCard>"
)
NONE = "<vCard xmlns='vcard-temp'/>"


async def put(there: There, session: Session, card: str) -> list[str]:
    stanzas = await there.says(session, f"<iq type='set' id='v' to='{GROUP}'>{card}</iq>")
    return conditions(stanzas)


async def get(there: There, session: Session) -> bytes:
    (answer,) = await there.says(session, f"<iq type='get' id='v' to='{GROUP}'>{NONE}</iq>")
    return answer.inner


async def test_a_new_picture_is_announced_and_found(there: There) -> None:
    ada, ben, _ = await trio(there)
    assert await get(there, ben) == NONE.encode()
    assert await put(there, ben, CARD) == ["forbidden"]
    assert await put(there, ada, CARD) == []
    heard = there.heard(ben)
    assert {"104"} in [codes(stanza) for stanza in heard if stanza.kind == "message"]
    (update,) = [stanza for stanza in heard if stanza.kind == "presence"]
    assert update.attrs["from"] == GROUP
    assert f"<photo>{HASH}</photo>".encode() in update.inner
    assert await get(there, ben) == CARD.encode()
    assert f"<field var='muc#roominfo_avatarhash' type='text-multi'><value>{HASH}" in await info(there, ben)
    dan = await there.person("dan/phone")
    assert f"<photo>{HASH}</photo>".encode() in (await there.enter(dan, "dan"))[0].inner


async def test_an_empty_card_removes_it(there: There) -> None:
    ada, ben, _ = await trio(there)
    await put(there, ada, CARD)
    there.heard(ben)
    assert await put(there, ada, NONE) == []
    assert b"<photo/>" in b"".join(stanza.inner for stanza in there.heard(ben))
    assert await get(there, ben) == NONE.encode()
    assert "avatarhash" not in await info(there, ben)


async def test_members_change_it_where_they_may(there: There) -> None:
    ada, ben, _ = await trio(there)
    await there.affiliate(ada, {"ben": "member"})
    assert await put(there, ben, CARD) == []
    await there.configure(ada, changesubject="0")
    assert await put(there, ben, NONE) == ["forbidden"]


async def test_a_card_that_is_none_is_refused(there: There) -> None:
    ada, _, _ = await trio(there)
    bad = CARD.replace("<BINVAL>", "<BINVAL>&amp;")
    assert await put(there, ada, bad) == ["bad-request"]
    big = f"<vCard xmlns='vcard-temp'><NOTE>{'x' * 140_000}</NOTE></vCard>"
    assert await put(there, ada, big) == ["resource-constraint"]
