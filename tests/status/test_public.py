"""Public stories (XEP-0501): for those who see one's presence, and for a day."""

from __future__ import annotations

from kith.core.actors.account import Session
from tests.parts import DOMAIN
from tests.status.there import DAY, There, conditions

NODE = "urn:xmpp:pubsub-social-feed:stories:0"
PUBSUB = "http://jabber.org/protocol/pubsub"


async def stories(there: There, session: Session) -> list[str]:
    """The titles of ada's stories, or the conditions of the error."""
    request = f"<pubsub xmlns='{PUBSUB}'><items node='{NODE}'/></pubsub>"
    there.heard(session)
    (answer,) = await there.says(session, f"<iq type='get' id='i' to='ada@{DOMAIN}'>{request}</iq>")
    titles = [one.text or "" for one in answer.element.iter("{http://www.w3.org/2005/Atom}title")]
    return titles or conditions([answer])


async def test_a_story_is_there_for_those_who_see_ones_presence_and_for_a_day(there: There) -> None:
    ada, ben, eve = [await there.person(f"{name}/phone") for name in ("ada", "ben", "eve")]
    await there.befriend("ada", "ben")
    for title in ("one", "two"):
        entry = f"<entry xmlns='http://www.w3.org/2005/Atom'><title>{title}</title></entry>"
        item = f"<publish node='{NODE}'><item id='{title}'>{entry}</item></publish>"
        await there.says(ada, f"<iq type='set' id='p'><pubsub xmlns='{PUBSUB}'>{item}</pubsub></iq>")
    assert await stories(there, ben) == ["one", "two"]
    assert await stories(there, eve) == ["item-not-found"]
    there.clock.forward(DAY + 1)
    assert await stories(there, ben) == []
