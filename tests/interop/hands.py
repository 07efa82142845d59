"""What a person does at a screen, through its accessibility (AT-SPI): looks, clicks, types.

A program of its own, run by Debian's Python, which has the bindings, next to the program that is used. It is
given the number of a socket: each line that comes is a call, ``{"do": name, …}``; each that goes a result, or
``{"error": …}``. A widget is named by its role and a pattern for its name, description or text; ``beside``
is such a pattern for what is on its left.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator

import gi

gi.require_version("Atspi", "2.0")
gi.require_version("Gdk", "3.0")
from gi.repository import Atspi, Gdk, GLib  # noqa: E402


def texts(node: Atspi.Accessible) -> list[str]:
    """Name, description and text, those that there are."""
    text = Atspi.Text.get_text(node, 0, -1) if node.get_text_iface() else ""
    return [part for part in (node.get_name(), node.get_description(), text) if part]


def says(node: Atspi.Accessible, pattern: str) -> bool:
    return any(re.search(pattern, text) for text in texts(node))


def visible(node: Atspi.Accessible | None) -> Iterator[Atspi.Accessible]:
    """The node and all below it that is on the screen."""
    if node is None:
        return
    if node.get_state_set().contains(Atspi.StateType.SHOWING):
        yield node
    elif node.get_role() != Atspi.Role.VIEWPORT:  # GTK 3 takes one that is scrolled for hidden
        return
    for index in range(node.get_child_count()):
        yield from visible(node.get_child_at_index(index))


def screen() -> Iterator[Atspi.Accessible]:
    """All that is on the screen, the newest window first."""
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        program = desktop.get_child_at_index(index)
        for number in reversed(range(program.get_child_count())):
            yield from visible(program.get_child_at_index(number))


def found(role: str, pattern: str = "", beside: str = "") -> list[Atspi.Accessible]:
    """The widgets on the screen that match."""
    nodes = [node for node in screen() if node.get_role_name() == role]
    if pattern:
        nodes = [node for node in nodes if says(node, pattern)]
    if beside:
        marks = [place(node) for node in screen() if says(node, beside)]
        nodes = [node for node in nodes if any(left_of(mark, place(node)) for mark in marks)]
    return nodes


def place(node: Atspi.Accessible) -> Atspi.Rect:
    """Where it is on the screen."""
    return node.get_extents(Atspi.CoordType.SCREEN)


def left_of(area: Atspi.Rect, other: Atspi.Rect) -> bool:
    """Whether they are in one row, in this order."""
    return area.x < other.x and abs(middle(area)[1] - middle(other)[1]) < area.height // 2


def middle(area: Atspi.Rect) -> tuple[int, int]:
    return area.x + area.width // 2, area.y + area.height // 2


class Hands:
    """The calls. Those for a widget that is not there, or can't be used, return None."""

    def __init__(self) -> None:
        self.programs: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> int:
        """Starts a program on this screen; what it writes goes to a log of that name. Returns its id."""
        with open(f"{name}.log", "ab") as output:
            program = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        self.programs[name] = program
        return program.pid

    def ended(self, name: str) -> bool:
        """Whether a program that was started has ended."""
        return self.programs[name].poll() is not None

    def tree(self) -> list[list[object]]:
        """Role, texts and place (x, y, width, height) of all that is on the screen."""
        nodes = [(node, place(node)) for node in screen()]
        return [[node.get_role_name(), texts(node), [a.x, a.y, a.width, a.height]] for node, a in nodes]

    def see(self, **which: str) -> list[list[str]]:
        """The texts of each widget that matches."""
        return [texts(node) for node in found(**which)]

    def active(self, **which: str) -> bool:
        """Whether a window that matches has the focus."""
        return any(node.get_state_set().contains(Atspi.StateType.ACTIVE) for node in found(**which))

    def click(self, mouse: str = "", **which: str) -> bool | None:
        """Presses the button, or the mouse where it is; always the mouse if the click is given: ``b1d``."""
        for node in found(**which):
            if not node.get_state_set().contains(Atspi.StateType.SENSITIVE):
                return None
            if not mouse and node.get_action_iface() and node.get_n_actions():
                return node.do_action(0)
            return Atspi.generate_mouse_event(*middle(place(node)), mouse or "b1c")
        return None

    def write(self, text: str, **which: str) -> bool | None:
        """Fills a field, and leaves the focus there."""
        for node in found(**which):
            node.grab_focus()
            return Atspi.EditableText.set_text_contents(node, text)
        return None

    def press(self, key: str) -> bool:
        """Presses a key, by its name in X11."""
        return Atspi.generate_keyboard_event(Gdk.keyval_from_name(key), None, Atspi.KeySynthType.SYM)

    def type(self, text: str) -> bool:
        """Types a text into what has the focus."""
        return Atspi.generate_keyboard_event(0, text, Atspi.KeySynthType.STRING)

    def point(self, x: int, y: int) -> bool:
        """Clicks a place of the screen."""
        return Atspi.generate_mouse_event(x, y, "b1c")

    def picture(self, file: str) -> bool:
        """A screenshot, as PNG, without what shows only under the mouse."""
        root = Gdk.get_default_root_window()
        Atspi.generate_mouse_event(root.get_width() - 1, 0, "abs")
        time.sleep(0.2)
        return Gdk.pixbuf_get_from_window(root, 0, 0, root.get_width(), root.get_height()).savev(file, "png")


def main() -> None:
    warnings.simplefilter("ignore")
    Gdk.init(sys.argv)
    Atspi.init()
    hands = Hands()
    wire = socket.socket(fileno=int(sys.argv[1])).makefile("rw")
    for line in wire:
        while GLib.MainContext.default().iteration(False):  # what has changed on the screen
            pass
        call = json.loads(line)
        try:
            result = getattr(hands, call.pop("do"))(**call)
        except Exception as error:  # a widget has gone while it was looked at, for one
            result = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(result), file=wire, flush=True)


main()
