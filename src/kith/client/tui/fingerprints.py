"""The dialog in which keys are compared."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from kith.client.message import Fingerprint, Trust
from kith.console import plain_markup
from kith.terminal import one_line

_STATES = {
    Trust.VERIFIED: "[$success]✓ verified[/]",
    Trust.BLIND: "trusted on first use, not compared",
    Trust.UNDECIDED: "[$warning]⚠ new: not trusted yet[/]",
    Trust.DISTRUSTED: "[$error]✗ distrusted[/]",
    Trust.PLAIN: "",
}

Decide = Callable[[Fingerprint, Trust], Awaitable[Sequence[Fingerprint]]]


class Fingerprints(ModalScreen[None]):
    """Shows this device's key and those of a peer, with buttons to trust them or not.

    ``decide(key, trust)`` sets the trust in a key, and returns all keys of the peer.
    """

    BINDINGS = [Binding("escape", "dismiss", "Close")]  # noqa: RUF012

    def __init__(self, name: str, own: Fingerprint, others: Sequence[Fingerprint], decide: Decide) -> None:
        super().__init__()
        self._who = one_line(name)
        self._own = own
        self._others = list(others)
        self._decide = decide

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog wide"):
            yield Static("Fingerprints", classes="title", markup=False)
            yield Static(
                f"Read these aloud to each other, or hold the screens side by side. If they are the same, "
                f"nobody intercepts your messages with {self._who}.",
                classes="muted",
                markup=False,
            )
            yield Static("\n[b]This device[/b]")
            yield Static(_lines(self._own), classes="key", markup=False)
            yield Vertical(id="keys")
            yield Static("\nEsc closes", classes="muted")

    async def on_mount(self) -> None:
        await self._show()

    async def _show(self) -> None:
        place = self.query_one("#keys", Vertical)
        await place.remove_children()
        if not self._others:
            await place.mount(
                Static(f"\n{self._who} has no device that can read encrypted messages.", markup=False)
            )
        for number, key in enumerate(self._others):
            buttons = []
            if key.trust is not Trust.VERIFIED:
                buttons.append(Button("They match: verify", name=f"{number} verified", compact=True))
            if key.trust in (Trust.UNDECIDED, Trust.DISTRUSTED):
                buttons.append(Button("Trust without comparing", name=f"{number} blind", compact=True))
            if key.trust is not Trust.DISTRUSTED:
                buttons.append(Button("Distrust", name=f"{number} distrusted", compact=True))
            inactive = "" if key.active else " (not in use any more)"
            await place.mount(
                Static(
                    f"\n[b]{plain_markup(self._who)}, device {number + 1}[/b]{inactive}  {_STATES[key.trust]}"
                ),
                Static(_lines(key), classes="key", markup=False),
                Horizontal(*buttons, classes="buttons"),
            )

    @on(Button.Pressed)
    async def _pressed(self, event: Button.Pressed) -> None:
        event.stop()
        number, level = (event.button.name or "").split()
        self._others = list(await self._decide(self._others[int(number)], Trust(level)))
        await self._show()


def _lines(key: Fingerprint) -> str:
    """A fingerprint in two lines of four groups, which fits into 40 columns."""
    groups = key.pretty.split()
    return " ".join(groups[:4]) + "\n" + " ".join(groups[4:])
