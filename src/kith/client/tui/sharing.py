"""The part of the terminal client's app about files: sending, saving, opening, and showing small pictures."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from textual import on, work
from textual.app import App

from kith.client.client import Client
from kith.client.errors import ClientError
from kith.client.media.names import free_path, safe_name
from kith.client.media.values import Media
from kith.client.message import Message
from kith.client.tui.conversation import Conversation
from kith.client.tui.file_dialog import ChooseFile
from kith.client.tui.pictures import MOST_BYTES, can_show, decoded
from kith.terminal import safe

#: What may be opened by another program, with the extension that decides which. Everything else could be a
#: program itself, so it is only saved.
_OPENED = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/webp": ".webp",
    "image/gif": ".gif",
    "audio/ogg": ".ogg",
    "audio/mpeg": ".mp3",
    "audio/mp4": ".m4a",
    "audio/wav": ".wav",
    "video/mp4": ".mp4",
    "video/webm": ".webm",
    "application/pdf": ".pdf",
    "text/plain": ".txt",
}


class Sharing(App[None]):
    """`ChatApp` is built on it. ``_current``: the peer whose chat is open."""

    client: Client
    _current: str | None

    def _complain(self, error: Exception) -> None:
        raise NotImplementedError

    @work
    async def action_send_file(self) -> None:
        """Asks for a file, and sends it."""
        if self._current is None:
            self.notify("Open a chat first.")
            return
        peer = self._current
        chosen = await self.push_screen_wait(ChooseFile())
        if chosen is None:
            return
        try:
            await self.client.send_file(
                peer, chosen.path, caption=chosen.caption, as_document=chosen.as_document
            )
        except (ClientError, OSError) as error:
            self._complain(error)

    @work
    async def _save(self, message: Message) -> None:
        """Saves the file of a message in the folder for downloads."""
        media = _file_of(message)
        if media is None:
            self.notify("There is no file to save.")
            return
        folder = downloads()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path = await media.save(folder)
        except (ClientError, OSError) as error:
            self._complain(error)
            return
        self.notify(safe(f"Saved as {path}"), markup=False, timeout=10)

    @work
    async def _open_file(self, message: Message) -> None:
        """Opens the file of a message in the program that the desktop has for its kind."""
        media = _file_of(message)
        opener = shutil.which("xdg-open" if sys.platform != "darwin" else "open")
        if media is None or media.type not in _OPENED or opener is None:
            why = "There is no file to open." if media is None else "That kind of file is only saved (S)."
            missing = "There is no program to open files with. S saves it."
            self.notify(why if opener else missing, markup=False)
            return
        folder = Path(tempfile.gettempdir()) / f"kith-{os.getuid()}"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if folder.stat().st_uid != os.getuid():
                raise PermissionError(f"{folder} belongs to somebody else")
            name = Path(safe_name(media.name or "file")).stem + _OPENED[media.type]
            path = await media.save(free_path(folder, name))
        except (ClientError, OSError) as error:
            self._complain(error)
            return
        await asyncio.to_thread(
            subprocess.Popen,
            [opener, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    @on(Conversation.PictureWanted)
    def _picture_wanted(self, event: Conversation.PictureWanted) -> None:
        self._show_picture(event.message)

    @work(group="pictures")
    async def _show_picture(self, message: Message) -> None:
        """Loads a small picture of a message, and shows it, if the terminal can show any."""
        media = _file_of(message)
        if media is None or not media.kind.is_shown or not can_show() or media.once:
            return
        if media.size is None or media.size > MOST_BYTES or not media.encrypted:
            return  # larger ones, and those that are not encrypted, are fetched when the user wants them
        if not self.client.accepted(message.author if message.incoming else message.peer):
            return
        with tempfile.TemporaryDirectory() as folder:
            try:
                path = await media.save(Path(folder) / "picture")
                picture = await asyncio.to_thread(lambda: decoded(path.read_bytes()))
            except (ClientError, OSError):
                return  # the line with its size stays
        if picture is not None and self.is_running and self.query(Conversation):
            self.query_one(Conversation).show_picture(message.row, picture)


def _file_of(message: Message) -> Media | None:
    media = message.media
    return media if media is not None and media.kind.is_file else None


def downloads() -> Path:
    """The user's folder for downloads."""
    chosen = os.environ.get("XDG_DOWNLOAD_DIR")
    return Path(chosen).expanduser() if chosen else Path.home() / "Downloads"
