"""XEP-0441: Message Archive Management Preferences. Which messages an account keeps in its archive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement

import msgspec

from kith.core.actors.account import Account, Session
from kith.core.actors.accounts import Accounts
from kith.core.hooks.feature import Feature, handles_iq
from kith.ports.store import Document, DocumentStore
from kith.wire import ns
from kith.wire.errors import StanzaError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

_SPACE = "archive-preferences"
_PREFS = ns.tag(ns.MAM, "prefs")
_MAX_ADDRESSES = 1000


class Preferences(msgspec.Struct):
    """The preferences of an account. ``default``: always, never or roster. The lists have bare addresses."""

    default: str = "always"
    always: list[str] = []
    never: list[str] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Preferences).decode
_USUAL = Preferences()


class ArchivePreferences(Feature):
    """Keeps messages that the account does not want in its archive only until they are delivered.

    The state of an account: its `Preferences`, unless they are the defaults.
    """

    in_memory = (_SPACE,)

    def __init__(self, store: DocumentStore, accounts: Accounts) -> None:
        self._store = store
        self._accounts = accounts

    async def account_loaded(self, account: Account, kept: Mapping[str, Sequence[Document]]) -> None:
        for document in kept[_SPACE]:
            account.state[ArchivePreferences] = _decode(document.value)

    def message_wanted(self, account: Account, peer: str) -> bool:
        preferences: Preferences | None = account.state.get(ArchivePreferences)
        if preferences is None or peer in preferences.always:
            return True
        if peer in preferences.never:
            return False
        if preferences.default == "roster":
            # unknown until the roster is read: keep it
            return account.roster is None or any(item.jid == peer for item in account.roster)
        return preferences.default == "always"

    @handles_iq("get", ns.MAM, "prefs", to="own")
    async def get(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        return (_element(session.account.state.get(ArchivePreferences, _USUAL)),)

    @handles_iq("set", ns.MAM, "prefs", to="own")
    async def set(self, session: Session, iq: Stanza, to: JID) -> Sequence[Element]:
        element = iq.child(_PREFS)
        assert element is not None
        default = element.get("default", "")
        if default not in ("always", "never", "roster"):
            raise StanzaError("bad-request", "default is always, never or roster")
        preferences = Preferences(default, _addresses(element, "always"), _addresses(element, "never"))
        if default == "roster":
            await self._accounts.roster(session.account.jid)
        await self._store.put(session.account.id, _SPACE, "", _encode(preferences))
        session.account.state[ArchivePreferences] = preferences
        return (_element(preferences),)


def _addresses(element: Element, name: str) -> list[str]:
    found = element.findall(f"{ns.tag(ns.MAM, name)}/{ns.tag(ns.MAM, 'jid')}")
    if len(found) > _MAX_ADDRESSES:
        raise StanzaError("policy-violation", "too many addresses")
    try:
        return [parse_jid(jid.text or "").bare for jid in found]
    except ValueError:
        raise StanzaError("jid-malformed") from None


def _element(preferences: Preferences) -> Element:
    element = Element(_PREFS, {"default": preferences.default})
    for name, addresses in (("always", preferences.always), ("never", preferences.never)):
        lists = SubElement(element, ns.tag(ns.MAM, name))
        for address in addresses:
            SubElement(lists, ns.tag(ns.MAM, "jid")).text = address
    return element
