"""The dialog that asks which file to send."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.suggester import Suggester
from textual.widgets import Button, Checkbox, Input, Static

from kith.client.media.names import size_text


@dataclass(frozen=True, slots=True)
class Chosen:
    """A file to send. ``as_document``: as it is."""

    path: Path
    caption: str
    as_document: bool


class Paths(Suggester):
    """Completes paths of files: the right arrow key takes what is suggested."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        head, slash, start = value.rpartition("/")
        folder = Path(f"{head}{slash}" or ".").expanduser()
        try:
            names = sorted(one.name + ("/" if one.is_dir() else "") for one in folder.iterdir())
        except OSError:
            return None
        visible = [name for name in names if name.startswith(start) and (start or name[0] != ".")]
        return f"{head}{slash}{visible[0]}" if visible and start else None


class ChooseFile(ModalScreen[Chosen | None]):
    """Asks for a path, a caption, and whether the file is sent as it is. Dismissed with None to cancel."""

    BINDINGS = [Binding("escape", "dismiss(None)", "Cancel")]  # noqa: RUF012

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static("[b]Send a file[/b]", classes="title")
            yield Input(placeholder="~/Pictures/garden.jpg", id="path", suggester=Paths(), compact=True)
            yield Input(placeholder="Caption", id="caption", compact=True)
            yield Checkbox("As a document: nothing is changed or removed", id="document", compact=True)
            yield Static("", id="about-file", classes="muted", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Cancel", id="cancel", compact=True)
                yield Button("Send", id="send", variant="primary", compact=True)

    @property
    def _path(self) -> Path:
        # Terminals quote or escape what is dragged into them.
        text = self.query_one("#path", Input).value.strip().strip("'\"").replace("\\ ", " ")
        return Path(text.removeprefix("file://")).expanduser()

    @on(Input.Changed, "#path")
    def _changed(self) -> None:
        path = self._path
        about = size_text(path.stat().st_size) if path.is_file() else ""
        self.query_one("#about-file", Static).update(about)

    @on(Input.Submitted)
    @on(Button.Pressed, "#send")
    def _send(self) -> None:
        path = self._path
        if not path.is_file():
            self.query_one("#about-file", Static).update("There is no such file.")
            self.query_one("#path", Input).focus()
            return
        document = self.query_one("#document", Checkbox).value
        self.dismiss(Chosen(path, self.query_one("#caption", Input).value.strip(), document))

    @on(Button.Pressed, "#cancel")
    def _cancel(self) -> None:
        self.dismiss(None)
