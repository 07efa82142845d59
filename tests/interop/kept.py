"""What the server keeps of people's conversations."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from tests.conftest import RunningServer
from tests.raw import CLIENT, online

_ENCRYPTED = "{eu.siacs.conversations.axolotl}encrypted"


async def archived(server: RunningServer, jid: str, other: str) -> list[Element]:
    """The messages with ``other`` in the account's archive (XEP-0313), the oldest first."""
    client = await online(server.port, jid.partition("@")[0], presence=None)
    try:
        await client.result(
            "set",
            "<query xmlns='urn:xmpp:mam:2'><x xmlns='jabber:x:data' type='submit'>"
            "<field var='FORM_TYPE'><value>urn:xmpp:mam:2</value></field>"
            f"<field var='with'><value>{other}</value></field></x></query>",
        )
        found = [
            element.find(f".//{{urn:xmpp:forward:0}}forwarded/{CLIENT}message") for element in client.inbox
        ]
        return [message for message in found if message is not None]
    finally:
        client.abort()


def encrypted(message: Element) -> bool:
    """Whether it has an OMEMO payload (XEP-0384)."""
    return message.find(f"{_ENCRYPTED}/{{eu.siacs.conversations.axolotl}}payload") is not None


def expect_unread_by_server(server: RunningServer, *texts: str) -> None:
    """Nothing that the server keeps has the text in it, though the messages are there."""
    kept = server.on_disk()
    assert b"eu.siacs.conversations.axolotl" in kept
    assert not [text for text in texts if text.encode() in kept]
