"""The dialog of a poll: its options with the votes for each, to choose among."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from kith.client.client import Client
from kith.client.groups.values import PollResult
from kith.client.message import Message
from kith.terminal import one_line

#: How wide the bar of an option is that has all votes, in characters.
_BAR = 16
#: Dismissed with this, the poll is to be closed.
CLOSE = "close"


async def vote(app: App[Any], client: Client, message: Message) -> None:
    """Lets the user vote in a poll, or close it. Raises NotChangeable, and what `Client.send` raises."""
    result = client.poll_result(message)
    chosen = await app.push_screen_wait(Voting(result, client.jid, not message.incoming))
    if chosen == CLOSE:
        await client.close_poll(message)
    elif chosen is not None:
        await client.vote(message, *chosen)


class Voting(ModalScreen[Sequence[str] | None]):
    """Dismissed with the ids of the options that are chosen, with `CLOSE`, or None."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss(None)", "Cancel"),
        Binding("v", "vote", "Vote"),
        Binding("c", "close_poll", "Close the poll"),
    ]

    def __init__(self, result: PollResult, own: str, ours: bool) -> None:
        """``own``: our address. ``ours``: we have asked."""
        super().__init__()
        self._result = result
        self._ours = ours
        self._chosen = [option.id for option in result.poll.options if own in result.votes[option.id]]

    def compose(self) -> ComposeResult:
        poll, closed = self._result.poll, self._result.closed
        with Vertical(classes="dialog"):
            yield Static(one_line(poll.question), classes="title", markup=False)
            yield OptionList(*self._lines(), id="options")
            if closed:
                hint = "The poll is closed. Esc goes back."
            else:
                hint = (
                    "Enter marks an option, V votes" if poll.several else "Enter votes, for another one too"
                )
                hint += ", C closes the poll" if self._ours else ""
            yield Static(hint, classes="muted", markup=False)

    def _lines(self) -> list[Option]:
        result = self._result
        most = max((len(voters) for voters in result.votes.values()), default=0) or 1
        lines = []
        for option in result.poll.options:
            voters = result.votes[option.id]
            line = Text("● " if option.id in self._chosen else "○ ", no_wrap=True, overflow="ellipsis")
            line.append(one_line(option.text))
            line.append(f"  {'█' * (len(voters) * _BAR // most)} {len(voters)}", style="bold")
            lines.append(Option(line, id=option.id))
        return lines

    @on(OptionList.OptionSelected)
    def _select(self, event: OptionList.OptionSelected) -> None:
        id = event.option_id
        if self._result.closed or id is None:
            return
        if not self._result.poll.several:
            self.dismiss(() if self._chosen == [id] else (id,))
            return
        self._chosen = [one for one in self._chosen if one != id] + [id] * (id not in self._chosen)
        options = self.query_one(OptionList)
        at = options.highlighted
        options.clear_options().add_options(self._lines())
        options.highlighted = at

    def action_vote(self) -> None:
        if not self._result.closed and self._result.poll.several:
            self.dismiss(tuple(self._chosen))

    def action_close_poll(self) -> None:
        if self._ours and not self._result.closed:
            self.dismiss(CLOSE)
