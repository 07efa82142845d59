"""Draws what `run.py` has measured: a bar for each server, shorter is better."""

from __future__ import annotations

from pathlib import Path

import matplotlib

matplotlib.use("svg")

from matplotlib import pyplot

#: What is drawn: title, place in the figures, unit.
PANELS = (
    ("CPU for a 1 kB encrypted message", "omemo", "us", "µs"),
    ("CPU for a 250 B plain message", "plain", "us", "µs"),
    ("Memory of an idle connection", "idle", "kb", "KB"),
    ("… and with TLS", "idle_tls", "kb", "KB"),
    ("Latency at 1000 messages/s, 99 %", "latency", "p99_ms", "ms"),
    ("CPU for a login", "login", "ms", "ms"),
)
_OURS, _OTHERS = "#0f8b6d", "#9aa5b1"


def _end(values: list[float]) -> float:
    """Where bars are cut off, so that one that is far longer does not hide what the others are."""
    *others, longest = sorted(values) or [1.0]
    return min(longest, 1.5 * others[-1]) if others else longest


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def draw(results: dict[str, dict[str, dict[str, float]]], caption: str, file: Path) -> None:
    """Writes an SVG."""
    pyplot.rcParams.update({"font.family": "sans-serif", "font.size": 9, "svg.fonttype": "path"})
    figure, axes = pyplot.subplots(3, 2, figsize=(10, 1.2 + 0.95 * len(results)), layout="constrained")
    for panel, (title, name, key, unit) in zip(axes.flat, PANELS, strict=True):
        names = [server for server in results if key in results[server].get(name, {})]
        values = [results[server][name][key] for server in names]
        end = _end(values)
        colours = [_OURS if server == "Kith" else _OTHERS for server in names]
        bars = panel.barh(names, [min(value, end) for value in values], color=colours)
        labels = [f"{_short(value)} {unit}{'  (cut off)' if value > end else ''}" for value in values]
        panel.bar_label(bars, labels, padding=4)
        panel.set_title(title, loc="left", fontweight="bold", fontsize=10)
        panel.invert_yaxis()
        panel.set_xticks([])
        panel.set_xlim(0, end * 1.4)
        panel.spines[["top", "right", "bottom"]].set_visible(False)
        panel.tick_params(length=0)
    figure.suptitle(f"Shorter is better. {caption}", fontsize=8, color="#5f6b76")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, facecolor="white")
