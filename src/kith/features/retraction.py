"""XEP-0424: Message Retraction. A tombstone takes the place of what its author has retracted."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from kith.core.feature import Feature
from kith.core.ids import stamp
from kith.core.log import Envelope, Keep
from kith.core.ports import LogQuery
from kith.wire import ns
from kith.wire.jid import parse_jid
from kith.wire.serialize import serialize
from kith.wire.stanza import Stanza

RETRACT = ns.tag(ns.RETRACT, "retract")
_RETRACTED = ns.tag(ns.RETRACT, "retracted")
#: How many messages of a conversation are looked through for the one that is meant.
MAX_SEARCHED = 10_000
_PAGE = 250
_HEAD = ("from", "to", "type", "id", "{http://www.w3.org/XML/1998/namespace}lang")


class Retraction(Feature):
    """Both logs hold the same message, so one tombstone is in both. The retraction itself stays as well."""

    keeps = {RETRACT: Keep.ARCHIVE}  # noqa: RUF012  # declared as ClassVar in Feature
    disco = (ns.RETRACT,)
    account_disco = (f"{ns.RETRACT}#tombstone",)

    def message_routed(self, envelope: Envelope) -> None:
        if envelope.id and RETRACT in envelope.stanza.children:
            self.domain.spawn(self._bury(envelope))

    async def _bury(self, envelope: Envelope) -> None:
        """Looks for the newest message of that id by the same author to the same person (§5)."""
        element, sender = envelope.stanza.child(RETRACT), envelope.sender
        wanted = element.get("id", "") if element is not None else ""
        if not wanted or sender is None:
            return
        account, peer = sender.account, envelope.to.bare
        if account is None:
            account, peer = self.domain.live(envelope.to.bare), sender.bare
        if account is None:
            return
        before = envelope.id
        for _ in range(MAX_SEARCHED // _PAGE):
            query = LogQuery(account.id, peer, before=before, limit=_PAGE, backwards=True)
            page = await self.domain.store.page(query)
            for entry in reversed(page.entries):
                if wanted.encode() in entry.stanza and self._is(entry.stanza, wanted, sender.bare):
                    tombstone = self._tombstone(entry.stanza, envelope.stanza.id)
                    await self.domain.store.rewrite(entry.id, tombstone)
                    return
            if page.complete:
                return
            before = page.entries[0].id

    def _is(self, data: bytes, wanted: str, author: str) -> bool:
        stanza = Stanza.from_bytes(data)
        if stanza.id != wanted or RETRACT in stanza.children or _RETRACTED in stanza.children:
            return False
        return parse_jid(stanza.attrs.get("from", "")).bare == author

    def _tombstone(self, data: bytes, retraction: str) -> bytes:
        """§4: nothing of the content is left."""
        stanza = Stanza.from_bytes(data)
        attrs = {"id": retraction, "stamp": stamp(datetime.now(UTC))}
        retracted = Element(_RETRACTED, {name: value for name, value in attrs.items() if value})
        head = {name: stanza.attrs[name] for name in _HEAD if name in stanza.attrs}
        return Stanza(stanza.tag, head, serialize(retracted), [_RETRACTED]).to_bytes()
