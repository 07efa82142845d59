"""The dark and the light theme. Text has a contrast of at least 4.5:1."""

from __future__ import annotations

from textual.theme import Theme

DARK = Theme(
    name="kith-dark",
    primary="#2fb99a",
    secondary="#7fb2ff",
    accent="#53bdeb",
    warning="#f2b84b",
    error="#ff7b72",
    success="#2fb99a",
    foreground="#e6edf0",
    background="#0d1418",
    surface="#121b20",
    panel="#1b272e",
    dark=True,
    variables={"mine": "#10493f", "theirs": "#22313a", "muted": "#93a5ae", "read": "#5cc8f5"},
)
LIGHT = Theme(
    name="kith-light",
    primary="#0b7a63",
    secondary="#2457a6",
    accent="#0a6ebd",
    warning="#8a5600",
    error="#b3261e",
    success="#0b7a63",
    foreground="#14201f",
    background="#f3efe9",
    surface="#fbf9f6",
    panel="#e7e1d8",
    dark=False,
    variables={"mine": "#cdeedd", "theirs": "#ffffff", "muted": "#5a6a6c", "read": "#0a6ebd"},
)
