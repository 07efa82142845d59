"""The table of hooks: for each hook of `Feature`, the bound methods of the features that override it.

A hook is a list, so that the code that calls it for each message can use a plain loop. It can also be
called, and then combines the answers of several features, in a way that depends on the hook.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from kith.core.actors.account import Session
from kith.core.hooks.feature import Feature
from kith.wire.errors import StanzaError
from kith.wire.jid import JID
from kith.wire.stanza import Stanza

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Hook(list[Callable[_P, _T]], Generic[_P, _T]):
    """A hook. ``method``: the method of `Feature` that features override. That one itself is never called."""

    def __init__(self, method: Callable[Concatenate[Any, _P], _T]) -> None:
        super().__init__()
        self.method = method

    def fill(self, features: Iterable[Feature]) -> None:
        """Adds the methods of the features that override it, in order."""
        name = self.method.__name__
        self += [getattr(feature, name) for feature in features if overrides(type(feature), name)]


def overrides(feature: type[Feature], name: str) -> bool:
    """Whether a feature overrides a method of `Feature`."""
    return getattr(feature, name) is not getattr(Feature, name)


class Each(Hook[_P, None]):
    """Calls all."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> None:
        for hook in self:
            hook(*args, **kwargs)


class EachInTurn(Hook[_P, Awaitable[None]]):
    """Awaits all, one after the other."""

    async def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> None:
        for hook in self:
            await hook(*args, **kwargs)


class Joined(Hook[_P, Sequence[_T]], Generic[_P, _T]):
    """Calls all, and returns their results in one list."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> list[_T]:
        return [one for hook in self for one in hook(*args, **kwargs)]


class JoinedInTurn(Hook[_P, Awaitable[Sequence[_T]]], Generic[_P, _T]):
    """As `Joined`, for coroutines, which are awaited one after the other."""

    async def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> list[_T]:
        return [one for hook in self for one in await hook(*args, **kwargs)]


class AnyOf(Hook[_P, bool]):
    """Whether any of them returns true. The ones after that are not called."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        return any(hook(*args, **kwargs) for hook in self)


class AnyInTurn(Hook[_P, Awaitable[bool]]):
    """As `AnyOf`, for coroutines, which are awaited one after the other."""

    async def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        for hook in self:
            if await hook(*args, **kwargs):
                return True
        return False


class AllOf(Hook[_P, bool]):
    """Whether all of them return true. The ones after a false are not called."""

    def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        for hook in self:
            if not hook(*args, **kwargs):
                return False
        return True


class FirstAnswer(Hook[_P, Awaitable["_T | None"]], Generic[_P, _T]):
    """The first result that is not None. Raises StanzaError if there is none."""

    async def __call__(self, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        for hook in self:
            if (answer := await hook(*args, **kwargs)) is not None:
                return answer
        raise StanzaError("service-unavailable")


class Hooks:
    """The hooks of all features. The table is empty at first, since features are made of parts that use it.

    The hooks are the same objects from the start, so parts may keep references to them.
    """

    def __init__(self) -> None:
        self.stream_features = Joined(Feature.stream_features)
        self.login_features = Joined(Feature.login_features)
        self.before_login = FirstAnswer(Feature.before_login)
        self.login_over = Each(Feature.login_over)
        self.message_sent = Each(Feature.message_sent)
        self.stanza_out = Each(Feature.stanza_out)
        self.stanza_in = AllOf(Feature.stanza_in)
        self.acquainted = AnyInTurn(Feature.acquainted)
        self.acquainted_now = AnyOf(Feature.acquainted_now)
        self.message_wanted = AllOf(Feature.message_wanted)
        self.message_sent_committed = Each(Feature.message_sent_committed)
        self.message_received_committed = Each(Feature.message_received_committed)
        self.iq_result = AnyOf(Feature.iq_result)
        self.session_opened = Each(Feature.session_opened)
        self.session_bound = JoinedInTurn(Feature.session_bound)
        self.session_resumed = Each(Feature.session_resumed)
        self.element = AnyOf(Feature.element)
        self.session_available = Each(Feature.session_available)
        self.presence_changed = Each(Feature.presence_changed)
        self.presence_received = Each(Feature.presence_received)
        self.slot_lost = Each(Feature.slot_lost)
        self.events_missed = Each(Feature.events_missed)
        self.subscription_wanted = AnyInTurn(Feature.subscription_wanted)
        self.subscription_approved = Each(Feature.subscription_approved)
        self.access_changed = Each(Feature.access_changed)
        self.session_closed = Each(Feature.session_closed)
        self.account_loaded = EachInTurn(Feature.account_loaded)
        self.device_revoked = EachInTurn(Feature.device_revoked)
        self.account_deleted = EachInTurn(Feature.account_deleted)
        self.privacy_changed = EachInTurn(Feature.privacy_changed)
        self.account_moved = EachInTurn(Feature.account_moved)
        self.address_freed = EachInTurn(Feature.address_freed)
        self.accounts_changed = EachInTurn(Feature.accounts_changed)
        #: The spaces of documents that `account_loaded` is given.
        self.in_memory: list[str] = []
        #: The namespaces that features handle in `session_bound`.
        self.bind_features: list[str] = []
        self._keeping: list[Feature] = []

    def fill(self, features: Sequence[Feature]) -> None:
        """Fills the hooks. Called once, with all features in the order of the hooks."""
        for hook in vars(self).values():
            if isinstance(hook, Hook):
                hook.fill(features)
        self.in_memory += [space for feature in features for space in feature.in_memory]
        self.bind_features += [var for feature in features for var in feature.bind_features]
        self._keeping += [feature for feature in features if overrides(type(feature), "session_saved")]

    def allows(self, sender: JID, to: JID, stanza: Stanza) -> bool:
        """Whether the features accept a stanza (`stanza_in`). If one refuses it, the sender gets no error."""
        try:
            for hook in self.stanza_in:
                if not hook(sender, to, stanza):
                    return False
            return True
        except StanzaError:
            return False

    def session_saved(self, session: Session) -> dict[str, Any]:
        """What features save of a session for the next start, by the names of their classes."""
        saved = {type(feature).__name__: feature.session_saved(session) for feature in self._keeping}
        return {name: value for name, value in saved.items() if value is not None}

    def session_restored(self, session: Session, saved: dict[str, Any]) -> None:
        """Gives features what `session_saved` has returned."""
        for feature in self._keeping:
            if (value := saved.get(type(feature).__name__)) is not None:
                feature.session_restored(session, value)
