"""Another server that connects: says exactly what a test wants, and shows the certificate that it wants."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from pathlib import Path

from tests.raw import RawClient

SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
SM = "urn:xmpp:sm:3"


def header(to: str = "one.test", sender: str = "two.test", namespace: str = "jabber:server") -> str:
    return (
        f"<stream:stream to='{to}' from='{sender}' version='1.0' xmlns='{namespace}' "
        "xmlns:db='jabber:server:dialback' xmlns:stream='http://etherx.jabber.org/streams'>"
    )


class Caller(RawClient):
    """``id``: of the present stream. ``ending``: whether the server has ended its side of it."""

    id = ""
    ending = False

    def received(self, data: bytes) -> None:
        self.ending = self.ending or data.rstrip().endswith(b"</stream:stream>")
        super().received(data)

    async def encrypt(
        self,
        certificate: tuple[Path, Path] | None = None,
        sender: str = "two.test",
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> set[str]:
        """Until the features after TLS. Returns the SASL mechanisms among them."""
        self.send(header(sender=sender))
        await self.tag("features")
        self.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
        await self.tag("proceed")
        self._task.cancel()
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = version
        if certificate is not None:
            context.load_cert_chain(*certificate)
        await self._writer.start_tls(context)
        self._task = asyncio.create_task(self._read())
        return await self.begin(sender)

    async def begin(self, sender: str = "two.test") -> set[str]:
        """A stream header, until the features."""
        self._restart()
        self.send(header(sender=sender))
        features = await self.tag("features")
        assert self.header is not None
        self.id = self.header.get("id", "")
        self.features = {child.tag for child in features}
        return {mechanism.text or "" for mechanism in features.iter(f"{{{SASL}}}mechanism")}

    async def external(self, identity: str | None = "two.test", mechanism: str = "EXTERNAL") -> str:
        """SASL. ``identity``: None for no initial response. Returns "" or the condition of the failure."""
        text = "" if identity is None else b64encode(identity.encode()).decode() or "="
        self.send(f"<auth xmlns='{SASL}' mechanism='{mechanism}'>{text}</auth>")
        return await self.outcome()

    async def outcome(self) -> str:
        answer = await self.take(lambda e: e.tag in (f"{{{SASL}}}success", f"{{{SASL}}}failure"))
        return answer[0].tag.partition("}")[2] if answer.tag.endswith("failure") else ""

    async def prove(self, key: str) -> str:
        """Dialback with a key: valid, invalid or error."""
        self.send(f"<db:result from='two.test' to='one.test'>{key}</db:result>")
        return (await self.tag("result")).get("type", "")
