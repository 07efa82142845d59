"""Groups in the terminal, driven by keys against a real server."""

from __future__ import annotations

import pytest
from textual.widgets import Input, OptionList

from kith.client import Affiliation, State
from kith.client.groups.values import Change, MemberChange
from kith.client.tui.app import ChatApp
from kith.client.tui.composer import Composer
from kith.client.tui.members import Members
from kith.client.tui.notices import notice
from kith.client.tui.voting import Voting
from tests.client.conftest import People, receive, until
from tests.client.test_terminal import screen, shown, terminal, write


def said(app: ChatApp) -> list[str]:
    """The notifications of the app."""
    return [one.message for one in app._notifications]


async def test_a_group_is_made_written_to_and_left(people: People) -> None:
    ben, cyd = await people.open(people.account("ben")), await people.open(people.account("cyd"))
    ada = people.device(people.account("ada"))
    async with terminal(ada, size=(100, 30)) as (app, pilot):
        await pilot.press("f5")
        await write(pilot, "Tea at five")
        await pilot.press("enter")
        app.screen.query_one("#people", Input).value = f"{ben.jid} {cyd.jid.partition('@')[0]} nobody"
        await pilot.press("enter")
        await shown(pilot, "3 members")
        await shown(pilot, "You added")
        assert said(app) == ["Not added: nobody@localhost (no such account)"]
        (group,) = ada.groups()
        assert {member.jid for member in group.members} == {ada.jid, ben.jid, cyd.jid}
        await write(pilot, "hello all")
        await pilot.press("enter")
        for client in (ben, cyd):
            (got,) = await receive(client)
            assert (got.body, got.author, got.encrypted) == ("hello all", ada.jid, True)
        await cyd.send(group.jid, "hello Ada")
        await shown(pilot, "hello Ada")
        assert screen(app).count(cyd.jid.partition("@")[0]) >= 2  # in the notice, and above the message
        await pilot.press("f4")
        await until(lambda: isinstance(app.screen, Members))
        await pilot.pause()
        assert "owner" in screen(app)
        listing = app.screen.query_one(OptionList)
        listing.highlighted = [member.jid for member in group.members].index(ben.jid)
        await pilot.press("m")
        await shown(pilot, f"You made {ben.jid.partition('@')[0]} an admin")
        await until(lambda: ben.group(group.jid).affiliation is Affiliation.ADMIN)
        await ben.change_group(group.jid, name="Coffee")
        await shown(pilot, "named the group “Coffee”")
        await ben.remove_members(group.jid, cyd.jid)
        await shown(pilot, "2 members")


async def test_a_member_is_mentioned_with_completion(people: People) -> None:
    ben = await people.open(people.account("ben"))
    ada = people.device(people.account("ada"))
    async with terminal(ada, size=(80, 24)) as (app, pilot):
        group = await ada.make_group("Tea", [ben.jid])
        await app._open(group.jid)
        await write(pilot, "Dear @be")
        await shown(pilot, f"Tab: {ben.jid.partition('@')[0]}")
        await pilot.press("tab")
        assert app.query_one(Composer).text == f"Dear @{ben.jid.partition('@')[0]} "
        await write(pilot, "hi")
        await pilot.press("enter")
        (got,) = await receive(ben)
        assert got.mentions_me()
        await ben.typing(group.jid)
        await shown(pilot, f"{ben.jid.partition('@')[0]} is typing")
        sent = ada.history(group.jid)[-1]
        await ben.mark_read(group.jid)
        await ada.wait_for(sent, State.READ)
        await shown(pilot, "✓✓ read")


async def test_who_was_removed_sees_that_they_can_not_write(people: People) -> None:
    ada = await people.open(people.account("ada"))
    ben = people.device(people.account("ben"))
    async with people.device(ben.jid):
        pass  # publishes keys
    group = await ada.make_group("Tea", [ben.jid])
    async with terminal(ben, group.jid) as (app, pilot):
        await shown(pilot, "🔒 encrypted")
        await ada.remove_members(group.jid, ben.jid)
        await shown(pilot, "You are not in this group any more")
        await write(pilot, "still there?")
        await pilot.press("enter")
        await until(lambda: "You are not in this group." in said(app))
        assert "removed you" in screen(app)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change("a@x", (MemberChange("b@x", Affiliation.NONE, Affiliation.MEMBER),)), "You added b"),
        (Change("b@x", (MemberChange("b@x", Affiliation.MEMBER, Affiliation.NONE),)), "b has left"),
        (Change("a@x", (MemberChange("a@x", Affiliation.OWNER, Affiliation.NONE),)), "You have left"),
        (Change("b@x", (MemberChange("a@x", Affiliation.MEMBER, Affiliation.NONE),)), "b removed you"),
        (Change("b@x", (MemberChange("a@x", Affiliation.MEMBER, Affiliation.OUTCAST),)), "b banned you"),
        (
            Change("b@x", (MemberChange("c@x", Affiliation.NONE, Affiliation.MEMBER, invited=True),)),
            "b invited c",
        ),
        (
            Change(
                "a@x",
                tuple(MemberChange(f"{one}@x", Affiliation.NONE, Affiliation.MEMBER) for one in "bcd"),
            ),
            "You added b, c and d",
        ),
        (
            Change("b@x", (MemberChange("b@x", Affiliation.MEMBER, Affiliation.MEMBER, nick="{evil}"),)),
            "b has a new nickname: evil",
        ),
        (Change("b@x", name="\x1b[31mTea"), "b named the group “[31mTea”"),
        (Change("b@x", name=""), "b removed the name of the group"),
        (Change("b@x", destroyed=True), "b ended the group"),
    ],
)
def test_a_notice_is_a_sentence(change: Change, words: str) -> None:
    assert notice(change, None, "a@x") == words


async def test_a_poll_is_voted_in_and_closed_by_its_author(people: People) -> None:
    ada, ben = [await people.open(people.account(name)) for name in ("ada", "ben")]
    group = (await ada.make_group("Tea", [ben.jid])).jid
    await until(lambda: ben.groups())
    poll = await ada.send_poll(group, "Tea or coffee?", ["Tea", "Coffee"], several=True)
    await receive(ben)
    await ben.close()
    async with terminal(people.device(ben.jid), size=(100, 30)) as (app, pilot):
        await shown(pilot, "Tea")
        await app._open(group)
        await shown(pilot, "Tea or coffee?")
        await pilot.press("ctrl+up", "v")
        await until(lambda: isinstance(app.screen, Voting))
        await pilot.pause()
        await pilot.press("down", "enter", "v")
        await until(lambda: ada.poll_result(poll).count(ada.poll_result(poll).poll.options[1]) == 1)
        await until(lambda: not isinstance(app.screen, Voting))
        await ada.close_poll(poll)
        await until(lambda: app.client.poll_result(app.client.history(group)[-1]).closed)
        await pilot.press("ctrl+up", "v")
        await shown(pilot, "The poll is closed")
        assert "██ 1" in screen(app)
