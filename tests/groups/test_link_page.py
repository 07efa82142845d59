"""The page that a link to a group opens in a browser."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest

from kith.wire import ns
from tests.conftest import RunningServer
from tests.raw import online


def get(server: RunningServer, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.http_port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


async def test_the_page_shows_the_group_and_leads_any_app_to_it(server: RunningServer) -> None:
    server.add_user("linker")
    ada = await online(server.port, "linker")
    group = "linked@groups.localhost"
    ada.send(f"<presence to='{group}/ada'><x xmlns='{ns.MUC}'/></presence>")
    await ada.take(lambda e: e.get("from", "").startswith(group))
    submit = (
        f"<query xmlns='{ns.MUC}#owner'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='muc#roomconfig_roomname'><value>Tea &lt;b&gt; &amp; &apos;cake&apos;</value></field>"
        "</x></query>"
    )
    await ada.result("set", submit, group)
    answer = await ada.result("set", f"<link xmlns='{ns.GROUPS}'/>", group)
    token = answer[0].get("token") or ""
    status, page = get(server, f"/group/linked/{token}")
    assert status == 200
    assert "Tea &lt;b&gt; &amp; &#x27;cake&#x27;" in page
    assert f"xmpp:{group}?join;password={token}" in page
    assert "<b> &" not in page
    # the web app, where there is one, reads the link from the fragment
    assert (f"/#/group/linked/{token}" in page) == (get(server, "/")[1].count('id="app"') > 0)
    ada.abort()


@pytest.mark.parametrize(
    "path", ["/group/linked/x", "/group/%40%40/x", "/group/none/%00", f"/group/a/{'x' * 500}"]
)
def test_what_is_no_link_gets_one_page(server: RunningServer, path: str) -> None:
    status, page = get(server, path)
    assert status == 404
    assert "no longer valid" in page
