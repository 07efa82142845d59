"""What a login with SASL2 gives beside the login: a session (XEP-0386, XEP-0198 §6), new keys (XEP-0480)."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from xml.etree.ElementTree import Element, tostring

import pytest
from scramp import ScramClient

from kith.core.actors.account import Session
from kith.wire.errors import StanzaError
from tests.core.line import AGENT, SASL2, Line, There, agent, by_token, house, names, password, why

BIND2 = "{urn:xmpp:bind:0}"
SM = "{urn:xmpp:sm:3}"
ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"
UPGRADE = "<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-512</upgrade>"
TASKS = "{urn:xmpp:scram-upgrade:0}"
OTHER = "16a4c2d9-7c1b-4dbe-9a55-0b2f0d7d3b7e"


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[There]:
    async with house(tmp_path) as made:
        yield made


def bind(inside: str = "", tag: str = "Test") -> str:
    return f"<bind xmlns='urn:xmpp:bind:0'><tag>{tag}</tag>{inside}</bind>"


def address(success: Element) -> str:
    return success.findtext(f"{SASL2}authorization-identifier") or ""


def sessions(there: There) -> list[Session]:
    return list(there.node.accounts.sessions("ann@localhost"))


# -- binding ----------------------------------------------------------------------------------------------


async def test_what_is_bound_is_answered_in_one_element(there: There) -> None:
    line = await there.line()
    success, features = await line.says(password(bind()))
    assert names(success) == ["authorization-identifier", "bound"]
    assert "bind" not in names(features)
    assert "sm" in names(features)
    (session,) = sessions(there)
    assert (address(success), session.full) == (session.full, address(success))
    assert session.full.startswith("ann@localhost/Test/")
    assert session.sink is line.sink
    assert (session.device, session.credential, session.handheld) == ("", "", False)


async def test_what_is_asked_for_with_the_session_is_in_the_answer(there: There) -> None:
    line = await there.line()
    carbons = "<enable xmlns='urn:xmpp:carbons:2'/>"
    success, features = await line.says(password(bind(ENABLE + carbons)))
    bound = success.find(f"{BIND2}bound")
    assert bound is not None
    enabled = bound.find(f"{SM}enabled")
    assert enabled is not None
    assert enabled.get("resume") in ("true", "1")
    assert names(bound)[-1] == "enabled"
    assert "sm" not in names(features)
    (session,) = sessions(there)
    assert session.sm is not None
    assert session.sm.token == enabled.get("id")


async def test_who_binds_without_features_that_answer_is_told_that_it_is_bound(there: There) -> None:
    there.node.hooks.session_bound = nothing  # type: ignore[assignment]
    for inside, inner in (("", []), (ENABLE, ["enabled"])):
        success = await Line(there.node).logs_in(bind(inside))
        bound = success.find(f"{BIND2}bound")
        assert bound is not None
        assert names(bound) == inner


async def nothing(*_: object) -> list[Element]:
    return []


async def test_who_neither_binds_nor_resumes_binds_afterwards(there: There) -> None:
    line = await there.line()
    success, features = await line.says(password(f"<other xmlns='urn:x'>{ENABLE}</other>"))
    assert names(success) == ["authorization-identifier"]
    assert "bind" in names(features)
    assert sessions(there) == []
    assert line.stream.session is None


@pytest.mark.parametrize(
    ("tag", "start"),
    [("  Web\n", "Web/"), ("x" * 70, "x" * 64 + "/"), ("", ""), ("\u0378", ""), ("a/b", "a/b/")],
)
async def test_a_resource_begins_with_the_tag_of_the_client(there: There, tag: str, start: str) -> None:
    success = await Line(there.node).logs_in(bind(tag=tag), about=agent())
    resource = address(success).partition("/")[2]
    assert resource.startswith(start)
    assert len(resource) == len(start) + 12
    again = await Line(there.node).logs_in(bind(tag=tag), about=agent())
    assert address(again) == address(success)


async def test_a_device_has_one_session_and_others_keep_theirs(there: There) -> None:
    first, second, nobody = Line(there.node), Line(there.node), Line(there.node)
    await first.logs_in(bind(tag="one"), about=agent())
    await second.logs_in(bind(tag="one"), about=agent(OTHER))
    await nobody.logs_in(bind(tag="one"))
    newer = Line(there.node)
    await newer.logs_in(bind(tag="another"), about=agent())
    (error,) = await first.heard()
    assert why(error) == ("conflict", "the device has a new session")
    assert first.stream.session is not None
    assert first.stream.session.closed
    assert await second.heard() == await nobody.heard() == []
    assert len(sessions(there)) == 3
    assert newer.stream.device == newer.stream.session.device != ""  # type: ignore[union-attr]
    await Line(there.node).logs_in(bind(tag="third"))
    assert await nobody.heard() == []
    assert len(sessions(there)) == 4


@pytest.mark.parametrize(
    ("software", "device", "battery"),
    [("Kith", "Ann's iPhone", True), ("Kith for Android", "x", True), ("Kith", "desk", False)],
)
async def test_a_phone_is_known_by_what_it_says(
    there: There, software: str, device: str, battery: bool
) -> None:
    await Line(there.node).logs_in(bind(), about=agent(AGENT, software, device))
    (session,) = sessions(there)
    assert session.handheld is battery


async def test_who_has_too_many_sessions_keeps_the_token_that_it_has(there: There) -> None:
    """A failure of the login would make the client delete it: the stream ends instead."""
    there.node.entrance.config = type("Few", (), {"max_sessions": 1})()
    await Line(there.node).logs_in(bind())
    line = await there.line()
    (error,) = await line.says(password(bind()))
    assert why(error) == ("resource-constraint", "too many sessions")
    assert error.tag.endswith("}error")
    assert line.stream.ended
    assert len(sessions(there)) == 1


async def test_a_session_whose_binding_fails_is_not_left_behind(there: There) -> None:
    async def fails(*_: object) -> list[Element]:
        raise OSError("the disk is gone")

    there.node.hooks.session_bound = fails  # type: ignore[assignment]
    line = await there.line()
    (failure,) = await line.says(password(bind()))
    assert why(failure)[0] == "temporary-auth-failure"
    assert sessions(there) == []


async def test_a_client_that_is_gone_before_it_is_bound_leaves_no_session(there: There) -> None:
    line = await there.line()

    async def cuts(*_: object) -> list[Element]:
        assert len(sessions(there)) == 1
        line.stream.lost()
        return []

    there.node.hooks.session_bound = cuts  # type: ignore[assignment]
    assert await line.says(password(bind(ENABLE))) == []
    assert sessions(there) == []


async def test_a_session_that_is_ended_before_it_is_bound_is_not_the_client_s(there: There) -> None:
    async def ends(session: Session, request: Element) -> list[Element]:
        there.node.sessions.close(session)
        return []

    there.node.hooks.session_bound = ends  # type: ignore[assignment]
    line = await there.line()
    success, features = await line.says(password(bind(ENABLE)))
    assert names(success) == ["authorization-identifier"]
    assert address(success) == "ann@localhost"
    assert line.stream.session is None
    assert "bind" in names(features)


async def test_what_comes_for_a_session_waits_until_it_is_known_to_be_bound(there: There) -> None:
    line = await there.line()

    async def writes(session: Session, request: Element) -> list[Element]:
        session.push(b"<message><body>x</body></message>")
        session.flush()
        assert line.sink.sent == []
        return []

    there.node.hooks.session_bound = writes  # type: ignore[assignment]
    assert names(await line.says(password(bind()))) == ["success", "features", "message"]


# -- resumption -------------------------------------------------------------------------------------------


async def resumable(there: There, about: str = "") -> tuple[Line, str, str]:
    """A line whose session can be resumed, its token and its address."""
    line = Line(there.node)
    success = await line.logs_in(bind(ENABLE), about=about)
    token = success.find(f"{BIND2}bound/{SM}enabled").get("id") or ""  # type: ignore[union-attr]
    line.stream.lost()
    return line, token, address(success)


def resume(token: str, h: str = "0") -> str:
    return f"<resume xmlns='urn:xmpp:sm:3' previd='{token}' h='{h}'/>"


async def test_a_session_is_resumed_instead_of_bound_and_no_features_follow(there: There) -> None:
    _, token, jid = await resumable(there)
    line = await there.line()
    (success,) = await line.says(password(resume(token) + bind(ENABLE)))
    assert names(success) == ["authorization-identifier", "resumed"]
    assert address(success) == jid
    resumed = success.find(f"{SM}resumed")
    assert resumed is not None
    assert (resumed.get("previd"), resumed.get("h")) == (token, "0")
    assert line.stream.session is sessions(there)[0]
    assert len(sessions(there)) == 1


@pytest.mark.parametrize(
    ("h", "condition"), [("", "bad-request"), ("7", "bad-request"), (None, "item-not-found")]
)
async def test_what_cannot_be_resumed_is_bound(there: There, h: str | None, condition: str) -> None:
    _, token, _ = await resumable(there)
    line = await there.line()
    asked = resume(token, h) if h is not None else "<resume xmlns='urn:xmpp:sm:3'/>"
    success, features = await line.says(password(asked + bind(ENABLE)))
    assert names(success) == ["authorization-identifier", "failed", "bound"]
    failed = success.find(f"{SM}failed")
    assert failed is not None
    assert names(failed) == [condition]
    assert "sm" not in names(features)
    assert len(sessions(there)) == 2


async def test_a_resumption_is_of_the_device_that_logs_in(there: There) -> None:
    _, token, jid = await resumable(there, agent())
    line = await there.line()
    (success,) = await line.says(password(resume(token), about=agent()))
    assert address(success) == jid
    assert sessions(there)[0].device == line.stream.device != ""


async def test_a_device_that_was_revoked_meanwhile_resumes_nothing(there: There) -> None:
    _, token, _ = await resumable(there)
    entrance = there.node.entrance
    line = await there.line()
    entrance.devices.ends(1, entrance.devices.id(1, AGENT))
    enter = entrance.devices.enter

    async def entered(account: int, agent: str, credential: str = "") -> object:
        found = await enter(account, agent, credential)
        entrance.devices.ends(account, found.device.id)
        return found

    entrance.devices.enter = entered  # type: ignore[method-assign,assignment]
    success, _ = await line.says(password(resume(token), about=agent()))
    assert names(success) == ["authorization-identifier", "failed"]
    assert line.stream.session is None


# -- upgrade tasks ----------------------------------------------------------------------------------------


def salted(salt: Element, word: str = "pw") -> str:
    data = hashlib.pbkdf2_hmac(
        "sha512", word.encode(), b64decode(salt.text or ""), int(salt.get("iterations") or 0)
    )
    return (
        "<task-data xmlns='urn:xmpp:sasl:2'><hash xmlns='urn:xmpp:scram-upgrade:0'>"
        f"{b64encode(data).decode()}</hash></task-data>"
    )


NEXT = "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-512'/>"


async def begun(there: There) -> Line:
    """Has the only keys that it can't do without, and is to make others."""
    record = await there.node.store.account("ann@localhost")
    assert record is not None
    kept = {name: keys for name, keys in record.keys.items() if name != "SHA-512"}
    await there.node.store.set_keys("ann@localhost", kept)
    line = await there.line()
    (asked,) = await line.says(password(UPGRADE + bind()))
    assert asked.tag == SASL2 + "continue", tostring(asked)
    assert names(asked) == ["tasks"]  # PLAIN has no last word
    assert [task.text for task in asked[0]] == ["UPGR-SCRAM-SHA-512"]
    return line


async def test_a_client_that_does_its_task_has_new_keys_and_is_logged_in(there: There) -> None:
    line = await begun(there)
    assert not line.stream.authenticated
    (data,) = await line.says(NEXT)
    assert (data.tag, names(data)) == (SASL2 + "task-data", ["salt"])
    success, _ = await line.says(salted(data[0]))
    assert names(success) == ["authorization-identifier", "bound"]
    record = await there.node.store.account("ann@localhost")
    assert record is not None
    assert set(record.keys) == {"SHA-1", "SHA-256", "SHA-512"}
    info = record.keys["SHA-512"]
    expected = hashlib.pbkdf2_hmac("sha512", b"pw", info.salt, info.iterations)
    assert info.server_key == hmac.digest(expected, b"Server Key", "sha512")
    assert there.results() == {("PLAIN", "success"): 1}


async def test_the_server_proves_itself_before_the_tasks(there: There) -> None:
    await begun(there)
    line = await there.line()
    scram = ScramClient(["SCRAM-SHA-256"], "ann", "pw")
    first = b64encode(scram.get_client_first().encode()).decode()
    (challenge,) = await line.says(
        "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='SCRAM-SHA-256'>"
        f"<initial-response>{first}</initial-response>{UPGRADE}</authenticate>"
    )
    scram.set_server_first(b64decode(challenge.text or "").decode())
    final = b64encode(scram.get_client_final().encode()).decode()
    (asked,) = await line.says(f"<response xmlns='urn:xmpp:sasl:2'>{final}</response>")
    assert names(asked) == ["additional-data", "tasks"]
    scram.set_server_final(b64decode(asked[0].text or "").decode())
    (data,) = await line.says(NEXT)
    success, _ = await line.says(salted(data[0]))
    assert names(success) == ["authorization-identifier"]  # proven once


async def test_a_task_that_was_not_given_is_refused(there: There) -> None:
    line = await there.line()
    for element in (NEXT, "<task-data xmlns='urn:xmpp:sasl:2'/>"):
        (failure,) = await line.says(element)
        assert why(failure)[0] == "malformed-request"


async def test_while_there_is_a_task_nothing_else_is_asked_for(there: There) -> None:
    line = await begun(there)
    assert line.stream._profile is not None
    assert line.stream._profile.under_way
    (error,) = await line.says(password())
    assert why(error) == ("not-authorized", "authentication is under way")


async def test_a_wrong_task_ends_the_login_and_another_may_follow(there: There) -> None:
    line = await begun(there)
    (failure,) = await line.says("<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>")
    assert why(failure)[0] == "malformed-request"
    (failure,) = await line.says(NEXT)
    assert why(failure)[0] == "malformed-request"
    success, _ = await line.says(password())
    assert success.tag == SASL2 + "success"


async def test_a_password_that_is_changed_meanwhile_is_not_upgraded(there: There) -> None:
    line = await begun(there)
    (data,) = await line.says(NEXT)
    record = await there.node.store.account("ben@localhost")
    assert record is not None
    await there.node.store.set_keys("ann@localhost", {"SHA-1": record.keys["SHA-1"]})
    (failure,) = await line.says(salted(data[0]))
    assert why(failure) == ("not-authorized", "the password was changed")
    kept = await there.node.store.account("ann@localhost")
    assert kept is not None
    assert set(kept.keys) == {"SHA-1"}


async def test_a_token_logs_in_without_tasks(there: There) -> None:
    asked = "<request-token xmlns='urn:xmpp:fast:0' mechanism='HT-SHA-256-NONE'/>"
    success = await Line(there.node).logs_in(asked, about=agent())
    word = success.find("{urn:xmpp:fast:0}token").get("token") or ""  # type: ignore[union-attr]
    line = await there.line()
    (answer, _) = await line.says(by_token(word, UPGRADE))
    assert answer.tag == SASL2 + "success"


async def test_an_abort_and_what_is_unknown_are_told_apart(there: There) -> None:
    line = await there.line()
    (failure,) = await line.says("<abort xmlns='urn:xmpp:sasl:2'/>")
    assert why(failure) == ("aborted", "")
    (error,) = await line.says("<unheard-of xmlns='urn:xmpp:sasl:2'/>")
    assert why(error)[0] == "not-authorized"


async def test_a_refused_bind_says_why(there: There) -> None:
    def refuse(*_: object) -> Session:
        raise StanzaError("not-authorized", "the device was revoked, or the password changed")

    there.node.entrance.sessions.open = refuse  # type: ignore[method-assign,assignment]
    line = await there.line()
    (error,) = await line.says(password(bind()))
    assert why(error) == ("not-authorized", "the device was revoked, or the password changed")
