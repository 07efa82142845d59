"""XEP-0133: Service Administration, for the accounts that the setting ``operators`` names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from xml.etree.ElementTree import Element

import structlog

from kith.core import removal
from kith.core.feature import Feature
from kith.core.ports import Keys
from kith.features.commands import Command, Commands, Outcome, Values
from kith.features.forms import Field
from kith.wire import ns
from kith.wire.errors import StanzaError, StreamError
from kith.wire.jid import JID, parse_jid
from kith.wire.stanza import Stanza

ADMIN = "http://jabber.org/protocol/admin"
#: Addresses in one list.
MAX_LISTED = 1000
_MAX_ANNOUNCEMENT = 10_000
_ACCOUNT = Field("accountjid", (), "jid-single", "The address of the account")
_ACCOUNTS = Field("accountjids", (), "jid-multi", "The addresses of the accounts")
_PASSWORD = Field("password", (), "text-private", "The password")
_VERIFY = Field("password-verify", (), "text-private", "The password once more")
logger = structlog.get_logger("kith")


class OperatorCommands(Feature):
    """What an operator can do from a client. Each use is a line in the log."""

    async def start(self) -> None:
        commands = self.domain.feature(Commands)
        for node, name, run, fields in (
            ("add-user", "Add an account", self._add, (_ACCOUNT, _PASSWORD, _VERIFY)),
            ("delete-user", "Remove accounts", self._delete, (_ACCOUNTS,)),
            ("end-user-session", "End sessions", self._end_sessions, (_ACCOUNTS,)),
            ("change-user-password", "Change a password", self._change_password, (_ACCOUNT, _PASSWORD)),
            ("get-registered-users-num", "Count the accounts", self._count, ()),
            ("get-registered-users-list", "List the accounts", self._list, ()),
            ("get-online-users-num", "Count who is online", self._count_online, ()),
            ("get-online-users-list", "List who is online", self._list_online, ()),
            ("announce", "Tell all who are online", self._announce, (_announcement(),)),
        ):
            required = frozenset(field.var for field in fields)
            logged = self._logged(node, run)
            command = Command(f"{ADMIN}#{node}", name, self._is_operator, logged, ADMIN, fields, required)
            commands.add(command)

    def _is_operator(self, bare: str) -> bool:
        return bare in self.domain.config.operators

    def _logged(
        self, node: str, run: Callable[[Values], Awaitable[Outcome]]
    ) -> Callable[[Values, str], Awaitable[Outcome]]:
        async def do(values: Values, asker: str) -> Outcome:
            outcome = await run(values)
            logger.info("operator's command", command=node, by=asker)
            return outcome

        return do

    def _account(self, text: str) -> JID:
        try:
            jid = parse_jid(text)
        except ValueError:
            raise StanzaError("bad-request", f"{text!r} is not an address") from None
        if not jid.local or jid.resource or not self.domain.is_local(jid):
            raise StanzaError("bad-request", f"{text!r} is not an account of this server")
        return jid

    async def _existing(self, texts: Sequence[str]) -> list[JID]:
        jids = [self._account(text) for text in texts]
        for jid in jids:
            if await self.domain.account(jid.bare) is None:
                raise StanzaError("item-not-found", f"there is no account {jid.bare}")
        return jids

    async def _add(self, values: Values) -> Outcome:
        jid, password = self._account(values["accountjid"][0]), values["password"][0]
        if password != values["password-verify"][0]:
            raise StanzaError("bad-request", "the passwords differ")
        keys = await self._keys(password)
        if not await self.domain.store.create_accounts([(jid.bare, keys)]):
            raise StanzaError("conflict", f"{jid.bare} exists")
        self.domain.directory.appeared(jid.bare)
        return Outcome(f"{jid.bare} was added.")

    async def _keys(self, password: str) -> dict[str, Keys]:
        try:
            return await asyncio.to_thread(self.domain.passwords.make, password)
        except ValueError as error:
            raise StanzaError("not-acceptable", str(error)) from None

    async def _delete(self, values: Values) -> Outcome:
        jids = await self._existing(values["accountjids"])
        for jid in jids:
            account = await self.domain.account(jid.bare)
            if account is not None:
                await removal.remove(self.domain, account)
                self.domain.spawn(removal.forget(self.domain, account))
        return Outcome(f"{len(jids)} removed.")

    async def _end_sessions(self, values: Values) -> Outcome:
        count = 0
        for jid in await self._existing(values["accountjids"]):
            for session in self.domain.sessions(jid.bare):
                self.domain.end_stream(session, StreamError("policy-violation", "ended by an operator"))
                count += 1
        return Outcome(f"{count} ended.")

    async def _change_password(self, values: Values) -> Outcome:
        (jid,) = await self._existing(values["accountjid"][:1])
        account = await self.domain.account_id(jid)
        assert account is not None
        await self.domain.store.set_keys(jid.bare, await self._keys(values["password"][0]))
        for device in await self.domain.devices.forget(account):
            self.domain.end_device(jid.bare, device.id)
        return Outcome(f"The password of {jid.bare} was changed.")

    async def _count(self, values: Values) -> Outcome:
        count = len(await self.domain.store.accounts())
        return Outcome(fields=(Field("registeredusersnum", (str(count),)),))

    async def _list(self, values: Values) -> Outcome:
        found = await self.domain.store.accounts()
        return Outcome(fields=(Field("registereduserjids", found[:MAX_LISTED], "jid-multi"),))

    def _online(self) -> list[str]:
        return sorted(account.jid for account in self.domain.directory.all() if account.available())

    async def _count_online(self, values: Values) -> Outcome:
        return Outcome(fields=(Field("onlineusersnum", (str(len(self._online())),)),))

    async def _list_online(self, values: Values) -> Outcome:
        return Outcome(fields=(Field("onlineuserjids", self._online()[:MAX_LISTED], "jid-multi"),))

    async def _announce(self, values: Values) -> Outcome:
        text = "\n".join(values["announcement"])[:_MAX_ANNOUNCEMENT]
        body = Element(ns.tag(ns.CLIENT, "body"))
        body.text = text
        online = self._online()
        for bare in online:
            attrs = {"type": "headline", "from": self.domain.name, "to": bare}
            self.domain.route(Stanza.build("message", attrs, body), self.domain.jid, parse_jid(bare))
        return Outcome(f"{len(online)} told.")


def _announcement() -> Field:
    return Field("announcement", (), "text-multi", "What to tell")
