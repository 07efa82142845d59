"""go-sendxmpp (Debian) with an app password: a client that knows nothing of phone numbers."""

from __future__ import annotations

from pathlib import Path

from tests.api.person import Person
from tests.api.test_app_passwords import app_password
from tests.conftest import RunningServer
from tests.interop.slix import online
from tests.interop.test_go_sendxmpp import _send


async def test_an_app_password_lets_a_debian_client_in_until_it_is_revoked(
    server: RunningServer, tmp_path: Path
) -> None:
    ada = server.add_user("ada")
    person = Person(server)
    phone = await person.register()
    await app_password(person, phone, "another app")
    made = await app_password(person, phone, "cron")
    where = ("-j", f"127.0.0.1:{server.port}")
    async with online(ada, server.port) as reader:
        status, output = await _send(tmp_path, made["address"], made["password"], ada, "hello", *where)
        assert status == 0, output
        message = await reader.message()
        assert (message["body"].strip(), message["from"].bare) == ("hello", made["address"])
    revoked = await person.ask("DELETE", f"/api/app-passwords/{made['id']}", device=phone)
    assert revoked.status == 204
    status, output = await _send(tmp_path, made["address"], made["password"], ada, "again", *where)
    assert status != 0, output
